//! Wakes the outbox workers of all processes. Only a hint: they also look by themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use db::Db;
use tracing::debug;

/// The channel that workers listen on.
pub(crate) const CHANNEL: &str = "orders_outbox";

/// Many orders, one ring: what comes within this time is heard together.
const PAUSE: Duration = Duration::from_millis(50);

/// Rung after a commit, never within: a transaction that notifies holds a lock on the whole
/// database until its commit is safe on disk (and on the standby), one after the other.
#[derive(Clone)]
pub(crate) struct Doorbell {
    db: Db,
    rung: Arc<AtomicBool>,
}

impl Doorbell {
    pub(crate) fn new(db: Db) -> Doorbell {
        Doorbell {
            db,
            rung: Arc::default(),
        }
    }

    /// Returns at once. A ring that is lost costs one poll's delay.
    pub(crate) fn ring(&self) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        let Doorbell { db, rung } = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(PAUSE).await;
            rung.store(false, Ordering::Release);
            for shard in db.shards() {
                let notified = sqlx::query!("select pg_notify($1, '')", CHANNEL)
                    .execute(shard.primary_pool())
                    .await;
                if let Err(error) = notified {
                    debug!(shard = shard.name(), %error, "outbox workers were not woken");
                }
            }
        });
    }
}
