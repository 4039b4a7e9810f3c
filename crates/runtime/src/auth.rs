//! Who asks: a session's token from the cookie `session` or from `Authorization: Bearer`, looked up
//! through [`Users`]. When the session store is away nobody is let through.

use std::sync::Arc;

use axum::Extension;
use axum::extract::FromRequestParts;
use chrono::{DateTime, Utc};
use contract::users::{Identity, SessionToken};
use contract::{Fault, Problem, Users};
use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::extract::context;
use crate::failure::Failure;

/// The cookie that a session's token is in.
pub const COOKIE_NAME: &str = "session";

/// Lets the extractors of this module ask `users`; add it to the router with `.layer(..)`.
pub fn layer(users: Arc<dyn Users>) -> Extension<Arc<dyn Users>> {
    Extension(users)
}

/// The user who asks; 401 if there is none.
#[derive(Debug, Clone)]
pub struct AuthUser(pub Identity);

/// The member of staff who asks; 401 if nobody is logged in, 403 for other users.
#[derive(Debug, Clone)]
pub struct Staff(pub Identity);

/// The user who asks, if any.
#[derive(Debug, Clone)]
pub struct MaybeUser(pub Option<Identity>);

/// The token that came along, not looked up.
#[derive(Debug, Clone)]
pub struct Token(pub Option<SessionToken>);

impl<S: Sync> FromRequestParts<S> for AuthUser {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let identity = identify(parts).await?;
        identity.map(AuthUser).ok_or_else(|| {
            let problem = Problem::new(401, "not-logged-in", "Not logged in");
            problem.into()
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Staff {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let AuthUser(identity) = AuthUser::from_request_parts(parts, state).await?;
        if identity.staff {
            Ok(Staff(identity))
        } else {
            Err(Problem::new(403, "staff-only", "For staff only").into())
        }
    }
}

impl<S: Sync> FromRequestParts<S> for MaybeUser {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        identify(parts).await.map(MaybeUser)
    }
}

impl<S: Sync> FromRequestParts<S> for Token {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Ok(Token(token(&parts.headers)))
    }
}

async fn identify(parts: &Parts) -> Result<Option<Identity>, Failure> {
    let Some(token) = token(&parts.headers) else {
        return Ok(None);
    };
    let users = parts.extensions.get::<Arc<dyn Users>>();
    let users = users.ok_or_else(|| Fault::internal("this router lacks runtime::auth::layer"))?;
    Ok(users.authenticate(&context(parts)?, &token).await?)
}

/// A bearer token goes first: it was put there on purpose, a cookie comes along by itself.
fn token(headers: &HeaderMap) -> Option<SessionToken> {
    let token = bearer(headers).or_else(|| cookie(headers))?;
    Some(SessionToken::new(token))
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// The session cookie's value. HTTP/2 may split cookies over several headers.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(COOKIE).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value)
}

/// `Set-Cookie` for a new session. [`crate::layers`] adds `Secure` behind TLS.
///
/// # Panics
/// If the token has characters that no cookie can hold; ours are base64url.
pub fn session_cookie(token: &SessionToken, expires_at: DateTime<Utc>) -> HeaderValue {
    let expires = expires_at.format("%a, %d %b %Y %H:%M:%S GMT");
    let token = token.expose();
    let mut value = HeaderValue::try_from(format!(
        "{COOKIE_NAME}={token}; Path=/; HttpOnly; SameSite=Lax; Expires={expires}"
    ))
    .expect("session tokens are base64url");
    value.set_sensitive(true);
    value
}

/// `Set-Cookie` that ends the session in the browser.
pub fn expired_session_cookie() -> HeaderValue {
    HeaderValue::from_static("session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
}

#[cfg(test)]
mod tests;
