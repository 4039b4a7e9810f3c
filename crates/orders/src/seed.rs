//! The orders that were delivered before the first visitor came.

use std::fmt::Write;
use std::time::Duration;

use catalogue::Rng;
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use contract::{Bucket, Ctx, IdempotencyKey, OrderId, Sku, UserId};
use db::{Db, bulk};

use crate::store::seeding;

/// Rows handed to Postgres at a time: some megabytes.
const CHUNK: u32 = 10_000;

/// Past orders are spread over so many days, up to yesterday.
const DAYS: u64 = 365;

/// Gives an empty database `orders` delivered orders by the users 1 to `users`; `progress` hears how
/// many are written, and of how many. False if there were orders already.
///
/// The same on every machine, but for the day on which it happens. One transaction in each shard: a
/// start that is interrupted seeds again.
pub async fn seed(
    db: &Db,
    orders: u32,
    users: u32,
    user_id: impl Fn(u32) -> UserId + Send + Sync,
    products: &[(Sku, String, i64)],
    progress: impl Fn(u64, u64) + Send + Sync,
) -> db::Result<bool> {
    if products.is_empty() || users == 0 {
        return Ok(false);
    }
    // Far beyond what it takes, also on a small box.
    let ctx = Ctx::background("seed", Duration::from_secs(600));
    let today = Utc::now().date_naive().and_time(NaiveTime::MIN).and_utc();
    let total = u64::from(orders) * db.shards().len() as u64;
    let mut done = 0;
    let mut seeded = false;
    for shard in db.shards() {
        let mut tx = shard.write(&ctx, "seed").await?;
        if !bulk::claim(&mut tx, "orders.orders").await? {
            continue;
        }
        seeded = true;
        let is_here = |bucket: Bucket| db.shard(bucket).name() == shard.name();
        for first in (0..orders).step_by(CHUNK as usize) {
            let chunk = first..orders.min(first.saturating_add(CHUNK));
            done += u64::from(chunk.end - chunk.start);
            let mut rows = Rows::default();
            for number in chunk {
                let mut rng = Rng::new(u64::from(number));
                let user = user_id(1 + below(&mut rng, users));
                if is_here(user.bucket()) {
                    let at = today - age(number, orders, &mut rng);
                    rows.push(user, number, at, &mut rng, products);
                }
            }
            seeding::copy_orders(&mut tx, rows.orders).await?;
            seeding::copy_lines(&mut tx, rows.lines).await?;
            progress(done, total);
        }
        seeding::analyze(&mut tx).await?;
        tx.commit().await?;
    }
    Ok(seeded)
}

/// How long before today order `number` was placed: the oldest first, the newest yesterday.
fn age(number: u32, orders: u32, rng: &mut Rng) -> TimeDelta {
    let newer = u64::from(orders - 1 - number);
    let days = newer * DAYS / u64::from(orders);
    TimeDelta::seconds((days * 86_400 + 1 + rng.below(86_400)) as i64)
}

fn below(rng: &mut Rng, bound: u32) -> u32 {
    rng.below(u64::from(bound)) as u32
}

/// CSV for the two tables.
#[derive(Default)]
struct Rows {
    orders: String,
    lines: String,
}

impl Rows {
    fn push(
        &mut self,
        user: UserId,
        number: u32,
        at: DateTime<Utc>,
        rng: &mut Rng,
        products: &[(Sku, String, i64)],
    ) {
        let key = IdempotencyKey::try_from(format!("seed-{number}"));
        let id = OrderId::derive(user, &key.expect("digits and letters are visible"));
        let bucket = id.bucket().0;
        let mut total = 0;
        for (sku, name, price) in bought(rng, products) {
            let quantity = 1 + below(rng, 3);
            total += i64::from(quantity) * price;
            let name = name.replace('"', "\"\"");
            let _ = writeln!(
                self.lines,
                "{bucket},{id},{sku},\"{name}\",{quantity},{price}"
            );
        }
        // No request was ever made with this hash: it is empty.
        let at = at.to_rfc3339();
        let _ = writeln!(
            self.orders,
            "{bucket},{id},{user},delivered,\\x,{total},{at}"
        );
    }
}

/// 1 to 4 different products; the first ones of the catalogue sell best.
fn bought<'a>(rng: &mut Rng, products: &'a [(Sku, String, i64)]) -> Vec<&'a (Sku, String, i64)> {
    let mut bought: Vec<&(Sku, String, i64)> = Vec::new();
    for _ in 0..=rng.below(4) {
        let count = products.len() as u64;
        let product = &products[rng.below(count).min(rng.below(count)) as usize];
        if bought.iter().all(|(sku, ..)| *sku != product.0) {
            bought.push(product);
        }
    }
    bought
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_orders_reach_back_a_year_and_no_further() {
        for orders in [1, 7, 10_000] {
            let age = |number| age(number, orders, &mut Rng::new(number.into()));
            assert!(
                (1..=86_400).contains(&age(orders - 1).num_seconds()),
                "yesterday"
            );
            assert!((0..orders).all(|number| age(number).num_seconds() <= 365 * 86_400));
        }
    }
}
