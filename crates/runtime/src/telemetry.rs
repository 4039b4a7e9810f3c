//! Logs and figures of a process.

use std::fmt;
use std::io::IsTerminal;
use std::sync::{Arc, OnceLock};

use boxstat::{BoxStat, Exposition};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::client::Origin;
use crate::service::WriteFigures;

/// `[log]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    pub filter: Filter,
    pub format: Format,
    /// Where spans go, as OTLP over HTTP: `http://collector:4318`. Without one: nowhere.
    pub otlp_endpoint: Option<Origin>,
}

/// What is logged: `info,db=debug`. A line for each request comes with `access=debug`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter(String);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: an object a line.
    Json,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter("info".to_owned())
    }
}

impl TryFrom<String> for Filter {
    type Error = String;

    fn try_from(text: String) -> Result<Filter, String> {
        match EnvFilter::try_new(&text) {
            Ok(_) => Ok(Filter(text)),
            Err(_) => Err(format!(
                "expected a filter like info,db=debug, got {text:?}"
            )),
        }
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> String {
        filter.0
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

static OTLP_ENDPOINT: OnceLock<Origin> = OnceLock::new();

/// That of the configuration, once [`init`] has been called.
pub(crate) fn otlp_endpoint() -> Option<Origin> {
    OTLP_ENDPOINT.get().cloned()
}

/// Starts logging, to stderr; panics are logged, too. The first call counts.
pub fn init(config: &LogConfig) {
    if let Some(endpoint) = &config.otlp_endpoint {
        let _ = OTLP_ENDPOINT.set(endpoint.clone());
    }
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&config.filter.0))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match config.format {
        Format::Text => log.try_init(),
        Format::Json => log.json().try_init(),
    };
    if started.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let message = panic.payload_as_str().unwrap_or_default();
            let place = panic.location().map(ToString::to_string);
            tracing::error!(place, message, "panicked");
        }));
    }
}

/// Bounds of histograms in seconds: those that OpenTelemetry recommends for HTTP servers.
const SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// And for clients of databases, where much happens within 5 ms.
const DATABASE_SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Starts collecting figures; the first call does, later ones only hand out the same handle.
///
/// # Panics
/// If another recorder was installed before.
pub fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Prefix("db_".to_owned()), &DATABASE_SECONDS)
            })
            .expect("the bounds are not empty")
            .install_recorder()
            .expect("nobody else installs a recorder")
    };
    HANDLE.get_or_init(install).clone()
}

/// What `/metrics` answers: the figures of this process and, where it speaks for its box, of the box.
#[derive(Clone)]
pub(crate) struct Figures {
    process: PrometheusHandle,
    of_box: Option<Arc<BoxStat>>,
    more: Option<WriteFigures>,
}

impl Figures {
    pub(crate) fn start(more: Option<WriteFigures>) -> Figures {
        let of_box = BoxStat::as_pid_1().unwrap_or_else(|error| {
            tracing::warn!(%error, "no figures of the box");
            None
        });
        Figures {
            process: metrics(),
            of_box: of_box.map(Arc::new),
            more,
        }
    }

    pub(crate) fn render(&self) -> String {
        let mut text = self.process.render();
        if let Some(write) = &self.more {
            let mut out = Exposition::default();
            write(&mut out);
            text.push_str(&out.into_text());
        }
        if let Some(of_box) = &self.of_box {
            let mut out = Exposition::default();
            match of_box.write(&mut out) {
                Ok(()) => text.push_str(&out.into_text()),
                Err(error) => tracing::warn!(%error, "cannot read the figures of the box"),
            }
        }
        text
    }

    /// Between two scrapes observations pile up, unless they are sorted in.
    pub(crate) fn run_upkeep(&self) {
        self.process.run_upkeep();
    }
}
