//! Checkout: an order is placed exactly once, whatever dies when.
//!
//! Stock and orders are two domains without a common transaction, so the steps are ordered such that
//! one row decides. All steps carry [`OrderId::derive`]`(user, key)`:
//!
//! 1. **reserve**: inventory holds all lines for this id, or none.
//! 2. **record**: one transaction inserts the order's row, its lines and its outbox event, and takes
//!    the goods out of the cart. The row's primary key is the id. **Its commit is the order.**
//! 3. **acknowledge**: the buyer hears of it.
//! 4. **confirm**, later, by the outbox: the hold becomes a sale; the mail goes out.
//!
//! Holds that nobody confirmed in time are settled (`settle.rs`): that inserts a *tombstone* under the
//! id unless a row is there already, commits, and then does as the row says: confirm if it is an
//! order, release if it is not.
//!
//! **Why this is right.** The primary key lets one insert win: the order's or the tombstone's. Both
//! commit before anybody acts on them, and neither is ever deleted or becomes the other.
//!
//! - *No acknowledged order is lost*: 3 follows the commit of 2. Its outbox event is in the same
//!   commit, so 4 happens in the end; and should settling come first, it finds the row and confirms.
//! - *Nothing is oversold*: an order's row implies that 1 succeeded before. Its hold ends only by a
//!   release, and a release follows only a tombstone or a cancellation: an order that stands keeps
//!   its hold. A straggler that comes to 2 after the tombstone inserts nothing, and is told
//!   [`OrdersError::GivenUp`].
//! - *Nothing is doubled*: a retry derives the same id. 1 gives the same hold again, 2 finds the row
//!   and answers from it. A retry beside its original waits for it in the insert of 2, at most for
//!   `lock_timeout`: then [`OrdersError::InProgress`].
//! - *No stock is lost*: whoever dies between 1 and 2 leaves a hold without a row, and that is
//!   settled. Dying within 2 is dying before it; dying after 2 leaves an order.
//!
//! Refused is only what inventory refuses and no row contradicts: so a replay works even while
//! inventory is away, and costs a first checkout no read.

use contract::inventory::PricedLine;
use contract::orders::{Buyer, Lines, NewOrder, Order, OrderStatus, Placement};
use contract::{Ctx, IdempotencyKey, OrderId, OrdersError, Problem, UserId};
use metrics::counter;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use tracing::info;

use crate::Service;
use crate::event::{Event, Receipt};
use crate::store;
use crate::store::orders::Recorded;

impl Service {
    pub(crate) async fn check_out(
        &self,
        ctx: &Ctx,
        buyer: &Buyer,
        key: &IdempotencyKey,
        new: &NewOrder,
    ) -> Result<Placement, OrdersError> {
        let id = OrderId::derive(buyer.user_id, key);
        let request_hash = request_hash(&new.lines);
        let placement = match self.inventory.reserve(ctx, id, new.lines.as_slice()).await {
            Ok(lines) => self.record(ctx, buyer, id, &request_hash, lines).await,
            Err(refusal) => {
                let mut conn = self.db.shard(id.bucket()).read(ctx, "replay_order").await?;
                match replay(&mut conn, id, &request_hash).await {
                    Ok(None) => Err(refusal.into()),
                    Ok(Some(placement)) => Ok(placement),
                    Err(error) => Err(error),
                }
            }
        };
        match &placement {
            Ok(placement) if placement.replayed => {}
            Ok(_) => {
                counter!("orders_placed_total").increment(1);
                info!(order.id = %id, "placed order");
            }
            Err(error) => {
                let reason = Problem::from(error).slug().to_owned();
                counter!("orders_rejected_total", "reason" => reason).increment(1);
            }
        }
        placement
    }

