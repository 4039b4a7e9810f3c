//! What the CDN has on its admin port besides what all proxies have: `POST /purge`.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use contract::{Fault, Problem};
use runtime::Failure;
use runtime::extract::Json;
use serde::{Deserialize, Serialize};

use crate::cdn::Cdn;
use crate::groups::Purge;
use crate::key::Key;

/// One of the three.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PurgeRequest {
    /// One address, with scheme and host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// What belongs together: a group that answers name in `Cache-Groups`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Everything.
    #[serde(default)]
    pub(crate) all: bool,
    /// Makes it stale instead of forgetting it: as if its time were over now. On disk it is forgotten all
    /// the same.
    #[serde(default)]
    pub(crate) soft: bool,
}

#[derive(Debug, Serialize)]
struct Purged {
    /// Whether the address was stored. What a group had, nobody has counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    was_stored: Option<bool>,
}

pub(crate) fn routes(cdn: Arc<Cdn>) -> Router {
    Router::new().route("/purge", post(purge)).with_state(cdn)
}

async fn purge(
    State(cdn): State<Arc<Cdn>>,
    Json(request): Json<PurgeRequest>,
) -> Result<Json<Purged>, Failure> {
    let purge = match request.soft {
        true => Purge::Soft,
        false => Purge::Hard,
    };
    let was_stored = match (&request.url, &request.key, request.all) {
        (Some(url), None, false) => {
            let key = Key::parse(url).map_err(|expected| Problem::invalid("url", expected))?;
            Some(cdn.purge(&key, purge))
        }
        (None, Some(group), false) => {
            cdn.purge_group(group, purge).map_err(unnoted)?;
            None
        }
        (None, None, true) => {
            cdn.purge_all(purge).map_err(unnoted)?;
            None
        }
        _ => {
            let expected = "expected one of url, key and all";
            return Err(Problem::invalid("url", expected).into());
        }
    };
    cdn.figures.note_purge();
    tracing::info!(
        url = request.url,
        key = request.key,
        all = request.all,
        soft = request.soft,
        "purged"
    );
    Ok(Json(Purged { was_stored }))
}

/// It is done, but would be undone by a restart: whoever purged it should know.
fn unnoted(error: io::Error) -> Failure {
    Fault::internal(format!("a purge cannot be noted on disk: {error}")).into()
}
