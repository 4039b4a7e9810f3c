//! What load tests tried and what they were promised, as `loadtests/lib/shop.js` writes it down:
//! `tried KEY` before the first attempt, `acknowledged ORDER KEY` when the shop said yes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use uuid::Uuid;

use crate::compose::Compose;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Promises {
    /// The idempotency keys: each may become one order, at most.
    pub(crate) tried: BTreeSet<String>,
    /// The keys of each order.
    acknowledged: BTreeMap<Uuid, BTreeSet<String>>,
}

impl Promises {
    /// Of all load tests against this project's data.
    pub(crate) fn made_to(compose: &Compose) -> anyhow::Result<Promises> {
        let folder = folder(compose);
        if !folder.is_dir() {
            return Ok(Promises::default());
        }
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let files = entries.map(|entry| Ok(entry?.path()));
        Promises::read(&files.collect::<anyhow::Result<Vec<_>>>()?)
    }

    pub(crate) fn read(files: &[PathBuf]) -> anyhow::Result<Promises> {
        let mut promises = Promises::default();
        for file in files {
            let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
            text.lines().for_each(|line| promises.note(line));
        }
        Ok(promises)
    }

    /// Other lines are k6's own.
    fn note(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["tried", key] => drop(self.tried.insert((*key).to_owned())),
            ["acknowledged", order, key] => {
                if let Ok(order) = order.parse() {
                    let keys = self.acknowledged.entry(order).or_default();
                    keys.insert((*key).to_owned());
                }
            }
            _ => {}
        }
    }

    pub(crate) fn orders(&self) -> impl ExactSizeIterator<Item = Uuid> {
        self.acknowledged.keys().copied()
    }

    /// Two orders for one key, and one order for two keys.
    pub(crate) fn contradictions(&self) -> Vec<String> {
        let mut orders: BTreeMap<&str, Vec<Uuid>> = BTreeMap::new();
        for (order, keys) in &self.acknowledged {
            for key in keys {
                orders.entry(key).or_default().push(*order);
            }
        }
        let doubled = orders.iter().filter(|(_, orders)| orders.len() > 1);
        let doubled = doubled.map(|(key, orders)| {
            let ids: Vec<_> = orders.iter().map(Uuid::to_string).collect();
            format!("key {key} was acknowledged as {}", ids.join(" and as "))
        });
        let shared = self.acknowledged.iter().filter(|(_, keys)| keys.len() > 1);
        let shared = shared
            .map(|(order, keys)| format!("order {order} was acknowledged for {} keys", keys.len()));
        doubled.chain(shared).collect()
    }
}

/// Where load tests write them down.
pub(crate) fn folder(compose: &Compose) -> PathBuf {
    compose
        .root()
        .join("target/acknowledged")
        .join(compose.project())
}

/// The orders are gone with their database.
pub(crate) fn forget(folder: &Path) -> anyhow::Result<()> {
    if folder.is_dir() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    const B: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

    fn noted(lines: &[String]) -> Promises {
        let mut promises = Promises::default();
        lines.iter().for_each(|line| promises.note(line));
        promises
    }

    #[test]
    fn keys_and_orders_are_read_and_nothing_else() {
        let lines = ["tried k1", "tried k2", "hello", "acknowledged x k2"].map(str::to_owned);
        let mut promises = noted(&lines);
        promises.note(&format!("acknowledged {A} k1"));
        assert_eq!(promises.tried.len(), 2);
        assert_eq!(
            promises
                .orders()
                .map(|id| id.to_string())
                .collect::<Vec<_>>(),
            [A]
        );
        assert_eq!(promises.contradictions(), [] as [String; 0]);
    }

    #[test]
    fn an_order_acknowledged_twice_is_no_contradiction() {
        let line = format!("acknowledged {A} k1");
        assert_eq!(
            noted(&[line.clone(), line]).contradictions(),
            [] as [String; 0]
        );
    }

    #[test]
    fn two_orders_for_one_key_are_found() {
        let lines = [
            format!("acknowledged {A} k1"),
            format!("acknowledged {B} k1"),
        ];
        let expected = format!("key k1 was acknowledged as {A} and as {B}");
        assert_eq!(noted(&lines).contradictions(), [expected]);
    }

    #[test]
    fn one_order_for_two_keys_is_found() {
        let lines = [
            format!("acknowledged {A} k1"),
            format!("acknowledged {A} k2"),
        ];
        let expected = format!("order {A} was acknowledged for 2 keys");
        assert_eq!(noted(&lines).contradictions(), [expected]);
    }
}