    /// Step 2: the decision.
    async fn record(
        &self,
        ctx: &Ctx,
        buyer: &Buyer,
        id: OrderId,
        request_hash: &[u8],
        mut lines: Vec<PricedLine>,
    ) -> Result<Placement, OrdersError> {
        // As a replay reads them.
        lines.sort_by(|a, b| a.sku.cmp(&b.sku));
        let total_cents = lines
            .iter()
            .map(|line| i64::from(line.quantity.get()) * line.price_cents)
            .sum();
        let user = buyer.user_id;
        let mut tx = self.db.shard(id.bucket()).write(ctx, "place_order").await?;
        let inserted = store::orders::insert(&mut tx, id, user, request_hash, total_cents)
            .await
            .map_err(in_progress)?;
        let Some(created_at) = inserted else {
            let placement = replay(&mut tx, id, request_hash).await?;
            // Rows are never deleted, so what was in the way is there.
            return placement.ok_or(OrdersError::InProgress);
        };
        store::lines::insert(&mut tx, id, &lines).await?;
        let skus: Vec<&str> = lines.iter().map(|line| line.sku.as_str()).collect();
        store::cart::remove(&mut tx, user, &skus).await?;
        let order = Order {
            id,
            user_id: user,
            status: OrderStatus::Placed,
            lines,
            total_cents,
            created_at,
        };
        let event = Event::Placed(Receipt {
            email: buyer.email.clone(),
            order: order.clone(),
        });
        store::outbox::insert(&mut tx, id.bucket(), &event).await?;
        tx.commit().await?;
        self.doorbell.ring();
        Ok(Placement {
            order,
            replayed: false,
        })
    }

    /// Cancels at once, and gives the stock back at once if inventory is there; else the outbox does.
    pub(crate) async fn cancel(
        &self,
        ctx: &Ctx,
        user: UserId,
        id: OrderId,
    ) -> Result<Order, OrdersError> {
        let mut tx = self
            .db
            .shard(user.bucket())
            .write(ctx, "cancel_order")
            .await?;
        let cancelled = store::orders::cancel(&mut tx, user, id).await?;
        let Some(mut order) = store::orders::find(&mut tx, user, id).await? else {
            return Err(OrdersError::NoSuchOrder);
        };
        if order.status != OrderStatus::Cancelled {
            return Err(OrdersError::NotCancellable(order.status));
        }
        store::lines::fill(&mut tx, std::slice::from_mut(&mut order)).await?;
        if !cancelled {
            return Ok(order);
        }
        store::outbox::insert(&mut tx, id.bucket(), &Event::Cancelled { order: id }).await?;
        tx.commit().await?;
        self.doorbell.ring();
        info!(order.id = %id, "cancelled order");
        if let Err(error) = self.inventory.release(ctx, id).await {
            info!(order.id = %id, %error, "stock goes back later, by the outbox");
        }
        Ok(order)
    }
}

/// The first answer again, as the order is now; `None` if nothing is recorded under this id.
async fn replay(
    conn: &mut PgConnection,
    id: OrderId,
    request_hash: &[u8],
) -> Result<Option<Placement>, OrdersError> {
    let mut order = match store::orders::recorded(conn, id).await? {
        None => return Ok(None),
        Some(Recorded::Abandoned) => return Err(OrdersError::GivenUp),
        Some(Recorded::Order {
            order,
            request_hash: first,
        }) if first == request_hash => order,
        Some(Recorded::Order { .. }) => return Err(OrdersError::KeyReused),
    };
    store::lines::fill(conn, std::slice::from_mut(&mut order)).await?;
    Ok(Some(Placement {
        order,
        replayed: true,
    }))
}

/// SHA-256 of the lines in their canonical order. SKUs have no spaces, so no two requests meet.
fn request_hash(lines: &Lines) -> [u8; 32] {
    let mut hash = Sha256::new();
    for line in lines.as_slice() {
        hash.update(format!("{} {}\n", line.sku, line.quantity.get()));
    }
    hash.finalize().into()
}

fn in_progress(error: db::Error) -> OrdersError {
    if error.is_lock_timeout() {
        OrdersError::InProgress
    } else {
        error.into()
    }
}
