use std::path::Path;
use std::time::Duration;

use contract::Orders;
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tempfile::TempDir;
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{HoldState, Mishap, ada, ctx, is_drained, shop, work_until};

fn mails(dir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(dir).unwrap();
    files
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect()
}

#[sqlx::test]
async fn two_workers_confirm_each_order_and_send_each_mail_once(pool: PgPool) {
    let (shop, dir) = (shop(pool), TempDir::new().unwrap());
    let mut orders = Vec::new();
    for _ in 0..10 {
        orders.push(shop.placed(&ada(), "k", &[("MUG", 1)]).await);
    }
    work_until(&shop, &dir, async || is_drained(&shop).await).await;

    let mails = mails(dir.path());
    assert_eq!(mails.len(), orders.len());
    for order in orders {
        assert_eq!(shop.inventory.hold(order.id), Some(HoldState::Confirmed));
        let subject = format!("Subject: Your order {}\r\n", order.id);
        assert_eq!(
            mails.iter().filter(|mail| mail.contains(&subject)).count(),
            1
        );
    }
}

#[sqlx::test]
async fn orders_placed_at_once_ring_for_the_workers(pool: PgPool) {
    let shop = shop(pool);
    let mut listener = PgListener::connect_with(&shop.pool).await.unwrap();
    listener.listen("orders_outbox").await.unwrap();
    for _ in 0..3 {
        shop.placed(&ada(), "k", &[("MUG", 1)]).await;
    }
    let rung = timeout(Duration::from_secs(30), listener.recv())
        .await
        .unwrap();
    assert_eq!(rung.unwrap().channel(), "orders_outbox");
}

#[sqlx::test]
async fn what_inventory_missed_is_told_again(pool: PgPool) {
    let (shop, dir, ada) = (shop(pool), TempDir::new().unwrap(), ada());
    let kept = shop.placed(&ada, "kept", &[("MUG", 1)]).await;
    let cancelled = shop.placed(&ada, "cancelled", &[("RUG", 1)]).await;
    shop.inventory.meets(Mishap::Away);
    shop.orders
        .cancel_order(&ctx(), ada.user_id, cancelled.id)
        .await
        .unwrap();
    let postponed = async || {
        sqlx::query_scalar("select count(*) = 3 from orders.outbox where attempts > 0")
            .fetch_one(&shop.pool)
            .await
            .unwrap()
    };
    work_until(&shop, &dir, postponed).await;
    assert_eq!(shop.inventory.available("RUG"), 0);

    shop.inventory.meets(Mishap::None);
    work_until(&shop, &dir, async || is_drained(&shop).await).await;
    assert_eq!(shop.inventory.hold(kept.id), Some(HoldState::Confirmed));
    assert_eq!(shop.inventory.hold(cancelled.id), Some(HoldState::Released));
    assert_eq!(
        mails(dir.path()).len(),
        2,
        "sent once, though their holds were confirmed later"
    );
}

#[sqlx::test]
async fn a_poisoned_event_blocks_nobody(pool: PgPool) {
    let (shop, dir, ada) = (shop(pool), TempDir::new().unwrap(), ada());
    for kind in ["order.placed", "order.eaten"] {
        sqlx::query("insert into orders.outbox (bucket, id, kind, payload) values (0, $1, $2, $3)")
            .bind(Uuid::now_v7())
            .bind(kind)
            .bind(json!({ "order": 7 }))
            .execute(&shop.pool)
            .await
            .unwrap();
    }
    let order = shop.placed(&ada, "k", &[("MUG", 1)]).await;
    work_until(&shop, &dir, async || {
        shop.inventory.hold(order.id) == Some(HoldState::Confirmed)
            && shop.count("outbox").await == 2
    })
    .await;
    let postponed: i64 = sqlx::query_scalar(
        "select count(*) from orders.outbox where attempts > 0 and next_attempt_at > created_at",
    )
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert_eq!(postponed, 2);
}

#[sqlx::test]
async fn a_worker_settles_abandoned_checkouts(pool: PgPool) {
    let (shop, dir) = (shop(pool), TempDir::new().unwrap());
    shop.inventory.meets(Mishap::AnswerLost);
    shop.place(&ada(), "k", &[("RUG", 1)]).await.unwrap_err();
    shop.inventory.meets(Mishap::None);
    work_until(&shop, &dir, async || shop.inventory.available("RUG") == 1).await;
}

#[sqlx::test]
async fn listening_takes_no_connection_from_checkouts(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let one = pool.max_connections(1).connect_with(options.clone());
    let (shop, dir) = (shop(one.await.unwrap()), TempDir::new().unwrap());
    let observer = PgPool::connect_with(options).await.unwrap();
    let both_listen = async || {
        let query = "select count(*) = 2 from pg_stat_activity
             where datname = current_database() and query ilike 'listen %'";
        sqlx::query_scalar(query)
            .fetch_one(&observer)
            .await
            .unwrap()
    };
    work_until(&shop, &dir, both_listen).await;
    shop.placed(&ada(), "k", &[("MUG", 1)]).await;
}
