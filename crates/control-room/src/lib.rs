//! The control room: one page that shows what runs now, how full each box is, and whether it is time
//! to climb.
//!
//! Owns: what is asked of Prometheus, how boxes become a drawing, and the page. Never does: measure
//! anything itself, decide a trigger (that is `deploy/prometheus/triggers.yml`), or talk to Docker.
//!
//! Start with [`Poller`], which asks and publishes every two seconds. All questions are in `promql`,
//! the kinds of boxes and who calls whom in `topology`: a later stage adds lines
//! to these two tables.

mod config;
mod history;
mod http;
mod poller;
mod prometheus;
mod promql;
mod roster;
mod snapshot;
mod topology;
mod verdict;

pub use config::Config;
pub use history::{Histories, History};
pub use http::routes;
pub use poller::{Latest, Poller, Published};
pub use prometheus::Prometheus;
pub use snapshot::{
    ArrowFigures, BalancerFigures, BoxFigures, CacheFigures, CircuitFigures, CircuitState,
    Condition, EntryFigures, RedisFigures, SessionFigures, Snapshot, Source, UpstreamFigures,
    UpstreamState,
};
pub use verdict::Verdict;
