//! What the balancer has on its admin port: `GET /upstreams`, `POST /reload`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use proxy::{Certificate, ProxyConfig, Report, Shared};
use runtime::config::ConfigError;
use serde::Serialize;

/// Reads the configuration again. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reloader {
    shared: Arc<Shared>,
    certificate: Option<Arc<Certificate>>,
}

#[derive(Debug, Serialize)]
struct Upstreams {
    upstreams: Vec<Report>,
    /// Ejections are ignored, as most upstreams are ejected.
    panic: bool,
}

pub(crate) fn routes(reloader: Reloader) -> Router {
    Router::new()
        .route("/upstreams", get(upstreams))
        .route("/reload", post(reload))
        .with_state(reloader)
}

async fn upstreams(State(reloader): State<Reloader>) -> Json<Upstreams> {
    let cluster = &reloader.shared.cluster;
    Json(Upstreams {
        upstreams: cluster.report(),
        panic: cluster.is_panic(),
    })
}

async fn reload(State(reloader): State<Reloader>) -> (StatusCode, String) {
    match reloader.reload() {
        Ok(()) => (StatusCode::OK, "reloaded\n".to_owned()),
        Err(mistake) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{mistake}\n")),
    }
}

impl Reloader {
    pub(crate) fn new(shared: Arc<Shared>, certificate: Option<Arc<Certificate>>) -> Reloader {
        Reloader {
            shared,
            certificate,
        }
    }

    /// All or nothing: with a mistake in it the old configuration stays. Connections that are open keep
    /// their time-outs, and are trusted as a proxy's or not as they were; else, requests on them go by
    /// the new rules.
    pub(crate) fn reload(&self) -> Result<(), String> {
        let outcome = self.read();
        match &outcome {
            Ok(()) => tracing::info!("configuration reloaded"),
            Err(mistake) => {
                tracing::warn!(mistake, "configuration not reloaded: the old one stays")
            }
        }
        outcome
    }

    fn read(&self) -> Result<(), String> {
        let config: ProxyConfig = runtime::config::load().map_err(|error| error.to_string())?;
        let now = self.shared.config.load();
        if config.needs_restart(&now) {
            return Err(
                "http.listen, http.admin, tls.listen, log: expected as they were, or a restart"
                    .to_owned(),
            );
        }
        if let (Some(certificate), Some(tls)) = (&self.certificate, &config.tls) {
            certificate
                .reload(tls)
                .map_err(|error| ConfigError::in_use("tls", error).to_string())?;
        }
        self.shared.access.set_sample(config.access_log.sample);
        self.shared.cluster.set_rules(config.rules());
        self.shared.config.store(Arc::new(config));
        Ok(())
    }
}
