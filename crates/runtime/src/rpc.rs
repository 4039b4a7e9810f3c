//! The callee's side of [`contract::remote`]: a call becomes a route.

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use contract::Ctx;
use contract::remote::Call;

use crate::extract::{Context, Json};
use crate::failure::Failure;

/// Adds `POST C::PATH`, answered by `answer`; `C` is the type of its last parameter:
///
/// ```
/// # use std::sync::Arc;
/// # use contract::{Users, remote::calls::users::GetUser};
/// # fn routes(users: Arc<dyn Users>) -> axum::Router {
/// runtime::rpc::serve(axum::Router::new(), users, |users, ctx, call: GetUser| async move {
///     users.user(&ctx, call.id).await
/// })
/// # }
/// ```
pub fn serve<C, S, F, A, E>(router: Router, service: Arc<S>, answer: F) -> Router
where
    C: Call + 'static,
    S: ?Sized + Send + Sync + 'static,
    F: Fn(Arc<S>, Ctx, C) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<C::Answer, E>> + Send,
    E: Into<Failure>,
{
    let handler = async move |Context(ctx): Context, Json(call): Json<C>| {
        let answer = answer(service.clone(), ctx, call).await;
        answer.map(Json).map_err(Into::<Failure>::into)
    };
    router.route(C::PATH, post(handler))
}
