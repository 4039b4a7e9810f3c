//! The door while the shop is being set up: it says how far it is, instead of refusing connections.

use std::sync::{Arc, RwLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use contract::Problem;
use http::header::{ACCEPT, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use metrics::gauge;
use runtime::{CountedAs, Failure};
use tokio::sync::SetOnce;

/// A figure: 1 once the door is open.
const OPEN_METRIC: &str = "shop_open";

/// How far the shop is. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Starting {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Set once: from then on the door is open.
    open: SetOnce<()>,
    news: RwLock<String>,
}

impl Starting {
    /// With its door closed.
    pub fn begin() -> Starting {
        gauge!(OPEN_METRIC).set(0.0);
        let inner = Arc::default();
        Starting { inner }
    }

    /// Says what goes on, e.g. `filling the catalogue: 40 %`.
    pub fn tell(&self, news: impl Into<String>) {
        let mut told = self
            .inner
            .news
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *told = news.into();
    }

    /// Opens the door, for good.
    pub fn open(&self) {
        let _ = self.inner.open.set(());
        gauge!(OPEN_METRIC).set(1.0);
    }

    pub fn is_open(&self) -> bool {
        self.inner.open.initialized()
    }

    /// Returns once the door is open.
    pub async fn opened(&self) {
        self.inner.open.wait().await;
    }

    /// Lets nobody through until the door is open.
    pub fn guard(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.clone(), pass))
    }

    fn news(&self) -> String {
        self.inner
            .news
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

async fn pass(State(starting): State<Starting>, request: Request, next: Next) -> Response {
    if starting.is_open() {
        return next.run(request).await;
    }
    let mut answer = if wants_page(request.headers()) {
        page(&starting.news())
    } else {
        problem(starting.news())
    };
    // A shop that is not there yet fails nobody: these are no errors of the pages that were asked for.
    answer.extensions_mut().insert(CountedAs("starting"));
    answer
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn problem(news: String) -> Response {
    let problem = Problem::new(503, "starting", "The shop is being set up").retry_after(1);
    Failure::from(problem.detail(news)).into_response()
}

/// Comes again by itself. No style sheet: what serves it is not up yet either.
fn page(news: &str) -> Response {
    // `news` is our own words: nothing to escape.
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"1\">\
         <title>Opening soon</title><h1>The shop is being set up</h1><p>{news}</p></html>"
    );
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(RETRY_AFTER, "1")],
        Html(page),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use runtime::LayerConfig;
    use tower::ServiceExt;

    use super::*;

    async fn status(router: &Router) -> StatusCode {
        let request = Request::get("/").body(Body::empty()).expect("a request");
        router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible")
            .status()
    }

    #[tokio::test]
    async fn nobody_comes_in_before_it_is_open() {
        let metrics = runtime::telemetry::metrics();
        let starting = Starting::begin();
        let router = starting.guard(Router::new().route("/", get(|| async { "come in" })));
        let router = runtime::layers::public(router, &LayerConfig::default());
        assert_eq!(status(&router).await, 503);
        assert!(metrics.render().contains("shop_open 0"));
        starting.open();
        assert_eq!(status(&router).await, 200);

        let figures = metrics.render();
        for line in [
            "shop_open 1",
            r#"_seconds_count{route="starting",method="GET",status="503"} 1"#,
            r#"_seconds_count{route="/",method="GET",status="200"} 1"#,
        ] {
            assert!(figures.contains(line), "{line} in {figures}");
        }
    }
}
