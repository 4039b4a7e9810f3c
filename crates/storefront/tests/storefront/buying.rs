use http::StatusCode;

use crate::browser::Browser;
use crate::fakes::{SHOPPER, STAFF, World};

async fn put(browser: &Browser, action: &str, sku: &str, quantity: &str) {
    let form = [("sku", sku), ("quantity", quantity), ("action", action)];
    let answer = browser.post("/cart/items", &form).await;
    assert_eq!(answer.see_other(), "/cart");
}

#[tokio::test]
async fn a_cart_is_filled_changed_and_emptied_by_form() {
    let browser = Browser::logged_in(&World::seeded(60), SHOPPER).await;
    put(&browser, "add", "TPT-0022", "2").await;
    put(&browser, "add", "TPT-0022", "1").await;
    browser
        .get("/cart")
        .await
        .assert_shows(&["value=\"3\"", "€\u{a0}148.50"]);
    put(&browser, "add", "TPT-0022", "99").await;
    browser.get("/cart").await.assert_shows(&["value=\"99\""]);
    put(&browser, "set", "TPT-0022", "1").await;
    browser
        .get("/cart")
        .await
        .assert_shows(&["value=\"1\"", "€\u{a0}49.50"]);
    put(&browser, "set", "TPT-0022", "0").await;
    browser
        .get("/cart")
        .await
        .assert_shows(&["Nothing in it yet"]);
    put(&browser, "remove", "TPT-0022", "1").await;
}

#[tokio::test]
async fn guests_log_in_before_they_have_a_cart() {
    let browser = Browser::guest(&World::seeded(60)).await;
    assert_eq!(
        browser.get("/cart").await.see_other(),
        "/login?next=%2Fcart"
    );
    let answer = browser.post("/cart/items", &[("sku", "TPT-0022")]).await;
    assert_eq!(answer.see_other(), "/login?next=%2Fcart");
}

#[tokio::test]
async fn a_double_click_places_one_order() {
    let world = World::seeded(60);
    let browser = Browser::logged_in(&world, SHOPPER).await;
    put(&browser, "add", "TPT-0022", "2").await;
    let checkout = browser.get("/checkout").await;
    checkout.assert_shows(&["€\u{a0}99.00", SHOPPER]);
    let form = [
        ("key", checkout.hidden("key")),
        ("lines", checkout.hidden("lines")),
    ];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));

    // By the second click the first has emptied the cart.
    let first = browser.post("/checkout", &form).await;
    let second = browser.post("/checkout", &form).await;
    assert_eq!(first.see_other(), second.see_other());
    assert_eq!(world.orders_placed(), 1);

    let order = browser.get(first.see_other()).await;
    order.assert_shows(&["Thank you", "€\u{a0}99.00", "placed", "Cancel this order"]);
    browser
        .get("/orders")
        .await
        .assert_shows(&["Earthenware teapot in honey"]);
    assert_eq!(browser.get("/checkout").await.see_other(), "/cart");
}

#[tokio::test]
async fn what_is_short_is_told_in_the_cart() {
    let world = World::seeded(60);
    let browser = Browser::logged_in(&world, SHOPPER).await;
    put(&browser, "add", "TPT-0022", "5").await;
    let checkout = browser.get("/checkout").await;
    let (key, lines) = (checkout.hidden("key"), checkout.hidden("lines"));
    let form = [("key", &*key), ("lines", &*lines)];

    world.set_available("TPT-0022", 3);
    let answer = browser.post("/checkout", &form).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    answer.assert_shows(&[
        "There are only 3 of Earthenware teapot in honey left",
        "Only 3 left",
        "value=\"5\"",
    ]);

    world.set_available("TPT-0022", 0);
    let answer = browser.post("/checkout", &form).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    answer.assert_shows(&["has just sold out"]);
    assert_eq!(world.orders_placed(), 0);
}

#[tokio::test]
async fn an_order_is_cancelled_by_its_owner_alone() {
    let world = World::seeded(60);
    let browser = Browser::logged_in(&world, SHOPPER).await;
    let form = [("key", "one"), ("lines", "TPT-0022:1 CDL-0011:2")];
    let placed = browser.post("/checkout", &form).await;
    let order = placed.see_other().split('?').next().unwrap();

    let other = Browser::logged_in(&world, STAFF).await;
    assert_eq!(other.get(order).await.status, StatusCode::NOT_FOUND);
    let cancel = format!("{order}/cancel");
    assert_eq!(other.post(&cancel, &[]).await.status, StatusCode::NOT_FOUND);

    assert_eq!(browser.post(&cancel, &[]).await.see_other(), order);
    let page = browser.get(order).await;
    page.assert_shows(&["cancelled", "3 pieces"]);
    assert!(!page.body.contains("Cancel this order"));
}

#[tokio::test]
async fn a_forged_checkout_is_a_page_that_names_the_field() {
    let browser = Browser::logged_in(&World::seeded(60), SHOPPER).await;
    for lines in [
        "TPT-0022",
        "TPT-0022:0",
        "TPT-0022:100",
        "tpt:1",
        "A:1 A:1",
        "A:-1",
        ":",
    ] {
        let form = [("key", "k"), ("lines", lines)];
        let answer = browser.post("/checkout", &form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{lines}");
        answer.assert_shows(&["<code>lines</code>"]);
    }
    let answer = browser.post("/checkout", &[("lines", "TPT-0022:1")]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    answer.assert_shows(&["key"]);
}
