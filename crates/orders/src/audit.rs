//! The books of this domain, and what the books of others are compared with.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use contract::inventory::Line;
use contract::{Bucket, Ctx, OrderId};
use db::{Db, Shard, Tx, bulk};
use uuid::Uuid;

use crate::store::books;

/// A decision that stock must agree with: of orders that were not delivered long ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOrder {
    pub id: OrderId,
    pub state: OrderState,
    /// In the order of SKUs.
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderState {
    Placed,
    Cancelled,
    /// A tombstone: never an order.
    Abandoned,
}

/// Looks at everything. Answers a sentence for each thing that is not as it should be.
pub async fn audit(db: &Db) -> db::Result<Vec<String>> {
    let mut findings = Vec::new();
    for shard in db.shards() {
        let mut tx = open(shard, "audit").await?;
        let totals = books::wrong_totals(&mut tx).await?;
        let strays = books::stray_lines(&mut tx).await?;
        let buckets = books::wrong_buckets(&mut tx).await?;
        let told = |ids: Vec<Uuid>, what: &'static str| {
            ids.into_iter().map(move |id| format!("order {id} {what}"))
        };
        findings.extend(told(totals, "has another total than its lines"));
        findings.extend(told(strays, "has lines, but does not exist"));
        findings.extend(told(buckets, "lies in a bucket that is not its own"));
    }
    Ok(findings)
}

/// Placed, cancelled and abandoned orders of all shards in the order of ids, at most `limit` of them
/// after `after`: to be compared with what was reserved.
pub async fn open_orders_after(
    db: &Db,
    after: Option<OrderId>,
    limit: u32,
) -> db::Result<Vec<OpenOrder>> {
    let mut orders = Vec::new();
    for shard in db.shards() {
        let mut tx = open(shard, "open_orders_after").await?;
        orders.extend(books::open_after(&mut tx, after, i64::from(limit)).await?);
    }
    orders.sort_by_key(|order| order.id);
    orders.truncate(limit as usize);
    Ok(orders)
}

/// Those among these orders that are not there: none, if they were acknowledged.
pub async fn missing(db: &Db, ids: &[OrderId]) -> db::Result<Vec<OrderId>> {
    let mut buckets: BTreeMap<Bucket, Vec<Uuid>> = BTreeMap::new();
    for id in ids {
        buckets.entry(id.bucket()).or_default().push(id.0);
    }
    let mut existing = HashSet::new();
    for (bucket, ids) in buckets {
        let mut tx = open(db.shard(bucket), "missing").await?;
        existing.extend(books::existing(&mut tx, bucket, &ids).await?);
    }
    Ok(ids
        .iter()
        .copied()
        .filter(|id| !existing.contains(&id.0))
        .collect())
}

async fn open(shard: &Shard, query: &'static str) -> db::Result<Tx> {
    // Years of orders on a small box take a minute.
    let ctx = Ctx::background("audit", Duration::from_secs(60));
    let mut tx = shard.write(&ctx, query).await?;
    bulk::lift_limits(&mut tx).await?;
    Ok(tx)
}
