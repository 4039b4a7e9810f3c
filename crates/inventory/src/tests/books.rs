use std::collections::BTreeMap;

use contract::OrderId;
use db::Db;
use proptest::prelude::*;
use proptest::sample::select;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

use super::{Shop, for_all, order, said};
use crate::{State, reservations_after};

#[sqlx::test]
async fn the_audit_sees_what_does_not_add_up(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10), ("BOWL", 5)]).await;
    shop.reserve(order(), &[("MUG", 3)]).await.unwrap();
    assert_eq!(shop.findings().await, [""; 0]);

    sqlx::query!("update inventory.stock set available = 8 where sku = 'MUG'")
        .execute(&shop.pool)
        .await
        .unwrap();
    let stray = order();
    sqlx::raw_sql("alter table inventory.reservation_lines drop constraint reservation_lines_reservation_id_fkey")
        .execute(&shop.pool)
        .await
        .unwrap();
    sqlx::query!(
        "insert into inventory.reservation_lines values ($1, 'BOWL', 1, 'Bowl', 1)",
        stray.0
    )
    .execute(&shop.pool)
    .await
    .unwrap();
    assert_eq!(
        shop.findings().await,
        [
            "MUG: 10 were stocked, but 8 are available and 3 taken".to_owned(),
            format!("reservation {stray} has lines, but does not exist"),
        ]
    );
}

#[sqlx::test]
async fn reservations_come_in_pages_by_id(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10), ("BOWL", 5)]).await;
    let mut ids = [order(), order(), order()];
    ids.sort();
    shop.release(ids[0]).await;
    let lines = shop
        .reserve(ids[1], &[("MUG", 2), ("BOWL", 1)])
        .await
        .unwrap();
    shop.reserve(ids[2], &[("MUG", 1)]).await.unwrap();
    shop.confirm(&[ids[2]]).await;

    let first = reservations_after(&shop.db, None, 2).await.unwrap();
    let states: Vec<_> = first.iter().map(|r| (r.order, r.state)).collect();
    assert_eq!(states, [(ids[0], State::Released), (ids[1], State::Held)]);
    assert_eq!((&first[0].lines, &first[1].lines), (&vec![], &lines));
    let rest = reservations_after(&shop.db, Some(ids[1]), 2).await.unwrap();
    let states: Vec<_> = rest.iter().map(|r| (r.order, r.state)).collect();
    assert_eq!(states, [(ids[2], State::Confirmed)]);
}

