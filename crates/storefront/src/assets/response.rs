//! The answer to a request for an asset: whole, in part, or "you have it".

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use contract::Fault;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use runtime::Failure;
use tower::ServiceExt;
use tower_http::services::ServeFile;

use super::coding::Coding;
use super::file::Content;
use crate::Storefront;

const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// RFC 9875.
const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");

/// `GET /assets/{file}`, and HEAD, with codings, ranges and validators.
pub(crate) async fn serve(
    State(storefront): State<Storefront>,
    Path(name): Path<String>,
    mut request: Request,
) -> Result<Response, Failure> {
    let Some(file) = storefront.assets.files.get(&name) else {
        return Ok((StatusCode::NOT_FOUND, "there is no such asset\n").into_response());
    };
    let form = file.form(request.headers());
    let mut response = if is_known(request.headers(), &form.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match &form.content {
            // Bytes and not the slice: it has a content type of its own.
            Content::Embedded(content) => Bytes::from_static(content).into_response(),
            Content::OnDisk(path) => {
                keep_simple_range(request.headers_mut(), &form.etag);
                // Streams from disk: the hero alone is 4 MB.
                let served = ServeFile::new(path).oneshot(request).await;
                served.map_err(Fault::internal)?.map(Body::new)
            }
        }
    };
    let status = response.status();
    let headers = response.headers_mut();
    if file.varies() {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if !status.is_success() && status != StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    // Says when this box was built, which is nothing about the content.
    headers.remove(LAST_MODIFIED);
    headers.insert(ETAG, form.etag.clone());
    headers.insert(CACHE_CONTROL, FOR_EVER);
    headers.insert(CACHE_GROUPS, file.groups.clone());
    if status.is_success() {
        describe_body(headers, &name, form.coding);
    }
    Ok(response)
}

/// What the body is and how it is packed. The file service knows the type of pictures; by a name that
/// ends in `.br` it would not know that of text.
fn describe_body(headers: &mut HeaderMap, name: &str, coding: Coding) {
    let text = match name.rsplit('.').next() {
        Some("css") => Some("text/css"),
        Some("js") => Some("text/javascript"),
        Some("json") => Some("application/json"),
        Some("svg") => Some("image/svg+xml"),
        _ => None,
    };
    if let Some(content_type) = text {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if coding != Coding::Identity {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
}

/// `If-None-Match` (RFC 9110, 13.1.2): compares weakly, `*` matches whatever there is.
fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).into_iter();
    let mut tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    tags.any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag.as_bytes()
    })
}

/// Leaves of the conditions only those that the file service decides rightly: it knows files by their
/// age, we by their content. A range that is not to be served is served whole (RFC 9110, 14.2).
fn keep_simple_range(headers: &mut HeaderMap, etag: &HeaderValue) {
    let other_version = headers.get(IF_RANGE).is_some_and(|range| range != etag);
    let several = headers
        .get(RANGE)
        .is_some_and(|range| range.as_bytes().contains(&b','));
    if other_version || several {
        headers.remove(RANGE);
    }
    for condition in [
        IF_MATCH,
        IF_NONE_MATCH,
        IF_MODIFIED_SINCE,
        IF_UNMODIFIED_SINCE,
        IF_RANGE,
    ] {
        headers.remove(condition);
    }
}
