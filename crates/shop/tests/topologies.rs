//! One test body over the monolith and over three services: which of them it is, nobody can tell.

use std::time::Duration;

use serde_json::{Value, json};
use shop::AppDatabases;
use testkit::{Client, Services, Shop};

#[tokio::test(flavor = "multi_thread")]
async fn the_monolith_sells() {
    let shop = Shop::start().await;
    sells(&shop.client(), shop.app().databases()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_services_sell() {
    let services = Services::start().await;
    sells(&services.client(), services.databases()).await;
}

/// From a new customer to the report that has his order.
async fn sells(guest: &Client, databases: &AppDatabases) {
    let staff = guest.logged_in("staff@example.test").await;
    let ada = registers(guest).await;
    let sku = browses(guest).await;

    let stock = format!("/api/v1/products/{sku}/stock");
    assert_eq!(ada.post(&stock, json!({ "delta": 5 })).await.status, 403);
    let before = guest.available(&sku).await;
    let level = staff.post(&stock, json!({ "delta": 5 })).await;
    assert_eq!(
        (level.status.as_u16(), &level.json["available"]),
        (200, &json!(before + 5))
    );

    let reported = sales(&staff).await;
    let kept = buys(&ada, &sku, "kept").await;
    let cancelled = buys(&ada, &sku, "cancelled").await;
    assert_eq!(guest.available(&sku).await, before + 3);
    assert_eq!(sales(&staff).await, reported + 2);

    let path = format!("/api/v1/orders/{cancelled}/cancel");
    let answer = ada.post(&path, json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json["status"]),
        (200, &json!("cancelled"))
    );
    assert_eq!(guest.available(&sku).await, before + 4);

    let history = ada.get("/api/v1/orders").await.json;
    let ids: Vec<_> = history["items"]
        .as_array()
        .expect("orders")
        .iter()
        .map(|o| &o["id"])
        .collect();
    assert_eq!(ids, [&cancelled, &kept]);
    // Nobody else's.
    let path = format!("/api/v1/orders/{kept}");
    assert_eq!(guest.get(&path).await.status, 401);
    assert_eq!(staff.get(&path).await.status, 404);

    assert_eq!(ada.get("/api/v1/reports/sales?days=30").await.status, 403);
    // What services ask each other is nobody else's.
    let call = guest
        .post("/internal/users/user", json!({ "id": kept }))
        .await;
    assert_eq!(call.status, 404);
    let kept = kept.parse().expect("an id");
    balances(databases, kept).await;
}

async fn registers(guest: &Client) -> Client {
    let new = json!({ "email": "ada@example.test", "password": "a long password", "name": "Ada" });
    assert_eq!(guest.post("/api/v1/users", new.clone()).await.status, 201);
    assert_eq!(guest.post("/api/v1/users", new).await.status, 409);
    assert_eq!(guest.get("/api/v1/users/me").await.status, 401);
    let ada = guest
        .logged_in_with("ada@example.test", "a long password")
        .await;
    assert_eq!(ada.get("/api/v1/users/me").await.json["name"], "Ada");
    ada
}

/// Two pages of the catalogue, the page of a product, and what is not there.
async fn browses(guest: &Client) -> String {
    let first = guest.get("/api/v1/products?limit=2").await.json;
    let next = first["next"].as_str().expect("a next page");
    let second = guest
        .get(&format!("/api/v1/products?limit=2&cursor={next}"))
        .await
        .json;
    assert_ne!(first["items"], second["items"]);
    assert_eq!(guest.get("/api/v1/products/UNICORN").await.status, 404);
    let sku = first["items"][0]["sku"].as_str().expect("a SKU");
    assert_eq!(guest.get(&format!("/products/{sku}")).await.status, 200);
    sku.to_owned()
}

/// Buys one, and once more with the same key; gives the order's id.
async fn buys(shopper: &Client, sku: &str, key: &str) -> String {
    let first = shopper.buy(key, &[sku]).await;
    assert_eq!(first.status, 201, "{}", first.json);
    let again = shopper.buy(key, &[sku]).await;
    assert_eq!((again.status.as_u16(), &again.json), (201, &first.json));
    let other = shopper.buy(key, &[sku, "UNICORN"]).await;
    assert_eq!(other.status, 422, "{}", other.json);
    first.json["id"].as_str().expect("an id").to_owned()
}

/// Orders of the last 30 days.
async fn sales(staff: &Client) -> i64 {
    let report = staff.get("/api/v1/reports/sales?days=30").await;
    assert_eq!(
        (report.status.as_u16(), &report.json["partial"]),
        (200, &Value::Bool(false))
    );
    report.json["orders"].as_i64().expect("orders")
}

async fn balances(databases: &AppDatabases, kept: contract::OrderId) {
    let settled = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let books = shop::audit(databases, &[kept]).await.expect("an audit");
            if books.outbox_pending == 0 {
                return books.findings;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(settled.await.expect("the outbox drains"), [] as [String; 0]);
}
