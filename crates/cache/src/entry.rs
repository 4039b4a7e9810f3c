//! What stands in Redis under a key: a version, what kind of entry it is, and the value.
//!
//! The version comes first, in 16 hexadecimal digits, so that scripts compare it as text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How eagerly a value is loaded again before its time is over (beta in `XFetch`; 1 is the optimum
/// for values whose loading times are exponentially distributed, more is earlier).
const EAGERNESS: f64 = 1.0;

#[derive(Debug, PartialEq)]
pub(crate) enum Entry<V> {
    Value(Value<V>),
    /// There is no such thing, the database said.
    Absent,
    /// It changed, and nobody has filled it since.
    Replaced,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Value<V> {
    pub(crate) version: i64,
    pub(crate) value: V,
    /// Since the epoch, by the clock of whoever filled it.
    pub(crate) expires: Duration,
    /// What it took to load it.
    pub(crate) cost: Duration,
}

pub(crate) fn version(version: i64) -> String {
    format!("{version:016x}")
}

/// Versions are counted from 1, so that this one is older than any.
pub(crate) fn absent() -> String {
    format!("{:016x}n", 0)
}

pub(crate) fn replaced(by: i64) -> String {
    format!("{by:016x}r")
}

impl<V: Serialize> Value<V> {
    pub(crate) fn encode(&self) -> serde_json::Result<String> {
        Ok(format!(
            "{:016x}v{:012x}{:08x}{}",
            self.version,
            self.expires.as_millis(),
            self.cost.as_micros().min(u128::from(u32::MAX)),
            serde_json::to_string(&self.value)?
        ))
    }
}

impl<V> Value<V> {
    /// Whether to load it now although it is good: the sooner it expires and the longer loading takes,
    /// the likelier. So one of many readers does, and nobody waits (`XFetch`; Vattani et al., VLDB '15).
    pub(crate) fn is_due(&self, now: Duration, chance: f64) -> bool {
        let ahead = self.cost.as_secs_f64() * EAGERNESS * -chance.max(f64::MIN_POSITIVE).ln();
        now.as_secs_f64() + ahead >= self.expires.as_secs_f64()
    }
}

impl<V: DeserializeOwned> Entry<V> {
    /// `None` for what another version of this program wrote: as if nothing were there.
    pub(crate) fn decode(text: &[u8]) -> Option<Entry<V>> {
        let (version, rest) = text.split_at_checked(16)?;
        match rest.split_first()? {
            (b'n', []) => Some(Entry::Absent),
            (b'r', []) => Some(Entry::Replaced),
            (b'v', rest) => {
                let (expires, rest) = rest.split_at_checked(12)?;
                let (cost, json) = rest.split_at_checked(8)?;
                Some(Entry::Value(Value {
                    version: i64::try_from(number(version)?).ok()?,
                    value: serde_json::from_slice(json).ok()?,
                    expires: Duration::from_millis(number(expires)?),
                    cost: Duration::from_micros(number(cost)?),
                }))
            }
            _ => None,
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Since the epoch.
pub(crate) fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(expires: u64, cost_ms: u64) -> Value<String> {
        Value {
            version: 7,
            value: "mug".to_owned(),
            expires: Duration::from_secs(expires),
            cost: Duration::from_millis(cost_ms),
        }
    }

    #[test]
    fn entries_survive_redis() {
        let text = value(1_800_000_000, 3).encode().unwrap();
        let read = Entry::decode(text.as_bytes());
        assert_eq!(read, Some(Entry::Value(value(1_800_000_000, 3))));
        let read = |text: String| Entry::<String>::decode(text.as_bytes());
        assert_eq!(read(absent()), Some(Entry::Absent));
        assert_eq!(read(replaced(9)), Some(Entry::Replaced));
    }

    #[test]
    fn a_newer_version_is_greater_as_text() {
        assert!(version(10) > version(9) && version(1) > absent());
        assert!(replaced(1 << 40).as_str() > version(255).as_str());
    }

    #[test]
    fn a_value_is_due_early_for_few_and_late_for_all() {
        let value = value(100, 50);
        let at = |seconds| Duration::from_secs_f64(seconds);
        assert!(!value.is_due(at(90.0), 0.001));
        assert!(value.is_due(at(99.9), 0.1));
        assert!(!value.is_due(at(99.9), 0.9));
        assert!(value.is_due(at(100.0), 1.0));
        assert!(value.is_due(at(90.0), 0.0), "ln 0 is no reason to stay");
    }

    proptest! {
        #[test]
        fn what_is_no_entry_is_none(text in prop::collection::vec(any::<u8>(), 0..60)) {
            // Whatever it is, reading it does not panic.
            let _ = Entry::<String>::decode(&text);
        }
    }
}
