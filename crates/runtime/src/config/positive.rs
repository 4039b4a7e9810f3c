//! Values of which zero makes no sense: `#[serde(deserialize_with = "config::positive::..")]`.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};

pub fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    NonZeroUsize::deserialize(deserializer).map(NonZeroUsize::get)
}

pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let duration: Duration = humantime_serde::deserialize(deserializer)?;
    match duration.is_zero() {
        true => Err(D::Error::invalid_value(
            Unexpected::Str("0s"),
            &"a duration longer than zero",
        )),
        false => Ok(duration),
    }
}
