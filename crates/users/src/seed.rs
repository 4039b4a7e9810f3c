//! The accounts that are there on the first day.

use std::time::Duration;

use catalogue::{PASSWORD, STAFF_EMAIL, STAFF_NAME, Shopper, shopper};
use chrono::{DateTime, TimeDelta, Utc};
use contract::{Bucket, Ctx, UserId};
use db::{Db, bulk};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::password;

/// 2024-01-01T00:00:00Z in milliseconds: before any account that somebody opens.
const FIRST_DAY_MS: i64 = 1_704_067_200_000;

/// Rows handed to Postgres at a time: some 200 KB.
const CHUNK: usize = 1_000;

/// The id of seeded account `index`: 0 is the member of staff, the others are the shoppers of
/// [`catalogue::shopper`].
///
/// A UUIDv7 of its own creation, `index` milliseconds after the first of January 2024, so the old
/// sort before the new; its random bits are the first ones of SHA-256("seeded user" ‖ index as four
/// bytes, big-endian), so buckets are spread evenly.
pub fn user_id(index: u32) -> UserId {
    let digest = Sha256::new()
        .chain_update("seeded user")
        .chain_update(index.to_be_bytes())
        .finalize();
    let mut random = [0; 10];
    random.copy_from_slice(&digest[..10]);
    let millis = created_at(index).timestamp_millis().unsigned_abs();
    UserId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

fn created_at(index: u32) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(FIRST_DAY_MS + i64::from(index))
}

/// Gives an empty database the member of staff and `count` shoppers; `progress` hears how many rows
/// are written, and of how many. False if there were users already.
///
/// One transaction in each shard: a start that is interrupted seeds again.
pub async fn seed(
    db: &Db,
    count: u32,
    progress: impl Fn(u64, u64) + Send + Sync,
) -> db::Result<bool> {
    let password_hash = tokio::task::spawn_blocking(|| password::hash(PASSWORD.as_bytes()))
        .await
        .expect("hashing does not panic");
    // Far beyond what it takes, also on a small box.
    let ctx = Ctx::background("seed", Duration::from_secs(600));
    let total = 2 * (u64::from(count) + 1);
    let mut done = 0;
    let mut seeded = false;
    for shard in db.shards() {
        let mut tx = shard.write(&ctx, "seed").await?;
        if !bulk::claim(&mut tx, "users.users").await? {
            continue;
        }
        seeded = true;
        let is_here = |bucket: Bucket| db.shard(bucket).name() == shard.name();
        let mut wrote = |rows: u64| {
            done += rows;
            progress(done, total);
        };
        copy_users(&mut tx, count, &password_hash, is_here, &mut wrote).await?;
        copy_emails(&mut tx, count, is_here, &mut wrote).await?;
        sqlx::query("analyze users.users, users.emails")
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
    }
    Ok(seeded)
}

async fn copy_users(
    db: &mut PgConnection,
    count: u32,
    password_hash: &str,
    is_here: impl Fn(Bucket) -> bool,
    wrote: impl FnMut(u64),
) -> db::Result<()> {
    let statement = "copy users.users \
        (bucket, id, email, name, password_hash, staff, created_at) from stdin";
    let lines = accounts(count).filter_map(|(index, account)| {
        let id = user_id(index);
        is_here(id.bucket()).then(|| {
            let bucket = i16::from(id.bucket());
            let Shopper { email, name } = account;
            let (staff, created_at) = (index == 0, created_at(index));
            format!("{bucket}\t{id}\t{email}\t{name}\t{password_hash}\t{staff}\t{created_at}\n")
        })
    });
    copy(db, statement, lines, wrote).await
}

async fn copy_emails(
    db: &mut PgConnection,
    count: u32,
    is_here: impl Fn(Bucket) -> bool,
    wrote: impl FnMut(u64),
) -> db::Result<()> {
    let statement = "copy users.emails (bucket, email, user_id, created_at) from stdin";
    let lines = accounts(count).filter_map(|(index, Shopper { email, .. })| {
        let bucket = Bucket::of(email.as_bytes());
        is_here(bucket).then(|| {
            let (bucket, id, created_at) = (i16::from(bucket), user_id(index), created_at(index));
            format!("{bucket}\t{email}\t{id}\t{created_at}\n")
        })
    });
    copy(db, statement, lines, wrote).await
}

fn accounts(count: u32) -> impl Iterator<Item = (u32, Shopper)> {
    let staff = Shopper {
        email: STAFF_EMAIL.to_owned(),
        name: STAFF_NAME.to_owned(),
    };
    std::iter::once((0, staff)).chain((1..=count).map(|index| (index, shopper(index))))
}

/// Lines in the text format of `copy`. Nothing in the seeded world has a tab, a line feed or a
/// backslash, so nothing is escaped.
async fn copy(
    db: &mut PgConnection,
    statement: &'static str,
    mut lines: impl Iterator<Item = String>,
    mut wrote: impl FnMut(u64),
) -> db::Result<()> {
    loop {
        let mut chunk = String::new();
        let mut rows = 0;
        for line in lines.by_ref().take(CHUNK) {
            chunk.push_str(&line);
            rows += 1;
        }
        if rows == 0 {
            return Ok(());
        }
        bulk::copy(db, statement, chunk).await?;
        wrote(rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Orders are seeded under these ids: they may never change.
    #[test]
    fn ids_are_fixed_and_older_than_new_ones() {
        assert_eq!(
            user_id(1).to_string(),
            "018cc251-f401-7c9f-bf70-b465e82f8970"
        );
        assert!(user_id(1) < user_id(2));
        assert!(user_id(u32::MAX) > user_id(0));
        assert!(user_id(1_000_000) < UserId::new());
        assert_eq!(user_id(1).0.get_version_num(), 7);
    }

    #[test]
    fn the_seeded_world_needs_no_escaping() {
        for (_, Shopper { email, name }) in accounts(10_000) {
            assert!(!format!("{email}{name}").contains(['\t', '\n', '\\']));
        }
    }
}
