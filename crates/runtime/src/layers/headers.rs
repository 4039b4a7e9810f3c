//! What every answer says about itself.

use std::time::Duration;

use contract::Ctx;
use contract::context::Hop;
use contract::remote::{REQUEST_ID_HEADER, SERVER_TIMING_HEADER};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, Entry, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::LayerConfig;

/// Unless the handler said something stricter or needed something else.
const SECURITY: [(HeaderName, HeaderValue); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // Not `no-referrer`: with it browsers send `Origin: null` even to ourselves.
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Of what programs are told nothing may be kept on the way: most of it is one person's, and the
/// address does not say whose. A handler that knows better says so.
const KEPT_BY_NOBODY: HeaderValue = HeaderValue::from_static("no-store");

pub(super) fn add(
    headers: &mut HeaderMap,
    is_api: bool,
    config: &LayerConfig,
    ctx: &Ctx,
    duration: Duration,
) {
    for (name, value) in SECURITY {
        headers.entry(name).or_insert(value);
    }
    if is_api {
        headers.entry(CACHE_CONTROL).or_insert(KEPT_BY_NOBODY);
    }
    if let Ok(id) = HeaderValue::from_str(ctx.request_id()) {
        headers.insert(REQUEST_ID_HEADER, id);
    }
    if let Ok(timing) = HeaderValue::try_from(server_timing(config, ctx, duration)) {
        headers.insert(SERVER_TIMING_HEADER, timing);
    }
    if config.http.behind_tls {
        secure_cookies(headers);
    }
}

/// This hop, then those behind it.
fn server_timing(config: &LayerConfig, ctx: &Ctx, duration: Duration) -> String {
    let own = Hop {
        metric: config.service.clone(),
        desc: config.instance.clone(),
        duration,
    };
    ctx.hops().iter().fold(own.to_header(), |mut timing, hop| {
        timing.push_str(", ");
        timing.push_str(&hop.to_header());
        timing
    })
}

fn secure_cookies(headers: &mut HeaderMap) {
    if let Entry::Occupied(mut cookies) = headers.entry(SET_COOKIE) {
        for cookie in cookies.iter_mut() {
            if let Ok(mut secure) = HeaderValue::try_from([cookie.as_bytes(), b"; Secure"].concat())
            {
                secure.set_sensitive(true);
                *cookie = secure;
            }
        }
    }
}
