use std::sync::atomic::Ordering;

use http::StatusCode;
use http::header::{RETRY_AFTER, SET_COOKIE};

use crate::browser::Browser;
use crate::fakes::{PASSWORD, SHOPPER, World};

#[tokio::test]
async fn logging_in_leads_back_to_where_one_came_from() {
    let browser = Browser::guest(&World::seeded(10)).await;
    let form = browser.get("/login?next=%2Fproducts%3Fq%3Dmug").await;
    let next = form.hidden("next");
    let typed = [("email", SHOPPER), ("password", PASSWORD), ("next", &*next)];
    let answer = browser.post("/login", &typed).await;
    assert_eq!(answer.see_other(), "/products?q=mug");
    assert!(answer.header(SET_COOKIE).starts_with("session=token-"));
    assert!(answer.header(SET_COOKIE).contains("HttpOnly"));
}

#[tokio::test]
async fn logging_in_leads_to_no_other_site() {
    let browser = Browser::guest(&World::seeded(10)).await;
    for elsewhere in [
        "//evil.test",
        "https://evil.test",
        "/\\evil.test",
        "/\t/evil.test",
        "javascript:alert(1)",
        "/\r\nX: y",
    ] {
        let typed = [
            ("email", SHOPPER),
            ("password", PASSWORD),
            ("next", elsewhere),
        ];
        let answer = browser.post("/login", &typed).await;
        assert_eq!(answer.see_other(), "/", "{elsewhere:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_keeps_the_address_and_forgets_the_password() {
    let browser = Browser::guest(&World::seeded(10)).await;
    let typed = [
        ("email", SHOPPER),
        ("password", "in<correct"),
        ("next", "/cart"),
    ];
    let answer = browser.post("/login", &typed).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    answer.assert_shows(&[
        "role=\"alert\"",
        "no account has this e-mail address and password",
        "value=\"shopper-00001@example.test\"",
    ]);
    assert!(!answer.body.contains("in&#60;correct"));
    assert_eq!(answer.hidden("next"), "/cart");
}

#[tokio::test]
async fn too_many_attempts_are_told_when_to_come_back() {
    let world = World::seeded(10);
    world.attempts_left.store(0, Ordering::Relaxed);
    let typed = [("email", SHOPPER), ("password", PASSWORD)];
    let answer = Browser::guest(&world).await.post("/login", &typed).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header(RETRY_AFTER), "30");
    answer.assert_shows(&["try again in 30 s", "value=\"shopper-00001@example.test\""]);
}

#[tokio::test]
async fn registering_opens_an_account_and_logs_in() {
    let browser = Browser::guest(&World::seeded(10)).await;
    let typed = [
        ("name", "Grace Hopper"),
        ("email", "Grace@Example.test"),
        ("password", PASSWORD),
        ("next", "/products/TPT-0022"),
    ];
    let answer = browser.post("/register", &typed).await;
    assert_eq!(answer.see_other(), "/products/TPT-0022");
    assert!(answer.header(SET_COOKIE).starts_with("session=token-"));

    let again = browser.post("/register", &typed).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    again.assert_shows(&[
        "has an account already",
        "value=\"Grace Hopper\"",
        "aria-invalid",
    ]);
}

#[tokio::test]
async fn all_mistakes_of_a_form_are_told_at_once_beside_their_fields() {
    let browser = Browser::guest(&World::seeded(10)).await;
    let typed = [("name", ""), ("email", "grace"), ("password", "")];
    let answer = browser.post("/register", &typed).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    answer.assert_shows(&[
        "id=\"name-hint\"><span class=\"wrong\">please fill this in",
        "id=\"email-hint\"><span class=\"wrong\">expected an e-mail address",
        "id=\"password-hint\"><span class=\"wrong\">please fill this in",
        "value=\"grace\"",
    ]);

    let typed = [
        ("name", "G"),
        ("email", "g@example.test"),
        ("password", "short"),
    ];
    let answer = browser.post("/register", &typed).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    answer.assert_shows(&["the password is too short: expected at least 8 characters"]);
}

#[tokio::test]
async fn logging_out_ends_the_session_here_and_there() {
    let browser = Browser::logged_in(&World::seeded(10), SHOPPER).await;
    assert_eq!(browser.get("/orders").await.status, StatusCode::OK);
    let answer = browser.post("/logout", &[]).await;
    assert_eq!(answer.see_other(), "/");
    assert!(answer.header(SET_COOKIE).starts_with("session=;"));
    assert_eq!(
        browser.get("/orders").await.see_other(),
        "/login?next=%2Forders"
    );
}
