//! The domain on a real Postgres, with a fake only at the other side of its boundary.

mod books;
mod carts;
mod checkout;
mod crashes;
mod history;
mod outbox;
mod remote;
mod routes;
mod seeding;
mod support;
