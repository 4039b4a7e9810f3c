//! A shop of one domain: the real service on a real database, beside a stock in memory.

pub(crate) mod doorman;
pub(crate) mod inventory;

use std::sync::Arc;
use std::time::Duration;

use contract::orders::{Buyer, NewOrder, Order, Placement};
use contract::{Ctx, IdempotencyKey, OrderId, Orders, OrdersError, UserId};
use db::Db;
use orders::{MailFolder, Worker, outbox_pending};
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

pub(crate) use inventory::{FakeInventory, HoldState, Mishap};

#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) pool: PgPool,
    pub(crate) inventory: Arc<FakeInventory>,
    pub(crate) orders: orders::Service,
}

/// 10 mugs at 5.00, 5 pots at 20.00, 1 rug at 100.00.
pub(crate) fn shop(pool: PgPool) -> Shop {
    let stock = [("MUG", 500, 10), ("POT", 2000, 5), ("RUG", 10_000, 1)];
    let inventory = Arc::new(FakeInventory::new(&stock));
    let orders = orders::Service::new(Db::from_pool(pool.clone()), inventory.clone());
    Shop {
        pool,
        inventory,
        orders,
    }
}

impl Shop {
    pub(crate) async fn place(
        &self,
        buyer: &Buyer,
        key: &str,
        lines: &[(&str, i64)],
    ) -> Result<Placement, OrdersError> {
        self.orders
            .place_order(&ctx(), buyer, &self::key(key), new_order(lines))
            .await
    }

    pub(crate) async fn placed(&self, buyer: &Buyer, key: &str, lines: &[(&str, i64)]) -> Order {
        self.place(buyer, key, lines).await.unwrap().order
    }

    pub(crate) async fn count(&self, table: &'static str) -> i64 {
        let sql = sqlx::AssertSqlSafe(format!("select count(*) from orders.{table}"));
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// The status in the row, tombstones included.
    pub(crate) async fn status(&self, id: OrderId) -> Option<String> {
        sqlx::query_scalar("select status from orders.orders where id = $1")
            .bind(id.0)
            .fetch_optional(&self.pool)
            .await
            .unwrap()
    }
}

pub(crate) fn ctx() -> Ctx {
    Ctx::background("test", Duration::from_secs(30))
}

pub(crate) fn ada() -> Buyer {
    Buyer {
        user_id: UserId::new(),
        email: "ada@example.test".parse().unwrap(),
    }
}

pub(crate) fn key(text: &str) -> IdempotencyKey {
    text.parse().unwrap()
}

pub(crate) fn new_order(lines: &[(&str, i64)]) -> NewOrder {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(sku, n)| json!({ "sku": sku, "quantity": n }))
        .collect();
    serde_json::from_value(json!({ "lines": lines })).unwrap()
}

/// Runs two workers until `done`.
pub(crate) async fn work_until(shop: &Shop, dir: &TempDir, done: impl AsyncFn() -> bool) {
    let worker = || Worker::new(shop.orders.clone(), MailFolder::open(dir.path()).unwrap());
    let (one, two) = (worker(), worker());
    let waiting = async {
        while !done().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = one.run() => unreachable!(),
        () = two.run() => unreachable!(),
        waited = timeout(Duration::from_secs(30), waiting) => waited.unwrap(),
    }
}

pub(crate) async fn is_drained(shop: &Shop) -> bool {
    outbox_pending(&Db::from_pool(shop.pool.clone()), &ctx())
        .await
        .unwrap()
        == 0
}
