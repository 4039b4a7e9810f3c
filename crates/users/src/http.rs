use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{delete, get, post};
use contract::remote::calls::users as calls;
use contract::text::PersonName;
use contract::users::{Credentials, LoggedIn, NewUser, User};
use contract::{Problem, UserId, Users, UsersError};
use runtime::auth::{AuthUser, Token};
use runtime::extract::{ClientAddr, Context, Json};
use runtime::{Failure, expired_session_cookie, rpc, session_cookie};
use serde::Deserialize;
use tracing::warn;
use utoipa::{OpenApi, ToSchema};

type Shared = State<Arc<dyn Users>>;

/// The public API. Some of it asks who is there: `runtime::auth::layer` goes around it.
pub fn routes(users: Arc<dyn Users>) -> Router {
    Router::new()
        .route("/api/v1/users", post(register))
        .route("/api/v1/users/me", get(me).patch(change_me))
        .route("/api/v1/sessions", post(log_in).delete(log_out_everywhere))
        .route("/api/v1/sessions/current", delete(log_out))
        .with_state(users)
}

/// The description of [`routes`].
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(paths(register, me, change_me, log_in, log_out, log_out_everywhere))]
    struct Api;

    Api::openapi()
}

/// Opens an account.
#[utoipa::path(post, path = "/api/v1/users", request_body = NewUser, responses(
    (status = 201, body = User), (status = 409, body = Problem), (status = 422, body = Problem),
))]
async fn register(
    State(users): Shared,
    Context(ctx): Context,
    Json(new): Json<NewUser>,
) -> Result<(StatusCode, Json<User>), Failure> {
    let user = users.register(&ctx, UserId::new(), new).await?;
    Ok((StatusCode::CREATED, Json(user)))
}

/// The user who asks.
#[utoipa::path(get, path = "/api/v1/users/me",
    security(("token" = []), ("cookie" = [])), responses(
    (status = 200, body = User),
))]
async fn me(
    State(users): Shared,
    Context(ctx): Context,
    AuthUser(identity): AuthUser,
) -> Result<Json<User>, Failure> {
    let user = users.user(&ctx, identity.user_id).await?;
    Ok(Json(user.ok_or(UsersError::NoSuchUser)?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserChange {
    name: PersonName,
}

/// Changes the user who asks.
#[utoipa::path(patch, path = "/api/v1/users/me",
    security(("token" = []), ("cookie" = [])), request_body = UserChange, responses(
    (status = 200, body = User), (status = 422, body = Problem),
))]
async fn change_me(
    State(users): Shared,
    Context(ctx): Context,
    AuthUser(identity): AuthUser,
    Json(change): Json<UserChange>,
) -> Result<Json<User>, Failure> {
    let user = users.rename(&ctx, identity.user_id, change.name).await?;
    Ok(Json(user))
}

/// Logs in. The token goes into `Authorization: Bearer`; browsers get it as a cookie too. A session that
/// the client had before ends.
#[utoipa::path(post, path = "/api/v1/sessions", request_body = Credentials, responses(
    (status = 201, body = LoggedIn), (status = 401, body = Problem), (status = 429, body = Problem),
))]
async fn log_in(
    State(users): Shared,
    Context(ctx): Context,
    ClientAddr(client): ClientAddr,
    Token(before): Token,
    Json(credentials): Json<Credentials>,
) -> Result<impl IntoResponse, Failure> {
    let logged_in = users.log_in(&ctx, credentials, client).await?;
    if let Some(before) = before
        && let Err(error) = users.log_out(&ctx, &before).await
    {
        // He has his new one; the old one ends by itself.
        warn!(%error, "the session before a log-in goes on");
    }
    let cookie = session_cookie(&logged_in.token, logged_in.expires_at);
    let headers = AppendHeaders([(SET_COOKIE, cookie)]);
    Ok((StatusCode::CREATED, headers, Json(logged_in)))
}

/// Logs out. Who is not logged in has nothing to end, and that is fine.
#[utoipa::path(delete, path = "/api/v1/sessions/current",
    security((), ("token" = []), ("cookie" = [])),
    responses((status = 204)))]
async fn log_out(
    State(users): Shared,
    Context(ctx): Context,
    Token(token): Token,
) -> Result<impl IntoResponse, Failure> {
    if let Some(token) = token {
        users.log_out(&ctx, &token).await?;
    }
    let headers = AppendHeaders([(SET_COOKIE, expired_session_cookie())]);
    Ok((StatusCode::NO_CONTENT, headers))
}

/// Logs out everywhere: ends all sessions of the user who asks, this one too.
#[utoipa::path(delete, path = "/api/v1/sessions",
    security(("token" = []), ("cookie" = [])), responses(
    (status = 204),
))]
async fn log_out_everywhere(
    State(users): Shared,
    Context(ctx): Context,
    AuthUser(identity): AuthUser,
) -> Result<impl IntoResponse, Failure> {
    users.log_out_everywhere(&ctx, identity.user_id).await?;
    let headers = AppendHeaders([(SET_COOKIE, expired_session_cookie())]);
    Ok((StatusCode::NO_CONTENT, headers))
}

/// The other domains' way in, when this one runs by itself: [`contract::remote::HttpUsers`].
pub fn internal(users: Arc<dyn Users>) -> Router {
    let u = || users.clone();
    let r = Router::new();
    let r = rpc::serve(r, u(), |u, ctx, call: calls::Register| async move {
        u.register(&ctx, call.id, call.new).await
    });
    let r = rpc::serve(r, u(), |u, ctx, call: calls::LogIn| async move {
        u.log_in(&ctx, call.credentials, call.client).await
    });
    let r = rpc::serve(r, u(), |u, ctx, call: calls::LogOut| async move {
        u.log_out(&ctx, &call.token).await
    });
    let r = rpc::serve(r, u(), |u, ctx, call: calls::LogOutEverywhere| async move {
        u.log_out_everywhere(&ctx, call.id).await
    });
    let r = rpc::serve(r, u(), |u, ctx, call: calls::Authenticate| async move {
        u.authenticate(&ctx, &call.token).await
    });
    let r = rpc::serve(r, u(), |u, ctx, call: calls::GetUser| async move {
        u.user(&ctx, call.id).await
    });
    rpc::serve(r, u(), |u, ctx, call: calls::Rename| async move {
        u.rename(&ctx, call.id, call.name).await
    })
}
