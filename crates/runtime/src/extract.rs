//! Parts of a request, parsed strictly. What does not parse is a problem that names the field.

use std::net::{IpAddr, Ipv4Addr};

use axum::body::Bytes;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use contract::{Ctx, Fault, Problem};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::failure::Failure;
use crate::layers::refusal;

/// The context of this request, made by [`crate::layers`].
#[derive(Debug, Clone)]
pub struct Context(pub Ctx);

impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        context(parts).map(Context)
    }
}

pub(crate) fn context(parts: &Parts) -> Result<Ctx, Failure> {
    let ctx = parts.extensions.get::<Ctx>().cloned();
    ctx.ok_or_else(|| Fault::internal("this router lacks runtime::layers").into())
}

/// Who is at the other end, trusted proxies seen through. Requests made inside this process come
/// from loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

impl<S: Sync> FromRequestParts<S> for ClientAddr {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let addr = parts.extensions.get::<ClientAddr>().copied();
        Ok(addr.unwrap_or(ClientAddr(Ipv4Addr::LOCALHOST.into())))
    }
}

/// A JSON body, and a JSON answer. 415 without its content type, 400 where it is not JSON, 422 where
/// it says something else than expected.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if !has_type(request.headers(), |t| t == "application/json") {
            return Err(unsupported("application/json"));
        }
        let body = body(request, state).await?;
        let mut json = serde_json::Deserializer::from_slice(&body);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = field_name(error.path(), "body");
            bad_json(error.inner()).unwrap_or_else(|| {
                let detail = error.inner().to_string();
                // The place in the text says less than the field's name.
                let detail = detail.rsplit_once(" at line ").map_or(&*detail, |(d, _)| d);
                Problem::invalid(path, detail)
            })
        })?;
        if let Err(error) = json.end() {
            return Err(bad_json(&error).unwrap_or_else(malformed_json).into());
        }
        Ok(Json(value))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// A form as browsers post it. Empty fields count as absent: browsers send all of a form's fields.
#[derive(Debug, Clone)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let expected = "application/x-www-form-urlencoded";
        if !has_type(request.headers(), |t| t == expected) {
            return Err(unsupported(expected));
        }
        let body = body(request, state).await?;
        // Beyond ASCII everything is percent-encoded; what is not cannot be meant.
        let text = String::from_utf8_lossy(&body);
        let form = urlencoded(&text).map_err(|(field, detail)| Problem::invalid(field, detail))?;
        Ok(Form(form))
    }
}

/// The query string; 400 where it does not parse. Empty values count as absent.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let query = urlencoded(parts.uri.query().unwrap_or_default());
        let query = query.map_err(|(field, detail)| bad_request(field, detail))?;
        Ok(Query(query))
    }
}

/// Parameters of the path; 400 where they do not parse: no such thing can ever exist.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Path(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => {
                let (field, detail) = match error.into_kind() {
                    ErrorKind::DeserializeError { key, message, .. } => (key, message),
                    ErrorKind::ParseErrorAtKey {
                        key, expected_type, ..
                    } => (key, format!("expected {expected_type}")),
                    ErrorKind::InvalidUtf8InPathParam { key } => (key, "expected UTF-8".to_owned()),
                    kind => (only_parameter(parts, state).await, kind.to_string()),
                };
                Err(bad_request(field, detail).into())
            }
            Err(error) => Err(Fault::internal(error).into()),
        }
    }
}

/// The name of a path's only parameter: axum does not say which one it could not parse then.
async fn only_parameter<S: Send + Sync>(parts: &mut Parts, state: &S) -> String {
    match RawPathParams::from_request_parts(parts, state).await {
        Ok(params) => params.iter().map(|(name, _)| name).collect(),
        Err(_) => "path".to_owned(),
    }
}

async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Failure> {
    Bytes::from_request(request, state).await.map_err(|error| {
        let problem = match error.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => refusal::too_large(),
            _ => refusal::unreadable(),
        };
        problem.into()
    })
}

fn bad_request(field: impl Into<String>, detail: impl Into<String>) -> Problem {
    Problem::new(400, "bad-request", "The request does not parse").field(field, detail)
}

fn unsupported(expected: &str) -> Failure {
    Problem::new(415, "unsupported-media-type", "Unsupported media type")
        .detail(format!("expected {expected}"))
        .into()
}

/// A problem for what is not JSON at all; `None` for JSON that says the wrong thing.
fn bad_json(error: &serde_json::Error) -> Option<Problem> {
    match error.classify() {
        Category::Data => None,
        Category::Syntax | Category::Eof | Category::Io => {
            Some(malformed_json().detail(error.to_string()))
        }
    }
}

fn malformed_json() -> Problem {
    Problem::new(400, "bad-json", "The body is not JSON")
}

fn urlencoded<T: DeserializeOwned>(text: &str) -> Result<T, (String, String)> {
    let is_filled = |pair: &&str| {
        pair.split_once('=')
            .is_some_and(|(_, text)| !text.is_empty())
    };
    let filled: Vec<&str> = text.split('&').filter(is_filled).collect();
    let filled = filled.join("&");
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(filled.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let field = field_name(error.path(), "query");
        (field, error.into_inner().to_string())
    })
}

/// `lines[0].quantity`; `whole` where the whole does not fit.
fn field_name(path: &serde_path_to_error::Path, whole: &str) -> String {
    match path.to_string() {
        path if path == "." => whole.to_owned(),
        path => path,
    }
}

fn has_type(headers: &HeaderMap, expected: impl Fn(&str) -> bool) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let essence = value.and_then(|v| v.split(';').next());
    essence.is_some_and(|essence| expected(&essence.trim().to_ascii_lowercase()))
}

#[cfg(test)]
mod tests;
