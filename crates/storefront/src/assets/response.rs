//! The answer to a request for an asset: whole, in part, or "you have it".

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use contract::Fault;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use runtime::Failure;
use tower::ServiceExt;
use tower_http::services::ServeFile;

use super::Content;
use crate::Storefront;

const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// `GET /assets/{file}`, and HEAD, with ranges and validators.
pub(crate) async fn serve(
    State(storefront): State<Storefront>,
    Path(name): Path<String>,
    mut request: Request,
) -> Result<Response, Failure> {
    let Some(file) = storefront.assets.files.get(&name) else {
        return Ok((StatusCode::NOT_FOUND, "there is no such asset\n").into_response());
    };
    let mut response = if is_known(request.headers(), &file.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match &file.content {
            Content::Embedded(content) => embedded(&name, content),
            Content::OnDisk(path) => {
                keep_simple_range(request.headers_mut(), &file.etag);
                // Streams from disk: the hero alone is 4 MB.
                let served = ServeFile::new(path).oneshot(request).await;
                served.map_err(Fault::internal)?.map(Body::new)
            }
        }
    };
    let status = response.status();
    if !status.is_success() && status != StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    let headers = response.headers_mut();
    // Says when this box was built, which is nothing about the content.
    headers.remove(LAST_MODIFIED);
    headers.insert(ETAG, file.etag.clone());
    headers.insert(CACHE_CONTROL, FOR_EVER);
    Ok(response)
}

fn embedded(name: &str, content: &'static [u8]) -> Response {
    let content_type = match name.rsplit('.').next() {
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        _ => "image/svg+xml",
    };
    // Bytes and not the slice: it has a content type of its own.
    ([(CONTENT_TYPE, content_type)], Bytes::from_static(content)).into_response()
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
