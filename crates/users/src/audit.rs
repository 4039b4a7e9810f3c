//! The books of this domain.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::Ctx;
use db::{Db, Shard, Tx, bulk};
use uuid::Uuid;

use crate::service::CLAIM_HOLDS;

/// What does not add up, a sentence each: every claim on an e-mail address has its user and every
/// user his claim, apart from what began within the last minute; every session has its user.
///
/// Holds all addresses in memory: a claim and its user may be in different shards.
pub async fn audit(db: &Db) -> db::Result<Vec<String>> {
    // Claims first: a user who comes in between is younger than a minute.
    let settled = Utc::now() - CLAIM_HOLDS;
    let mut findings = Vec::new();
    let mut claims: HashMap<String, (Uuid, DateTime<Utc>)> = HashMap::new();
    for shard in db.shards() {
        let mut tx = open(shard).await?;
        let rows = sqlx::query!("select email, user_id, created_at from users.emails");
        for row in rows.fetch_all(&mut *tx).await? {
            claims.insert(row.email, (row.user_id, row.created_at));
        }
    }
    for shard in db.shards() {
        let mut tx = open(shard).await?;
        let rows = sqlx::query!("select id, email, created_at from users.users");
        for row in rows.fetch_all(&mut *tx).await? {
            let claimed = claims.get(&row.email).is_some_and(|(id, _)| *id == row.id);
            if claimed {
                claims.remove(&row.email);
            } else if row.created_at < settled {
                findings.push(format!("user {} has no claim on {}", row.id, row.email));
            }
        }
        let rows = sqlx::query!(
            "select s.user_id, count(*) as \"count!\" from users.sessions s
             where not exists (
                 select from users.users u where u.bucket = s.bucket and u.id = s.user_id)
             group by s.user_id"
        );
        for row in rows.fetch_all(&mut *tx).await? {
            findings.push(format!(
                "{} sessions of user {}, who is not there",
                row.count, row.user_id
            ));
        }
    }
    for (email, (id, created_at)) in claims {
        if created_at < settled {
            findings.push(format!("{email} is claimed by user {id}, who is not there"));
        }
    }
    Ok(findings)
}

async fn open(shard: &Shard) -> db::Result<Tx> {
    // A minute: millions of users on a small box.
    let ctx = Ctx::background("audit", Duration::from_secs(60));
    let mut tx = shard.write(&ctx, "audit").await?;
    bulk::lift_limits(&mut tx).await?;
    Ok(tx)
}
