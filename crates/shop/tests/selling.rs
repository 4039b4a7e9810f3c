//! The promises that span domains, on a whole shop and a real Postgres.

use std::collections::HashSet;

use contract::OrderId;
use serde_json::json;
use testkit::{Client, Cut, Database, Shop};
use tokio::task::JoinSet;

/// Sets the stock of a product.
async fn stock(shop: &Shop, sku: &str, level: i64) {
    let staff = shop.client().logged_in("staff@example.test").await;
    let delta = level - staff.available(sku).await;
    let answer = staff
        .post(
            &format!("/api/v1/products/{sku}/stock"),
            json!({ "delta": delta }),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.json);
}

async fn a_product(client: &Client) -> String {
    let page = client.get("/api/v1/products?limit=1").await;
    page.json["items"][0]["sku"]
        .as_str()
        .expect("a product")
        .to_owned()
}

/// The books once the outbox is empty.
async fn assert_balanced(shop: &Shop, acknowledged: &[OrderId]) {
    loop {
        let books = shop::audit(shop.app().databases(), acknowledged)
            .await
            .expect("an audit");
        if books.outbox_pending > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        }
        assert_eq!(books.findings, [] as [String; 0]);
        return;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_buyers_with_retries_get_the_hundred_units_that_there_are() {
    let shop = Shop::start().await;
    let sku = a_product(&shop.client()).await;
    stock(&shop, &sku, 100).await;
    let mut shoppers = Vec::new();
    for n in 1..=20 {
        shoppers.push(
            shop.client()
                .logged_in(&format!("shopper-{n:05}@example.test"))
                .await,
        );
    }
    let mut buyers = JoinSet::new();
    for n in 0..1_000 {
        let (shopper, sku) = (shoppers[n % 20].clone(), sku.clone());
        buyers.spawn(async move {
            let key = format!("buyer-{n}");
            // Every third buyer is impatient and asks twice at once; all repeat what was not decided.
            let impatient = n % 3 == 0;
            let twice = async {
                if impatient {
                    shopper.buy(&key, &[&sku]).await;
                }
            };
            let skus = [sku.as_str()];
            let (_, mut answer) = tokio::join!(twice, shopper.buy(&key, &skus));
            while answer.status == 503 || answer.json["type"] == "/problems/in-progress" {
                // Those who are at work need the time.
                tokio::task::yield_now().await;
                answer = shopper.buy(&key, &[&sku]).await;
            }
            match answer.status.as_u16() {
                201 => Some(answer.json["id"].as_str().expect("an id").to_owned()),
                409 => None,
                other => panic!("{other}: {}", answer.json),
            }
        });
    }
    let sold: Vec<_> = buyers.join_all().await.into_iter().flatten().collect();
    let distinct: HashSet<_> = sold.iter().collect();
    assert_eq!((sold.len(), distinct.len()), (100, 100));
    assert_eq!(shop.client().available(&sku).await, 0);
    let acknowledged: Vec<OrderId> = sold.iter().map(|id| id.parse().expect("an id")).collect();
    assert_balanced(&shop, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_fifty_times_at_once_is_one_order() {
    let shop = Shop::start().await;
    let shopper = shop.client().logged_in("shopper-00001@example.test").await;
    let sku = a_product(&shopper).await;
    stock(&shop, &sku, 60).await;
    let mut at_once = JoinSet::new();
    for _ in 0..50 {
        let (shopper, sku) = (shopper.clone(), sku.clone());
        at_once.spawn(async move { shopper.buy("the-same", &[&sku]).await });
    }
    let mut ids = HashSet::new();
    for answer in at_once.join_all().await {
        match answer.status.as_u16() {
            201 => drop(ids.insert(answer.json["id"].to_string())),
            409 => assert_eq!(answer.json["type"], "/problems/in-progress"),
            other => panic!("{other}: {}", answer.json),
        }
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(shopper.available(&sku).await, 59);
    assert_balanced(&shop, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_is_mailed_once() {
    let shop = Shop::start().await;
    let shopper = shop.client().logged_in("shopper-00001@example.test").await;
    let sku = a_product(&shopper).await;
    for _ in 0..3 {
        assert_eq!(shopper.buy("once", &[&sku]).await.status, 201);
    }
    assert_balanced(&shop, &[]).await;
    let mails: Vec<_> = std::fs::read_dir(shop.mail())
        .expect("the folder")
        .collect();
    assert_eq!(mails.len(), 1);
}

/// The database's sockets are cut in the middle of checkouts: answers are lost, orders are not.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_database_is_cut_off() {
    let database = Database::create().await;
    let cut = Cut::before(database.port()).await;
    let pool = database.at(cut.port());
    let shop = Shop::start_on(database, pool).await;
    let shopper = shop.client().logged_in("shopper-00001@example.test").await;
    let sku = a_product(&shopper).await;
    stock(&shop, &sku, 500).await;

    let mut acknowledged = Vec::new();
    for n in 0..60 {
        if n % 20 == 10 {
            cut.cut();
        }
        let key = format!("cut-{n}");
        let mut answer = shopper.buy(&key, &[&sku]).await;
        let mut failures = 0;
        while answer.status != 201 {
            assert_eq!(answer.status, 503, "{}", answer.json);
            assert!(answer.headers.contains_key("retry-after"));
            failures += 1;
            assert!(failures < 100, "it never recovers");
            cut.mend();
            answer = shopper.buy(&key, &[&sku]).await;
        }
        acknowledged.push(
            answer.json["id"]
                .as_str()
                .expect("an id")
                .parse()
                .expect("an id"),
        );
    }
    assert_eq!(shopper.available(&sku).await, 440);
    assert_balanced(&shop, &acknowledged).await;
}
