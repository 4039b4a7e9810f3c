//! The promises that span domains, on a whole shop and a real Postgres.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

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

/// The books once outbox and holds are settled.
async fn assert_balanced(shop: &Shop, acknowledged: &[OrderId]) {
    let audit = || async {
        let books = shop::audit(shop.app().databases(), acknowledged).await;
        books.expect("an audit")
    };
    // Longer than a hold lasts, for a hold whose checkout died.
    let settled = tokio::time::timeout(Duration::from_secs(90), async {
        let mut books = audit().await;
        while books.outbox_pending > 0 || books.holds_pending > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            books = audit().await;
        }
        books
    });
    let Ok(books) = settled.await else {
        panic!("the books never settle: {:?}", audit().await);
    };
    assert_eq!(books.findings, [] as [String; 0]);
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

    let (bought, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut buyers = JoinSet::new();
    for buyer in 0..8 {
        let (shopper, sku) = (shopper.clone(), sku.clone());
        let (bought, lost) = (bought.clone(), lost.clone());
        buyers.spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0..10 {
                acknowledged.push(insist(&shopper, &format!("cut-{buyer}-{n}"), &sku, &lost).await);
                bought.fetch_add(1, Relaxed);
            }
            acknowledged
        });
    }
    // In the midst of all buyers' checkouts, and each time until somebody felt it.
    let cutting = async {
        for sales in [10, 30, 50] {
            reaches(&bought, sales).await;
            let before = lost.load(Relaxed);
            cut.cut();
            reaches(&lost, before + 1).await;
            cut.mend();
        }
    };
    let all = async { tokio::join!(buyers.join_all(), cutting).0 };
    let sold = tokio::time::timeout(Duration::from_secs(60), all).await;
    let acknowledged: Vec<_> = sold.expect("it recovers").into_iter().flatten().collect();

    let distinct: HashSet<_> = acknowledged.iter().collect();
    assert_eq!((acknowledged.len(), distinct.len()), (80, 80));
    assert_eq!(shopper.available(&sku).await, 420);
    assert_balanced(&shop, &acknowledged).await;
}

async fn reaches(count: &AtomicUsize, least: usize) {
    while count.load(Relaxed) < least {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Buys with one key until it is acknowledged; counts the answers that were lost.
async fn insist(shopper: &Client, key: &str, sku: &str, lost: &AtomicUsize) -> OrderId {
    loop {
        let answer = shopper.buy(key, &[sku]).await;
        match answer.status.as_u16() {
            201 => {
                let id = answer.json["id"].as_str().expect("an id");
                return id.parse().expect("an id");
            }
            503 => assert!(answer.headers.contains_key("retry-after")),
            409 => assert_eq!(answer.json["type"], "/problems/in-progress"),
            other => panic!("{other}: {}", answer.json),
        }
        lost.fetch_add(1, Relaxed);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
