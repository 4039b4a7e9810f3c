use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[inventory]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long a checkout may take before its hold is called overdue.
    #[serde(with = "humantime_serde")]
    pub hold: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            // Far beyond the deadline of any request, so what is still held then was left behind.
            hold: Duration::from_secs(60),
        }
    }
}
