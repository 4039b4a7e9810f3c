//! Abandoned checkouts: every hold that outlived its checkout is decided and done with. Why this is
//! safe beside a checkout that is still alive: see [`crate::checkout`].

use contract::{Ctx, OrderId, OrdersError};
use tracing::{info, warn};

use crate::Service;
use crate::store;

/// Bounds one round; an outage may leave more, for the next ones.
const BATCH: u32 = 500;

impl Service {
    /// Settles overdue holds; how many. Any number of workers may do it at once.
    pub async fn settle_overdue(&self, ctx: &Ctx) -> Result<usize, OrdersError> {
        let overdue = self.inventory.overdue(ctx, BATCH).await?;
        let mut sold = Vec::new();
        let mut released = 0;
        for id in overdue {
            match self.decide(ctx, id).await {
                Ok(true) => sold.push(id),
                Ok(false) => {
                    self.inventory.release(ctx, id).await?;
                    info!(order.id = %id, "released the stock of no order");
                    released += 1;
                }
                // Its shard is away, or its checkout is committing right now: next time.
                Err(error) => warn!(order.id = %id, %error, "hold is not settled"),
            }
        }
        if !sold.is_empty() {
            self.inventory.confirm(ctx, &sold).await?;
        }
        Ok(sold.len() + released)
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
