//! A person with a browser: registers, searches, buys, and sees the order.
//!
//! With `STAGE_URL` against a running stage, else against a shop of its own on a real Postgres. When it
//! fails, a screenshot and the page's source are in `target/screenshots/`.

use std::path::Path;

use testkit::{Browser, Shop};

#[tokio::test]
async fn a_person_registers_searches_buys_and_sees_the_order() {
    let (base, _shop) = match std::env::var("STAGE_URL") {
        Ok(url) => (url, None),
        Err(_) => {
            let folder = tempfile::tempdir().expect("a folder");
            let assets = folder.path().join("assets");
            paint(&assets);
            let shop = Shop::start_with_assets(&assets).await;
            (shop.url(), Some((shop, folder)))
        }
    };
    let browser = Browser::open()
        .await
        .expect("chromium and chromedriver: ./stage test installs them");
    let journey = buy_something(&browser, &base).await;
    if journey.is_err() {
        browser.keep_evidence("buy").await;
    }
    browser.close().await;
    journey.expect("the journey");
}

/// The pictures of the products that a test's shop has.
fn paint(folder: &Path) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../storefront/static");
    assets::build(&sources, folder, 60, |_| {}).expect("assets can be built");
}

async fn buy_something(browser: &Browser, base: &str) -> anyhow::Result<()> {
    let page = &browser.page;
    page.goto(base).await?;
    browser.shows_picture(".hero img").await?;

    page.goto(&format!("{base}/register?next=%2F")).await?;
    let email = format!("browser-{}@example.test", uuid::Uuid::now_v7());
    for (field, text) in [
        ("name", "Ada <b>Browser</b>"),
        ("email", email.as_str()),
        ("password", "a quiet afternoon"),
    ] {
        browser
            .fill(&format!("form.panel [name={field}]"), text)
            .await?;
    }
    browser.click("form.panel button").await?;
    // A name with markup is text, wherever it shows.
    browser.wait_for("form[action='/logout']").await?;

    browser.fill("#q", "mug").await?;
    browser.click(".search button").await?;
    // The page before has links to products, too.
    browser.wait_for("h1 q").await?;
    browser.click("main a[href^='/products/']").await?;
    let name = browser.text("h1").await?;
    browser.shows_picture(".product-picture").await?;

    browser.click("form.buy button").await?;
    browser.wait_for("a[href='/checkout']").await?;
    browser.contains("main", &name).await?;
    browser.click("a[href='/checkout']").await?;
    browser.click("form[action='/checkout'] button").await?;

    browser.wait_for("form[action$='/cancel']").await?;
    browser.contains("main", &name).await?;
    browser.contains("main", &email).await?;
    let order = page.current_url().await?.path().to_owned();

    page.goto(&format!("{base}/orders")).await?;
    browser
        .wait_for(&format!("main a[href^='{order}']"))
        .await?;

    // How this page came here, hop by hop.
    browser.click("footer summary").await?;
    browser.contains("footer", "db").await?;

    browser.click("form[action='/logout'] button").await?;
    browser.wait_for("a[href^='/login']").await?;
    Ok(())
}
