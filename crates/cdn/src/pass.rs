//! What goes by the cache: what is never stored, and what may change that which is.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_LOCATION, LOCATION};
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use hyper::body::Incoming;
use proxy::{AnswerBody, Journey, Refusal};

use crate::answer::told;
use crate::body::Body;
use crate::groups::{self, CACHE_GROUP_INVALIDATION, Purge};
use crate::key::Key;
use crate::outcome::{Forwarded, Outcome, Status};
use crate::serve::{Serve, Visit};

impl Serve {
    /// Just as it came, for the one who asks.
    pub(crate) async fn pass(
        &self,
        visit: &mut Visit,
        key: &Key,
        mut parts: Parts,
        incoming: Option<Incoming>,
        why: Forwarded,
    ) -> Result<Response<Body>, Refusal> {
        visit.outcome = Outcome::Pass;
        let (is_safe, is_head) = (parts.method.is_safe(), parts.method == Method::HEAD);
        visit.arrival.clean(&mut parts.headers, &visit.client);
        let journey = visit.journey.insert(Journey::anew(&visit.arrival));
        let answer = journey.travel(&self.worker, parts, incoming).await?;
        let status = answer.status();
        if !is_safe && (status.is_success() || status.is_redirection()) {
            self.invalidate(key, answer.headers());
        }
        Ok(self.passed(answer, why, is_head))
    }

    /// What a change that succeeded makes of what is stored (RFC 9111, 4.4; RFC 9875, 3).
    fn invalidate(&self, key: &Key, answer: &HeaderMap) {
        let named = [LOCATION, CONTENT_LOCATION].map(|field| key.relative(answer, field));
        for key in named.iter().flatten().chain([key]) {
            self.cdn.purge(key, Purge::Hard);
        }
        for group in groups::names(answer, &CACHE_GROUP_INVALIDATION) {
            let noted = self.cdn.purge_group_of(key.origin(), &group, Purge::Soft);
            if let Err(error) = noted {
                tracing::error!(%error, group, "a purge is forgotten with the next restart");
            }
        }
    }

    pub(crate) fn passed(
        &self,
        answer: Response<AnswerBody>,
        why: Forwarded,
        is_head: bool,
    ) -> Response<Body> {
        let status = Status {
            answered: Some(answer.status().as_u16()),
            ..Status::forwarded(why)
        };
        let answer = match is_head {
            // It may have been asked for as a whole.
            true => {
                let length = http_body::Body::size_hint(answer.body()).exact();
                let mut answer = answer.map(|_| Body::stored(Bytes::new()));
                if let Some(length) = length.filter(|length| *length > 0) {
                    answer.headers_mut().insert(CONTENT_LENGTH, length.into());
                }
                answer
            }
            false => answer.map(Body::from),
        };
        told(answer, status, &self.cdn.names.cache)
    }
}
