//! The books: what each domain says of itself, and whether orders and reservations tell one story.

use std::collections::VecDeque;

use contract::OrderId;
use contract::inventory::{Line, PricedLine};
use inventory::{Reservation, State};
use orders::{OpenOrder, OrderState};
use serde::{Deserialize, Serialize};

use crate::app::AppDatabases;

/// Rows read at a time.
const BATCH: u32 = 1_000;
/// What is wrong in more places is wrong in general.
const MOST_FINDINGS: usize = 50;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// What does not balance; empty when all does.
    pub findings: Vec<String>,
    pub open_orders: u64,
    /// Orders that were acknowledged, as far as the caller knows.
    pub acknowledged: u64,
    pub outbox_pending: u64,
    /// Reservations whose orders are not decided yet.
    pub holds_pending: u64,
}

/// Looks at all books. `acknowledged` are orders that clients were promised: each must be there.
///
/// Made for a quiet moment: under load an order may be seen a moment before its reservation.
pub async fn audit(databases: &AppDatabases, acknowledged: &[OrderId]) -> anyhow::Result<Books> {
    let mut findings = users::audit(&databases.users).await?;
    findings.extend(inventory::audit(&databases.inventory).await?);
    findings.extend(orders::audit(&databases.orders).await?);
    let ctx = contract::Ctx::background("audit", std::time::Duration::from_secs(60));
    let pending = orders::outbox_pending(&databases.orders, &ctx).await?;
    let mut books = Books {
        findings,
        open_orders: 0,
        acknowledged: acknowledged.len() as u64,
        outbox_pending: u64::try_from(pending)?,
        holds_pending: 0,
    };
    compare(databases, &mut books).await?;
    for id in orders::missing(&databases.orders, acknowledged).await? {
        books
            .findings
            .push(format!("order {id} was acknowledged, but is not there"));
    }
    books.findings.truncate(MOST_FINDINGS);
    Ok(books)
}

/// Walks orders and reservations side by side, in the order of ids.
async fn compare(databases: &AppDatabases, books: &mut Books) -> anyhow::Result<()> {
    let (mut orders, mut holds) = (VecDeque::new(), VecDeque::new());
    let (mut last_order, mut last_hold) = (None, None);
    let (mut all_orders, mut all_holds) = (false, false);
    loop {
        if orders.is_empty() && !all_orders {
            let batch = orders::open_orders_after(&databases.orders, last_order, BATCH).await?;
            all_orders = batch.len() < BATCH as usize;
            last_order = batch.last().map(|order| order.id).or(last_order);
            orders.extend(batch);
        }
        if holds.is_empty() && !all_holds {
            let batch =
                inventory::reservations_after(&databases.inventory, last_hold, BATCH).await?;
            all_holds = batch.len() < BATCH as usize;
            last_hold = batch.last().map(|hold| hold.order).or(last_hold);
            holds.extend(batch);
        }
        let (order, hold) = match (orders.front(), holds.front()) {
            (None, None) => return Ok(()),
            (Some(order), Some(hold)) if order.id == hold.order => {
                (orders.pop_front(), holds.pop_front())
            }
            (Some(order), Some(hold)) if order.id > hold.order => (None, holds.pop_front()),
            (Some(_), _) => (orders.pop_front(), None),
            (None, Some(_)) => (None, holds.pop_front()),
        };
        let settled = books.outbox_pending == 0;
        let finding = match (order, hold) {
            (Some(order), hold) => {
                books.open_orders += u64::from(order.state == OrderState::Placed);
                order_against(&order, hold.as_ref(), settled)
            }
            (None, Some(hold)) => {
                books.holds_pending += u64::from(hold.state == State::Held);
                (hold.state == State::Confirmed).then(|| {
                    format!(
                        "stock was sold under {}, but there is no such order",
                        hold.order
                    )
                })
            }
            (None, None) => None,
        };
        books.findings.extend(finding);
    }
}

/// What an order's state demands of its reservation.
fn order_against(order: &OpenOrder, hold: Option<&Reservation>, settled: bool) -> Option<String> {
    let id = order.id;
    match (order.state, hold.map(|hold| (hold.state, &hold.lines))) {
        (OrderState::Placed, None) => Some(format!(
            "order {id} is placed, but nothing was reserved for it"
        )),
        (OrderState::Placed, Some((State::Released, _))) => Some(format!(
            "order {id} is placed, but its stock was given back"
        )),
        (OrderState::Placed, Some((_, lines))) if !same(&order.lines, lines) => {
            Some(format!("order {id} is for other lines than were reserved"))
        }
        (OrderState::Placed, Some((State::Held, _))) if settled => Some(format!(
            "order {id} is placed and told, but its stock is still only held"
        )),
        (OrderState::Placed, Some(_)) | (_, Some((State::Released, _))) => None,
        // An abandoned order may never have reserved anything.
        (OrderState::Abandoned, _) => None,
        (OrderState::Cancelled, _) if settled => Some(format!(
            "order {id} is cancelled, but its stock was not given back"
        )),
        (OrderState::Cancelled, _) => None,
    }
}

fn same(ordered: &[Line], reserved: &[PricedLine]) -> bool {
    let reserved = reserved.iter().map(|line| (&line.sku, line.quantity));
    ordered
        .iter()
        .map(|line| (&line.sku, line.quantity))
        .eq(reserved)
}
