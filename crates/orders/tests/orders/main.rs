//! The domain on a real Postgres, with a fake only at the other side of its boundary.

mod checkout;
mod crashes;
mod support;
