//! Tells the world what became true: confirms and releases holds, sends mail; and settles abandoned
//! checkouts. Any number of workers may do so at once, in any number of processes.
//!
//! At least once: an event goes in the transaction that locked it, after its delivery. Whoever dies
//! in between delivers it again, and every consumer takes the second time for the first.

use std::time::Duration;

use contract::{Ctx, InventoryError, OrderId};
use db::{Db, Shard};
use futures::future::join_all;
use metrics::gauge;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, warn};

use crate::Service;
use crate::doorbell;
use crate::event::Event;
use crate::mail::MailFolder;
use crate::store;
use crate::store::outbox::Due;

/// Events in a transaction: their holds are confirmed in one call.
const BATCH: i64 = 100;

/// Longest wait of an event whose ring was lost, or whose time to try again has come.
const POLL: Duration = Duration::from_secs(2);

/// Between two rounds of settling, and between two looks at the backlog.
const ROUND: Duration = Duration::from_secs(5);

/// For a batch; shorter than Postgres' patience with a transaction that rests (10 s).
const BUDGET: Duration = Duration::from_secs(5);

/// Cheap to clone.
#[derive(Clone)]
pub struct Worker {
    service: Service,
    mail: MailFolder,
}

/// Why an event must wait.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error("not an event: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("hold not confirmed: {0}")]
    Unconfirmed(String),
    #[error("stock not given back: {0}")]
    Unreleased(#[from] InventoryError),
    #[error("mail not sent: {0}")]
    Unsent(#[from] std::io::Error),
}

impl Worker {
    pub fn new(service: Service, mail: MailFolder) -> Worker {
        Worker { service, mail }
    }

    /// Works until it is dropped, which it may be at any moment.
    pub async fn run(&self) {
        let shards = self.service.db.shards();
        let delivering = join_all(shards.iter().map(|shard| self.serve(shard)));
        let watching = join_all(shards.iter().map(watch_backlog));
        tokio::join!(delivering, watching, self.settle());
    }

    async fn serve(&self, shard: &Shard) {
        let rung = Notify::new();
        tokio::join!(listen(shard, &rung), async {
            loop {
                match self.deliver_due(shard).await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(error) => warn!(shard = shard.name(), %error, "outbox is out of reach"),
                }
                let _ = timeout(POLL, rung.notified()).await;
            }
        });
    }

    async fn settle(&self) {
        loop {
            let ctx = Ctx::background("settle", BUDGET);
            if let Err(error) = self.service.settle_overdue(&ctx).await {
                warn!(%error, "overdue holds are not settled");
            }
            sleep(ROUND).await;
        }
    }

    /// Delivers a batch of one shard's events; true if there may be more.
    async fn deliver_due(&self, shard: &Shard) -> db::Result<bool> {
        let ctx = Ctx::background("outbox", BUDGET);
        let mut tx = shard.write(&ctx, "deliver_outbox").await?;
        let due = store::outbox::claim(&mut tx, BATCH).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let (delivered, failed) = self.deliver(&ctx, &due).await;
        store::outbox::delete(&mut tx, &delivered).await?;
        store::outbox::postpone(&mut tx, &failed).await?;
        tx.commit().await?;
        Ok(due.len() == BATCH as usize)
    }

    /// All events side by side, so that none waits behind another.
    async fn deliver<'a>(&self, ctx: &Ctx, due: &'a [Due]) -> (Vec<&'a Due>, Vec<&'a Due>) {
        let events: Vec<_> = due
            .iter()
            .map(|due| (due, Event::decode(&due.kind, &due.payload)))
            .collect();
        let placed: Vec<OrderId> = events
            .iter()
            .filter_map(|(_, event)| match event {
                Ok(Event::Placed(receipt)) => Some(receipt.order.id),
                _ => None,
            })
            .collect();
        let confirmed = match placed.as_slice() {
            [] => Ok(()),
            placed => self.service.inventory.confirm(ctx, placed).await,
        };
        let deliveries = events.into_iter().map(async |(due, event)| {
            let delivered = self.deliver_one(ctx, due, event, &confirmed).await;
            (
                due,
                delivered.inspect_err(|error| report(due, error)).is_ok(),
            )
        });
        let (delivered, failed): (Vec<_>, Vec<_>) = join_all(deliveries)
            .await
            .into_iter()
            .partition(|(_, delivered)| *delivered);
        let due =
            |outcomes: Vec<(&'a Due, bool)>| outcomes.into_iter().map(|(due, _)| due).collect();
        (due(delivered), due(failed))
    }

    async fn deliver_one(
        &self,
        ctx: &Ctx,
        due: &Due,
        event: serde_json::Result<Event>,
        confirmed: &Result<(), InventoryError>,
    ) -> Result<(), Undelivered> {
        match event? {
            Event::Placed(receipt) => {
                self.mail.deliver(due.id, due.created_at, &receipt).await?;
                confirmed
                    .as_ref()
                    .map_err(|error| Undelivered::Unconfirmed(error.to_string()))?;
            }
            Event::Cancelled { order } => self.service.inventory.release(ctx, order).await?,
        }
        Ok(())
    }
}

fn report(due: &Due, undelivered: &Undelivered) {
    let (id, kind, attempts) = (due.id, &due.kind, due.attempts + 1);
    match undelivered {
        // Time does not heal it.
        Undelivered::Malformed(_) => {
            error!(event.id = %id, event.kind = kind, attempts, error = %undelivered, "poisoned event");
        }
        _ => {
            warn!(event.id = %id, event.kind = kind, attempts, error = %undelivered, "event must wait");
        }
    }
}

/// Rings inside when it rings outside. Between two connections rings are lost: hence the poll.
async fn listen(shard: &Shard, rung: &Notify) {
    loop {
        if let Err(error) = hear(shard, rung).await {
            debug!(shard = shard.name(), %error, "doorbell is out of order");
        }
        sleep(POLL).await;
    }
}

async fn hear(shard: &Shard, rung: &Notify) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(&shard.own_connection()).await?;
    listener.listen(doorbell::CHANNEL).await?;
    loop {
        listener.recv().await?;
        rung.notify_one();
    }
}

async fn watch_backlog(shard: &Shard) {
    let backlog = gauge!("outbox_pending", "shard" => shard.name().to_owned());
    loop {
        let ctx = Ctx::background("outbox", BUDGET);
        match pending(shard, &ctx).await {
            Ok(pending) => backlog.set(pending as f64),
            Err(error) => debug!(shard = shard.name(), %error, "backlog is unknown"),
        }
        sleep(ROUND).await;
    }
}

async fn pending(shard: &Shard, ctx: &Ctx) -> db::Result<i64> {
    let mut conn = shard.read(ctx, "outbox_pending").await?;
    store::outbox::pending(&mut conn).await
}

/// How many events, on all shards, the world has not heard of yet.
pub async fn outbox_pending(db: &Db, ctx: &Ctx) -> db::Result<i64> {
    let mut total = 0;
    for shard in db.shards() {
        total += pending(shard, ctx).await?;
    }
    Ok(total)
}
