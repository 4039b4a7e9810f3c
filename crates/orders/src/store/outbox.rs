//! `orders.outbox`: events that the world must still hear of.

use chrono::{DateTime, Utc};
use contract::Bucket;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::event::Event;

/// An event to deliver now, locked until the end of the transaction.
pub(crate) struct Due {
    pub(crate) bucket: i16,
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) payload: Value,
    pub(crate) created_at: DateTime<Utc>,
    /// Failed deliveries so far.
    pub(crate) attempts: i32,
}

pub(crate) async fn insert(
    conn: &mut PgConnection,
    bucket: Bucket,
    event: &Event,
) -> db::Result<()> {
    sqlx::query!(
        "insert into orders.outbox (bucket, id, kind, payload) values ($1, $2, $3, $4)",
        i16::from(bucket),
        Uuid::now_v7(),
        event.kind(),
        event.payload(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Events whose time has come and that no other worker holds.
pub(crate) async fn claim(conn: &mut PgConnection, limit: i64) -> db::Result<Vec<Due>> {
    let due = sqlx::query_as!(
        Due,
        "select bucket, id, kind, payload, created_at, attempts
         from orders.outbox
         where next_attempt_at <= now()
         order by next_attempt_at
         limit $1
         for update skip locked",
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(due)
}

pub(crate) async fn delete(conn: &mut PgConnection, delivered: &[&Due]) -> db::Result<()> {
    let (buckets, ids) = keys(delivered);
    sqlx::query!(
        "delete from orders.outbox o
         using unnest($1::smallint[], $2::uuid[]) as d (bucket, id)
         where o.bucket = d.bucket and o.id = d.id",
        &buckets,
        &ids,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Tries again after 1, 2, 4 .. 64 s: an hour of outage is over a minute after its end.
pub(crate) async fn postpone(conn: &mut PgConnection, failed: &[&Due]) -> db::Result<()> {
    let (buckets, ids) = keys(failed);
    sqlx::query!(
        "update orders.outbox o
         set attempts = o.attempts + 1,
             next_attempt_at = now() + interval '1 second' * 2 ^ least(o.attempts, 6)
         from unnest($1::smallint[], $2::uuid[]) as d (bucket, id)
         where o.bucket = d.bucket and o.id = d.id",
        &buckets,
        &ids,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many events are not delivered yet.
pub(crate) async fn pending(conn: &mut PgConnection) -> db::Result<i64> {
    let pending = sqlx::query_scalar!(r#"select count(*) as "count!" from orders.outbox"#)
        .fetch_one(conn)
        .await?;
    Ok(pending)
}

fn keys(events: &[&Due]) -> (Vec<i16>, Vec<Uuid>) {
    events.iter().map(|due| (due.bucket, due.id)).unzip()
}
