use std::sync::atomic::Ordering;

use axum::body::Body;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Request, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::browser::Browser;
use crate::fakes::{SHOPPER, STAFF, World};

#[tokio::test]
async fn what_is_not_there_is_a_page_that_says_so() {
    let browser = Browser::logged_in(&World::seeded(10), SHOPPER).await;
    for path in [
        "/nowhere",
        "/products/no such",
        "/products/NONE-1",
        "/orders/7",
        "/orders/01890a5d-ac96-774b-bcce-b302099a8057",
        "/products/%00",
    ] {
        let page = browser.get(&path.replace(' ', "%20")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(page.header(CONTENT_TYPE), "text/html; charset=utf-8");
        page.assert_shows(&["<main", "This page came from", "Back to the shop"]);
    }
}

#[tokio::test]
async fn an_address_that_does_not_parse_is_a_page_that_names_the_field() {
    let browser = Browser::guest(&World::seeded(10)).await;
    let long = format!("/products?q={}", "x".repeat(101));
    for (path, field) in [
        ("/products?cursor=nonsense", "cursor"),
        ("/products?category=UPPER", "category"),
        ("/products/%ff", "sku"),
        (&*long, "q"),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{path}");
        page.assert_shows(&[&format!("<code>{field}</code>")]);
    }
    let customer = Browser::logged_in(&World::seeded(10), SHOPPER).await;
    let page = customer.get("/orders/%ff").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.assert_shows(&["<code>id</code>"]);
}

#[tokio::test]
async fn wrong_methods_and_wrong_bodies_are_pages_too() {
    let browser = Browser::logged_in(&World::seeded(10), SHOPPER).await;
    let answer = browser.post("/orders", &[]).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    answer.assert_shows(&["We did not understand that"]);
    let json = Request::post("/login").header(CONTENT_TYPE, "application/json");
    let answer = browser.send(json.body(Body::from("{}")).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    answer.assert_shows(&["We did not understand that"]);
}

#[tokio::test]
async fn a_part_that_is_away_is_said_plainly_and_with_a_time_to_come_back() {
    let world = World::seeded(10);
    let browser = Browser::guest(&world).await;
    world.inventory_is_away.store(true, Ordering::Relaxed);
    let page = browser.get("/products").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.header(RETRY_AFTER), "1");
    page.assert_shows(&["We are out of breath", "Try again in 1 second."]);
    assert!(!page.body.contains("told to be away"));
}

#[tokio::test]
async fn without_sessions_one_may_look_around_but_not_act() {
    let world = World::seeded(60);
    let browser = Browser::logged_in(&world, SHOPPER).await;
    world.users_are_away.store(true, Ordering::Relaxed);
    let page = browser.get("/products/TPT-0022").await;
    assert_eq!(page.status, StatusCode::OK);
    page.assert_shows(&[
        "We cannot look up your log-in right now",
        "Earthenware teapot",
    ]);
    for path in ["/cart", "/orders", "/checkout"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
}

/// Whatever is typed into addresses and forms, it is never our fault.
#[test]
fn no_input_breaks_a_page() {
    const PAGES: [&str; 6] = [
        "/products",
        "/products/",
        "/orders",
        "/orders/",
        "/login",
        "/reports/sales",
    ];
    const FIELDS: [&str; 8] = [
        "category", "q", "cursor", "days", "next", "thanks", "", "limit",
    ];
    const FORMS: [&str; 6] = [
        "/login",
        "/register",
        "/cart/items",
        "/checkout",
        "/products/TPT-0022/stock",
        "/orders/01890a5d-ac96-774b-bcce-b302099a8057/cancel",
    ];
    const INPUTS: [&str; 11] = [
        "email", "password", "name", "next", "sku", "quantity", "action", "key", "lines", "id",
        "delta",
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let world = World::seeded(60);
    let browser = runtime.block_on(Browser::logged_in(&world, STAFF));
    let value = prop_oneof![
        any::<String>(),
        any::<i64>().prop_map(|number| number.to_string()),
        Just("TPT-0022".to_owned()),
        Just("TPT-0022:1".to_owned()),
        Just("add".to_owned()),
    ];
    let asked = (
        select(&PAGES[..]),
        any::<String>(),
        select(&FIELDS[..]),
        value.clone(),
    );
    let sent = (select(&FORMS[..]), vec((select(&INPUTS[..]), value), 0..6));
    proptest!(|((page, segment, field, value) in asked, (form, inputs) in sent)| {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let segment = if page.ends_with('/') { encode(&segment) } else { String::new() };
        let path = format!("{page}{segment}?{field}={}", encode(&value));
        let status = runtime.block_on(browser.get(&path)).status;
        prop_assert!(!status.is_server_error(), "{status} for {path}");
        let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let status = runtime.block_on(browser.post(form, &inputs)).status;
        prop_assert!(!status.is_server_error(), "{status} for {form} with {inputs:?}");
    });
}
