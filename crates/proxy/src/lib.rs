//! What every proxy of ours needs: upstreams that are found, watched, chosen and tried again; headers
//! that are kept clean; limits that are kept.
//!
//! Never here: what one proxy alone does (a cache, authentication), and which stage it runs in.
//!
//! A request's way, and where to start: [`server`] (a thread a core, each with sockets, connections and
//! a runtime of its own) → `forward` (the whole journey) → `refusal` (what is not taken in) → `headers`
//! → `selection` → `exchange` → `pool`. Beside the requests: [`discovery`] finds upstreams, `health`
//! asks them, `outlier` judges their answers, and [`Cluster`] makes of all that the list from which
//! `selection` takes.
//!
//! Invariant: the way of a request has no lock that another thread could hold for long, no timer and no
//! task of its own.

mod access;
mod arrival;
mod body;
mod cluster;
pub mod config;
pub mod discovery;
mod exchange;
mod figures;
mod forward;
mod headers;
mod health;
mod member;
mod outlier;
mod passage;
mod patrol;
mod pool;
pub mod program;
mod protocol;
mod queue;
mod refusal;
mod reload;
mod retry;
mod selection;
pub mod server;
#[cfg(test)]
mod simulation;
mod stream;
mod tls;
mod upstream;
mod worker;

pub use access::AccessLog;
pub use arrival::{Arrival, Said};
pub use cluster::{Cluster, Rules};
pub use config::ProxyConfig;
pub use figures::Figures;
pub use forward::{ClosesAtEnd, Forward, Journey};
pub use headers::Client;
pub use member::{Report, State};
pub use passage::{AnswerBody, AnswerError};
pub use refusal::Refusal;
pub use reload::Reading;
pub use tls::Certificate;
pub use worker::{Shared, Worker};
