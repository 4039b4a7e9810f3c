//! What happens to every request before and after its handler, in one place.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use contract::Ctx;

#[derive(Debug, Clone)]
pub struct LayerConfig {
    /// The name of this hop in `Server-Timing`: `web`, `users` ..
    pub service: String,
}

impl Default for LayerConfig {
    fn default() -> LayerConfig {
        LayerConfig {
            service: "web".to_owned(),
        }
    }
}

/// Puts the router behind context, limits and headers.
pub fn public(router: Router, _config: &LayerConfig) -> Router {
    router.layer(from_fn(
        async |mut request: Request, next: Next| -> Response {
            let ctx = Ctx::background("request", Duration::from_secs(10));
            request.extensions_mut().insert(ctx);
            next.run(request).await
        },
    ))
}
