//! How often, and where, it is asked whose session this is.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::prometheus::Figures;
use crate::promql;

/// A second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionFigures {
    /// Where most are asked for: `postgres`, `process`, `redis`.
    pub store: String,
    pub look_ups: f64,
    pub found: f64,
    pub unknown: f64,
    /// Found in Postgres, where the stage before had them, and moved over.
    pub imported: f64,
    /// Nobody could say.
    pub failed: f64,
}

impl SessionFigures {
    /// None as long as nobody has come with a session.
    pub(super) fn of(figures: &Figures) -> Option<SessionFigures> {
        let by = |label| {
            let mut rates: BTreeMap<&str, f64> = BTreeMap::new();
            for sample in figures.of(promql::SESSIONS) {
                *rates.entry(sample.label(label)).or_default() += sample.value().unwrap_or(0.0);
            }
            rates
        };
        let stores = by("store");
        let (store, _) = stores
            .iter()
            .max_by(|(_, one), (_, other)| one.total_cmp(other))?;
        let outcomes = by("outcome");
        let of = |outcome| outcomes.get(outcome).copied().unwrap_or(0.0);
        Some(SessionFigures {
            store: (*store).to_owned(),
            look_ups: stores.values().sum(),
            found: of("found"),
            unknown: of("unknown"),
            imported: of("imported"),
            failed: of("failed"),
        })
    }
}