/// What may happen to three products under four ids.
#[derive(Debug, Clone)]
enum Step {
    Reserve(u128, BTreeMap<&'static str, i64>),
    Confirm(Vec<u128>),
    Release(u128),
    Restock(u128, &'static str, i32),
}

const STOCK: [(&str, i32); 3] = [("A", 4), ("B", 6), ("C", 0)];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 1_u128..=4;
    let sku = select(vec!["A", "B", "C"]);
    let lines = proptest::collection::btree_map(sku.clone(), 1_i64..=3, 1..=3);
    let delta = (-4..=4).prop_filter("a change", |delta| *delta != 0);
    let step = prop_oneof![
        4 => (id.clone(), lines).prop_map(|(id, lines)| Step::Reserve(id, lines)),
        1 => proptest::collection::vec(id.clone(), 0..=4).prop_map(Step::Confirm),
        2 => id.clone().prop_map(Step::Release),
        1 => (id, sku, delta).prop_map(|(id, sku, delta)| Step::Restock(id, sku, delta)),
    ];
    proptest::collection::vec(step, 1..=16)
}

/// The rules again, without a database.
#[derive(Default)]
struct Model {
    stock: BTreeMap<&'static str, i32>,
    restocks: BTreeMap<u128, (&'static str, i32)>,
    reservations: BTreeMap<u128, (State, BTreeMap<&'static str, i64>)>,
}

impl Model {
    fn reserve(&mut self, id: u128, lines: &BTreeMap<&'static str, i64>) -> Result<(), String> {
        match self.reservations.get(&id) {
            Some((State::Released, _)) => return Err("this order was released before".into()),
            Some((_, first)) if first == lines => return Ok(()),
            Some(_) => return Err("this order reserved other lines before".into()),
            None => {}
        }
        for (sku, quantity) in lines {
            let available = self.stock[sku];
            if i64::from(available) < *quantity {
                return Err(format!("only {available} of {sku} left"));
            }
        }
        self.move_stock(lines, -1);
        self.reservations.insert(id, (State::Held, lines.clone()));
        Ok(())
    }

    fn confirm(&mut self, id: u128) {
        if let Some((state @ State::Held, _)) = self.reservations.get_mut(&id) {
            *state = State::Confirmed;
        }
    }

    fn release(&mut self, id: u128) {
        let spent = (State::Released, BTreeMap::new());
        if let Some((State::Held | State::Confirmed, lines)) = self.reservations.insert(id, spent) {
            self.move_stock(&lines, 1);
        }
    }

    fn restock(&mut self, id: u128, sku: &'static str, delta: i32) -> Result<i32, String> {
        let available = self.stock[sku];
        if let Some(first) = self.restocks.get(&id) {
            return if *first == (sku, delta) {
                Ok(available)
            } else {
                Err("this delivery came before with another product or quantity".into())
            };
        }
        if available + delta < 0 {
            return Err(format!("only {available} of {sku} left"));
        }
        self.restocks.insert(id, (sku, delta));
        self.stock.insert(sku, available + delta);
        Ok(available + delta)
    }

    fn move_stock(&mut self, lines: &BTreeMap<&'static str, i64>, sign: i32) {
        for (sku, quantity) in lines {
            *self.stock.get_mut(sku).unwrap() += sign * i32::try_from(*quantity).unwrap();
        }
    }
}

#[sqlx::test]
async fn whatever_happens_the_books_balance(pool: PgPool) {
    let shop = Shop::with(pool, &STOCK).await;
    // 40: a second or two of Postgres.
    for_all(40, steps(), move |steps| {
        let shop = shop.clone();
        async move { replay(&shop, &steps).await }
    })
    .await;
}

/// Walks shop and model through the same steps, and compares them after each.
async fn replay(shop: &Shop, steps: &[Step]) {
    shop.open(&STOCK).await;
    let mut model = Model {
        stock: STOCK.into(),
        ..Model::default()
    };
    for step in steps {
        match step.clone() {
            Step::Reserve(id, lines) => {
                let wanted: Vec<_> = lines.iter().map(|(sku, n)| (*sku, *n)).collect();
                let answer = shop.reserve(OrderId(Uuid::from_u128(id)), &wanted).await;
                assert_eq!(
                    said(answer).map(|_| ()),
                    model.reserve(id, &lines),
                    "{step:?}"
                );
            }
            Step::Confirm(ids) => {
                let orders: Vec<_> = ids.iter().map(|id| OrderId(Uuid::from_u128(*id))).collect();
                shop.confirm(&orders).await;
                ids.into_iter().for_each(|id| model.confirm(id));
            }
            Step::Release(id) => {
                shop.release(OrderId(Uuid::from_u128(id))).await;
                model.release(id);
            }
            Step::Restock(id, sku, delta) => {
                let restock = contract::RestockId(Uuid::from_u128(id));
                let answer = shop.restock_as(restock, sku, delta).await;
                assert_eq!(said(answer), model.restock(id, sku, delta), "{step:?}");
            }
        }
        for (sku, available) in &model.stock {
            assert_eq!(
                shop.available(sku).await,
                *available,
                "{sku} after {step:?}"
            );
        }
        let states = reservations_after(&shop.db, None, 100).await.unwrap();
        let states: Vec<_> = states
            .iter()
            .map(|r| (r.order.0.as_u128(), r.state))
            .collect();
        let expected = model
            .reservations
            .iter()
            .map(|(id, (state, _))| (*id, *state));
        assert_eq!(states, expected.collect::<Vec<_>>(), "after {step:?}");
        assert_eq!(shop.findings().await, [""; 0], "after {step:?}");
    }
}

/// Whole tables take longer to read than a request may take.
#[sqlx::test]
async fn an_audit_outlasts_the_limit_of_a_statement(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let limited = options.clone().options([("statement_timeout", "200ms")]);
    let db = Db::from_pool(pool.connect_with(limited).await.unwrap());
    let watch = PgPool::connect_with(options).await.unwrap();
    let mut jam = watch.begin().await.unwrap();
    sqlx::raw_sql("lock table inventory.restocks")
        .execute(&mut *jam)
        .await
        .unwrap();
    let audit = tokio::spawn(async move { crate::audit(&db).await });
    let outlasted = "select exists (select from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'
         and clock_timestamp() - query_start > interval '400 ms')";
    while !sqlx::query_scalar::<_, bool>(outlasted)
        .fetch_one(&watch)
        .await
        .unwrap()
    {
        assert!(!audit.is_finished(), "{:?}", audit.await);
    }
    jam.rollback().await.unwrap();
    assert_eq!(audit.await.unwrap().unwrap(), [""; 0]);
}
