//! The SQL of this domain: one function for each query, on a connection that the caller owns. The
//! rules open the transaction and commit on their last line.

pub(crate) mod books;
pub(crate) mod cart;
pub(crate) mod lines;
pub(crate) mod orders;
pub(crate) mod outbox;
pub(crate) mod report;
pub(crate) mod seeding;

use contract::Sku;
use contract::ids::Malformed;
use contract::inventory::{Line, Quantity};

/// A value in the database that its type refuses: a bug of ours, or somebody's hand.
fn corrupt(error: Malformed) -> db::Error {
    sqlx::Error::Decode(error.into()).into()
}

fn sku(text: String) -> db::Result<Sku> {
    text.try_into().map_err(corrupt)
}

fn quantity(number: i32) -> db::Result<Quantity> {
    i64::from(number).try_into().map_err(corrupt)
}

fn line(sku: String, quantity: i32) -> db::Result<Line> {
    Ok(Line {
        sku: self::sku(sku)?,
        quantity: self::quantity(quantity)?,
    })
}
