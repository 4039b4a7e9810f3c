//! On a real Postgres, with nothing but this domain's migrations.

mod books;
mod browsing;
mod caching;
mod http;
mod releasing;
mod remote;
mod reserving;
mod restocking;
mod seeding;

use std::time::Duration;

use contract::inventory::{Line, PricedLine, Quantity, StockDelta};
use contract::{Ctx, Inventory, InventoryError, OrderId, RestockId, Sku};
use db::Db;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config as ProptestConfig, TestRunner};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{Config, Service, audit};

/// A shop with a few products: a [`Service`] and what tests ask of it.
#[derive(Clone)]
struct Shop {
    service: Service,
    db: Db,
    pool: PgPool,
    ctx: Ctx,
}

impl Shop {
    /// Products of this many each, at 10.50, all in the category `tableware`.
    async fn with(pool: PgPool, stock: &[(&str, i32)]) -> Shop {
        let db = Db::from_pool(pool.clone());
        let shop = Shop {
            service: Service::new(db.clone(), None, Config::default()),
            db,
            pool,
            ctx: Ctx::background("test", Duration::from_secs(60)),
        };
        shop.category("tableware", "Tableware", 1).await;
        for (sku, _) in stock {
            let name = format!("Stoneware {}", sku.to_lowercase());
            shop.product(sku, &name, "", "tableware").await;
        }
        shop.open(stock).await;
        shop
    }

    /// Forgets all that ever happened, and starts again with this many each.
    async fn open(&self, stock: &[(&str, i32)]) {
        sqlx::raw_sql(
            "delete from inventory.reservation_lines; delete from inventory.reservations;
             delete from inventory.restocks; update inventory.stock set available = 0",
        )
        .execute(&self.pool)
        .await
        .unwrap();
        for (sku, available) in stock.iter().filter(|(_, available)| *available > 0) {
            self.restock(sku, *available).await.unwrap();
        }
    }

    async fn category(&self, slug: &str, name: &str, position: i16) {
        sqlx::query!(
            "insert into inventory.categories values ($1, $2, $3)",
            slug,
            name,
            position
        )
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// A product of which there is none.
    async fn product(&self, sku: &str, name: &str, description: &str, category: &str) {
        sqlx::query!(
            "with product as (
                 insert into inventory.products (sku, name, description, category, price_cents)
                 values ($1, $2, $3, $4, 1050)
             )
             insert into inventory.stock (sku, available) values ($1, 0)",
            sku,
            name,
            description,
            category,
        )
        .execute(&self.pool)
        .await
        .unwrap();
    }

    async fn available(&self, sku: &str) -> i32 {
        let product = self.service.product(&self.ctx, &self::sku(sku)).await;
        product.unwrap().unwrap().available
    }

    async fn reserve(
        &self,
        order: OrderId,
        wanted: &[(&str, i64)],
    ) -> Result<Vec<PricedLine>, InventoryError> {
        self.service.reserve(&self.ctx, order, &lines(wanted)).await
    }

    async fn confirm(&self, orders: &[OrderId]) {
        self.service.confirm(&self.ctx, orders).await.unwrap();
    }

    async fn release(&self, order: OrderId) {
        self.service.release(&self.ctx, order).await.unwrap();
    }

    async fn restock(&self, sku: &str, delta: i32) -> Result<i32, InventoryError> {
        self.restock_as(RestockId::new(), sku, delta).await
    }

    async fn restock_as(
        &self,
        id: RestockId,
        sku: &str,
        delta: i32,
    ) -> Result<i32, InventoryError> {
        let delta = StockDelta::try_from(i64::from(delta)).unwrap();
        let level = self
            .service
            .restock(&self.ctx, id, &self::sku(sku), delta)
            .await?;
        assert_eq!(level.sku.as_str(), sku);
        Ok(level.available)
    }

    /// What the audit finds.
    async fn findings(&self) -> Vec<String> {
        audit(&self.db).await.unwrap()
    }
}

/// Walks `test` through random values. Proptest waits (and shrinks) on a thread of its own, so that
/// the database can be asked meanwhile.
async fn for_all<S, F, A>(cases: u32, values: S, test: F)
where
    S: Strategy + Send + 'static,
    F: Fn(S::Value) -> A + Send + 'static,
    A: Future<Output = ()>,
{
    let runtime = tokio::runtime::Handle::current();
    let run = move || {
        let mut runner = TestRunner::new(ProptestConfig::with_cases(cases));
        let run = runner.run(&values, |value| {
            runtime.block_on(test(value));
            Ok(())
        });
        run.unwrap_or_else(|failure| panic!("{failure}"));
    };
    tokio::task::spawn_blocking(run).await.unwrap();
}

fn order() -> OrderId {
    OrderId(Uuid::now_v7())
}

fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

fn lines(wanted: &[(&str, i64)]) -> Vec<Line> {
    let line = |(sku, quantity): &(&str, i64)| Line {
        sku: self::sku(sku),
        quantity: Quantity::try_from(*quantity).unwrap(),
    };
    wanted.iter().map(line).collect()
}

/// An answer in a form to compare: the error's message, since errors are sentences.
fn said<T>(answer: Result<T, InventoryError>) -> Result<T, String> {
    answer.map_err(|error| error.to_string())
}
