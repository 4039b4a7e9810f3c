use std::sync::atomic::Ordering;

use contract::inventory::Product;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use storefront::Assets;

use crate::browser::Browser;
use crate::fakes::{SHOPPER, STAFF, World};

#[tokio::test]
async fn the_front_page_has_a_window_and_departments() {
    let page = Browser::guest(&World::seeded(60)).await.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header(CONTENT_TYPE), "text/html; charset=utf-8");
    page.assert_shows(&[
        "<h1>Everything for the scene",
        "Earthenware teapot in honey",
        "€\u{a0}49.50",
        "<b>Tableware</b>",
        "Log in",
    ]);
}

#[tokio::test]
async fn the_list_leads_from_page_to_page() {
    let browser = Browser::guest(&World::seeded(60)).await;
    let mut path = "/products".to_owned();
    let mut seen = 0;
    loop {
        let page = browser.get(&path).await;
        seen += page.body.matches("class=\"card\"").count();
        let Some((_, next)) = page.body.split_once("rel=\"next\" href=\"") else {
            break;
        };
        path = next.split('"').next().unwrap().replace("&#38;", "&");
    }
    assert_eq!(seen, 60);
}

#[tokio::test]
async fn a_department_is_marked_as_current() {
    let browser = Browser::guest(&World::seeded(60)).await;
    let page = browser
        .get("/products?category=kitchen&utm_source=letter")
        .await;
    assert_eq!(page.status, StatusCode::OK);
    page.assert_shows(&[
        "<h1>Kitchen</h1>",
        "category=kitchen\" aria-current=\"true\"",
        "cooking pot",
    ]);
}

#[tokio::test]
async fn a_search_keeps_its_words_and_says_when_nothing_was_found() {
    let browser = Browser::guest(&World::seeded(60)).await;
    let found = browser.get("/products?q=teapot&category=").await;
    found.assert_shows(&["value=\"teapot\"", "Earthenware teapot in honey"]);
    let nothing = browser.get("/products?q=%22%3E%3Cscript%3E").await;
    nothing.assert_shows(&["We found nothing", "&#34;&#62;&#60;script&#62;"]);
    assert!(!nothing.body.contains("\"><script>"));
}

#[tokio::test]
async fn a_product_page_costs_a_guest_one_query_and_a_customer_one_more() {
    let world = World::seeded(60);
    let calls = || world.calls.swap(0, Ordering::Relaxed);

    let page = Browser::guest(&world).await.get("/products/TPT-0022").await;
    page.assert_shows(&["Four cups", "In stock", "Log in to buy"]);
    page.assert_shows(&["/login?next=%2Fproducts%2FTPT-0022"]);
    assert_eq!(calls(), 1);

    let browser = Browser::logged_in(&world, SHOPPER).await;
    let page = browser.get("/products/TPT-0022").await;
    page.assert_shows(&["Add to cart", "Log out"]);
    assert!(!page.body.contains("Restock"));
    assert_eq!(calls(), 2);
}

#[tokio::test]
async fn pages_are_never_kept_by_others() {
    let world = World::seeded(10);
    let page = Browser::guest(&world).await.get("/").await;
    assert_eq!(page.header(CACHE_CONTROL), "private, no-cache");
    assert_eq!(page.header(VARY), "Cookie");
    let page = Browser::logged_in(&world, SHOPPER).await.get("/").await;
    assert_eq!(page.header(CACHE_CONTROL), "no-store");
}

#[tokio::test]
async fn hostile_names_stay_text() {
    let hostile = "<script>alert(1)</script>\"'&";
    let world = World::new(vec![Product {
        sku: "EVIL-1".parse().unwrap(),
        name: hostile.to_owned(),
        description: hostile.to_owned(),
        category: "kitchen".parse().unwrap(),
        price_cents: 100,
        available: 5,
    }]);
    let browser = Browser::logged_in(&world, SHOPPER).await;
    let add = [("sku", "EVIL-1"), ("action", "add")];
    browser.post("/cart/items", &add).await.see_other();
    for path in ["/products", "/products/EVIL-1", "/cart", "/checkout"] {
        let page = browser.get(path).await;
        page.assert_shows(&["&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#38;"]);
        assert!(!page.body.contains("<script>alert"), "{path}");
    }
}

#[tokio::test]
async fn the_footer_tells_which_way_the_page_came() {
    let page = Browser::guest(&World::seeded(60))
        .await
        .get("/products/TPT-0022")
        .await;
    page.assert_shows(&[
        "This page came from",
        "data-hop=\"web\"",
        "data-hop=\"db\"",
        "db products.by_sku",
        "0.42 ms",
        page.header("x-request-id"),
    ]);
    assert!(!page.header("x-request-id").is_empty());
}

#[tokio::test]
async fn staff_restock_once_however_often_the_form_is_sent() {
    let world = World::seeded(60);
    let browser = Browser::logged_in(&world, STAFF).await;
    let before = world.available("TPT-0022");
    let form = browser.get("/products/TPT-0022").await;
    let id = form.hidden("id");
    for _ in 0..2 {
        let form = [("id", &*id), ("delta", "25")];
        let answer = browser.post("/products/TPT-0022/stock", &form).await;
        assert_eq!(answer.see_other(), "/products/TPT-0022");
    }
    assert_eq!(world.available("TPT-0022"), before + 25);

    let wrong = [("id", &*id), ("delta", "lots")];
    let answer = browser.post("/products/TPT-0022/stock", &wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    answer.assert_shows(&["expected a whole number", "value=\"lots\"", "aria-invalid"]);
    assert_eq!(answer.hidden("id"), id);
}

#[tokio::test]
async fn the_report_is_for_staff() {
    let world = World::seeded(60);
    let guest = Browser::guest(&world)
        .await
        .get("/reports/sales?days=7")
        .await;
    assert_eq!(
        guest.see_other(),
        "/login?next=%2Freports%2Fsales%3Fdays%3D7"
    );
    let shopper = Browser::logged_in(&world, SHOPPER)
        .await
        .get("/reports/sales")
        .await;
    assert_eq!(shopper.status, StatusCode::FORBIDDEN);
    shopper.assert_shows(&["For staff only", "Log out"]);
    let staff = Browser::logged_in(&world, STAFF)
        .await
        .get("/reports/sales?days=7")
        .await;
    assert_eq!(staff.status, StatusCode::OK);
    staff.assert_shows(&[
        "What sold best",
        "Checked cotton blanket in moss",
        "days=7\" aria-current",
    ]);
    assert_eq!(staff.body.matches("<rect x=").count(), 7);
}

#[tokio::test]
async fn pages_may_load_from_the_host_of_the_assets_and_from_nowhere_else() {
    let world = World::seeded(10);
    for (host, source) in [
        ("http://cdn.test:8085", "http://cdn.test:8085"),
        ("//cdn.test", "cdn.test"),
    ] {
        let browser = Browser::with_assets(&world, Assets::load(None, host).unwrap()).await;
        let page = browser.get("/").await;
        page.assert_shows(&[
            &format!("href=\"{host}/assets/shop."),
            &format!("<link rel=\"preconnect\" href=\"{host}\">"),
        ]);
        let policy = page.header(CONTENT_SECURITY_POLICY);
        assert!(
            policy.starts_with(&format!(
                "default-src 'self' {source}; img-src 'self' {source} data:;"
            )),
            "{policy}"
        );
    }
    for bad in [
        "cdn.test",
        "http://",
        "//",
        "ftp://a",
        "http://a b",
        "http://a/",
        "//a;script-src *",
    ] {
        assert!(Assets::load(None, bad).is_err(), "{bad}");
    }
}
