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
    /// Holds that are neither sold nor given back and have no order: none once settling is through.
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
        let Some((order, hold)) = next_pair(&mut orders, &mut holds) else {
            return Ok(());
        };
        let placed = |order: &OpenOrder| order.state == OrderState::Placed;
        books.open_orders += u64::from(order.as_ref().is_some_and(placed));
        match judge(order.as_ref(), hold.as_ref(), books.outbox_pending == 0) {
            Verdict::Agree => {}
            Verdict::Undecided => books.holds_pending += 1,
            Verdict::Differ(why) => books.findings.push(why),
        }
    }
}

/// The order and the reservation of the next id, or the one there is; `None` when both are through.
fn next_pair(
    orders: &mut VecDeque<OpenOrder>,
    holds: &mut VecDeque<Reservation>,
) -> Option<(Option<OpenOrder>, Option<Reservation>)> {
    let next_order = orders.front().map(|order| order.id);
    let next_hold = holds.front().map(|hold| hold.order);
    let next = next_order.into_iter().chain(next_hold).min()?;
    Some((
        orders.pop_front_if(|order| order.id == next),
        holds.pop_front_if(|hold| hold.order == next),
    ))
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Agree,
    /// A hold without an order: its checkout is under way, or it is settled once it is overdue.
    Undecided,
    Differ(String),
}

/// Whether an order and the reservation under its id tell one story. `told`: the outbox is empty, so
/// what it had to do for them is done.
fn judge(order: Option<&OpenOrder>, hold: Option<&Reservation>, told: bool) -> Verdict {
    let state = hold.map(|hold| hold.state);
    let Some(order) = order else {
        return match (hold, state) {
            (Some(hold), Some(State::Confirmed)) => Verdict::Differ(format!(
                "stock was sold under {}, but there is no such order",
                hold.order
            )),
            (_, Some(State::Held)) => Verdict::Undecided,
            _ => Verdict::Agree,
        };
    };
    let other_lines = hold.is_some_and(|hold| !same(&order.lines, &hold.lines));
    let why = match (order.state, state) {
        (OrderState::Placed, None) => "is placed, but nothing was reserved for it",
        (OrderState::Placed, Some(State::Released)) => "is placed, but its stock was given back",
        (OrderState::Placed, _) if other_lines => "is for other lines than were reserved",
        (OrderState::Placed, Some(State::Held)) if told => {
            "is placed and told, but its stock is still only held"
        }
        (OrderState::Cancelled, None | Some(State::Held | State::Confirmed)) if told => {
            "is cancelled, but its stock was not given back"
        }
        (OrderState::Abandoned, Some(State::Confirmed)) => "was abandoned, but its stock was sold",
        // Between a tombstone and its release: whoever died there is made up for by the next round.
        (OrderState::Abandoned, Some(State::Held)) => return Verdict::Undecided,
        // A tombstone may precede its reservation.
        (OrderState::Placed | OrderState::Cancelled, _)
        | (OrderState::Abandoned, None | Some(State::Released)) => return Verdict::Agree,
    };
    Verdict::Differ(format!("order {} {why}", order.id))
}

fn same(ordered: &[Line], reserved: &[PricedLine]) -> bool {
    let reserved = reserved.iter().map(|line| (&line.sku, line.quantity));
    ordered
        .iter()
        .map(|line| (&line.sku, line.quantity))
        .eq(reserved)
}

#[cfg(test)]
mod tests;
