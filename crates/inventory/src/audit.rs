use std::time::Duration;

use contract::{Ctx, OrderId};
use db::{Db, Tx, bulk};

use crate::store::books;
use crate::store::reservations::{self, Reservation};

/// Looks into all that was ever stocked, taken and given back, at one moment. Answers a sentence for
/// each thing that does not add up; none is what it should be.
pub async fn audit(db: &Db) -> db::Result<Vec<String>> {
    let mut tx = open(db, "audit").await?;
    let imbalances = books::imbalances(&mut tx).await?;
    let strays = books::stray_lines(&mut tx).await?;
    let imbalances = imbalances.into_iter().map(|books| {
        let books::Imbalance {
            sku,
            stocked,
            available,
            taken,
        } = books;
        format!("{sku}: {stocked} were stocked, but {available} are available and {taken} taken")
    });
    let strays = strays
        .into_iter()
        .map(|id| format!("reservation {id} has lines, but does not exist"));
    Ok(imbalances.chain(strays).collect())
}

/// Reservations in the order of ids, at most `limit` of them after `after`: to be compared with what
/// was ordered.
pub async fn reservations_after(
    db: &Db,
    after: Option<OrderId>,
    limit: u32,
) -> db::Result<Vec<Reservation>> {
    let mut tx = open(db, "reservations_after").await?;
    reservations::after(&mut tx, after, limit).await
}

async fn open(db: &Db, query: &'static str) -> db::Result<Tx> {
    // A minute: years of sales on a small box.
    let ctx = Ctx::background("audit", Duration::from_secs(60));
    let mut tx = db.write(&ctx, query).await?;
    bulk::lift_limits(&mut tx).await?;
    Ok(tx)
}
