//! The SQL, by noun. Each query is a function on a borrowed connection: the service owns the
//! transaction.

pub(crate) mod books;
pub(crate) mod outbox;
pub(crate) mod products;
pub(crate) mod reservations;
pub(crate) mod seeding;
pub(crate) mod stock;

/// A stored value as its type; one that does not fit is a broken database.
fn decode<T, V>(column: &str, value: V) -> Result<T, sqlx::Error>
where
    T: TryFrom<V, Error = contract::ids::Malformed>,
{
    value
        .try_into()
        .map_err(|error: T::Error| sqlx::Error::ColumnDecode {
            index: column.to_owned(),
            source: Box::new(error),
        })
}
