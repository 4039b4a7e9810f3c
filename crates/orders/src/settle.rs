//! Abandoned checkouts: every hold that outlived its checkout is decided and done with. Why this is
//! safe beside a checkout that is still alive: see [`crate::checkout`].

use std::time::Duration;

use contract::{Ctx, OrderId, OrdersError};
use tracing::{info, warn};

use crate::Service;
use crate::store;

/// Bounds one round; an outage may leave more, for the next ones.
const BATCH: u32 = 500;

/// For confirming what was found to be sold: one call, and never for want of time. Else the next
/// round would begin with the same holds, and get no further.
const CONFIRMING: Duration = Duration::from_secs(2);

impl Service {
    /// Settles overdue holds, as many as the time allows; how many. No hold keeps the others from
    /// being settled. Any number of workers may do it at once.
    pub async fn settle_overdue(&self, ctx: &Ctx) -> Result<usize, OrdersError> {
        let mut sold = Vec::new();
        let mut unsold = Vec::new();
        for id in self.inventory.overdue(ctx, BATCH).await? {
            match self.decide(ctx, id).await {
                Ok(true) => sold.push(id),
                Ok(false) => unsold.push(id),
                Err(db::Error::DeadlineExceeded) => break,
                // Its shard is away, or its checkout is committing right now: next time.
                Err(error) => warn!(order.id = %id, %error, "hold is not decided"),
            }
        }
        if !sold.is_empty() {
            let ctx = Ctx::background("settle", CONFIRMING);
            self.inventory.confirm(&ctx, &sold).await?;
        }
        let mut settled = sold.len();
        for id in unsold {
            match self.inventory.release(ctx, id).await {
                Ok(()) => {
                    info!(order.id = %id, "released the stock of no order");
                    settled += 1;
                }
                Err(error) => warn!(order.id = %id, %error, "hold is not released"),
            }
            if ctx.remaining().is_err() {
                break;
            }
        }
        Ok(settled)
    }

    /// Whether this order's goods are sold: from now on, if nothing was decided before, they are not.
    async fn decide(&self, ctx: &Ctx, id: OrderId) -> db::Result<bool> {
        let mut tx = self
            .db
            .shard(id.bucket())
            .write(ctx, "settle_order")
            .await?;
        store::orders::insert_tombstone(&mut tx, id).await?;
        let sold = store::orders::is_sold(&mut tx, id).await?;
        tx.commit().await?;
        // The insert leaves a row in any case.
        Ok(sold.unwrap_or(false))
    }
}
