//! Answers from what is stored, or on its way.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, DATE, ETAG, EXPIRES,
    LAST_MODIFIED, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::body::Body;
use crate::clock::Millis;
use crate::filling::{Filling, Following};
use crate::head::{Head, Stored};
use crate::outcome::Status;
use crate::wants::{Portion, Wants};

/// What a 304 tells again (RFC 9110, 15.4.5), and what has a meaning only there.
const OF_NOT_MODIFIED: [HeaderName; 7] = [
    CACHE_CONTROL,
    CONTENT_LOCATION,
    DATE,
    ETAG,
    EXPIRES,
    LAST_MODIFIED,
    VARY,
];

impl Stored {
    pub(crate) fn answer(&self, wants: &Wants, now: Millis) -> Response<Body> {
        let length = Some(self.body.len() as u64);
        self.head.answer(wants, now, length, |skip, count| {
            let end = count.map_or(self.body.len(), |count| (skip + count) as usize);
            Body::stored(self.body.slice(skip as usize..end))
        })
    }
}

impl Filling {
    pub(crate) fn answer(self: &Arc<Self>, wants: &Wants, now: Millis) -> Response<Body> {
        self.head.answer(wants, now, self.length, |skip, count| {
            Body::following(Following::new(self.clone(), skip, count.or(self.length)))
        })
    }
}

impl Head {
    /// Seconds that it is good for.
    pub(crate) fn ttl(&self, now: Millis) -> i64 {
        i64::from(self.freshness.lifetime) - self.age(now) as i64
    }

    fn answer(
        &self,
        wants: &Wants,
        now: Millis,
        length: Option<u64>,
        body: impl FnOnce(u64, Option<u64>) -> Body,
    ) -> Response<Body> {
        let nothing = || Body::stored(Bytes::new());
        let mut answer = match wants.portion(self, length) {
            Portion::Whole if wants.is_head => {
                let mut answer = self.with(self.status, nothing());
                if let Some(length) = length {
                    answer.headers_mut().insert(CONTENT_LENGTH, length.into());
                }
                answer
            }
            Portion::Whole => self.with(self.status, body(0, None)),
            Portion::NotModified => {
                let mut answer = Response::new(nothing());
                *answer.status_mut() = StatusCode::NOT_MODIFIED;
                self.repeat(answer.headers_mut());
                answer
            }
            Portion::Part(first, count, of) => {
                let part = body(first, Some(count));
                let mut answer = self.with(StatusCode::PARTIAL_CONTENT, part);
                let range = format!("bytes {first}-{}/{of}", first + count - 1);
                set(answer.headers_mut(), CONTENT_RANGE, range);
                answer
            }
            Portion::Unsatisfiable(of) => {
                let mut answer = self.with(StatusCode::RANGE_NOT_SATISFIABLE, nothing());
                set(answer.headers_mut(), CONTENT_RANGE, format!("bytes */{of}"));
                answer
            }
        };
        answer.headers_mut().insert(AGE, self.age(now).into());
        answer
    }

    fn with(&self, status: StatusCode, body: Body) -> Response<Body> {
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        // Of our own there will be a few more.
        let headers = answer.headers_mut();
        headers.reserve(self.headers.len() + 4);
        headers.extend(self.headers.iter().map(|(n, v)| (n.clone(), v.clone())));
        answer
    }

    fn repeat(&self, headers: &mut HeaderMap) {
        for name in OF_NOT_MODIFIED {
            for value in self.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// Adds our line to an answer.
pub(crate) fn told<B>(mut answer: Response<B>, status: Status, name: &str) -> Response<B> {
    status.add_to(answer.headers_mut(), name);
    answer
}
