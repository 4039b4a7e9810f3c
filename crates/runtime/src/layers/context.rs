//! What a request brings along, as far as it can be believed.

use std::time::Duration;

use contract::Ctx;
use contract::remote::{DEADLINE_HEADER, REQUEST_ID_HEADER, TRACEPARENT_HEADER};
use http::HeaderMap;
use uuid::Uuid;

use crate::trace::TraceContext;

/// The context and the place in its trace of a request that must be answered within `budget`, or sooner if its caller says so
/// and is believed. Of others nothing is taken over: they could pass as another request in our logs,
/// or have us start work that is bound to be given up.
pub(super) fn make(
    headers: &HeaderMap,
    believed: bool,
    budget: Duration,
    is_recorded: bool,
) -> (Ctx, TraceContext) {
    let text = |name| {
        let value = headers.get(name).filter(|_| believed)?;
        value.to_str().ok()
    };
    let fresh = Uuid::now_v7();
    let request_id = match text(REQUEST_ID_HEADER) {
        Some(id) if is_plausible_id(id) => id.to_owned(),
        _ => fresh.to_string(),
    };
    let place = text(TRACEPARENT_HEADER).and_then(|parent| TraceContext::carry_on(parent, fresh));
    let place = place.unwrap_or_else(|| TraceContext::begin(fresh, is_recorded));
    let asked = text(DEADLINE_HEADER).and_then(|ms| ms.parse().ok());
    let budget = asked.map_or(budget, |ms| budget.min(Duration::from_millis(ms)));
    let ctx = Ctx::new(request_id, Some(place.to_string()), budget);
    (ctx, place)
}

/// Whether this may be a request's id: short, and harmless in any log.
pub fn is_plausible_id(id: &str) -> bool {
    let is_safe = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=64).contains(&id.len()) && id.bytes().all(is_safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(headers: &[(&'static str, &str)]) -> Ctx {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        make(&headers, true, Duration::from_secs(10), false).0
    }

    #[test]
    fn a_plausible_request_id_is_kept_and_another_replaced() {
        assert_eq!(context(&[("x-request-id", "a-1")]).request_id(), "a-1");
        for bad in ["", "a b", "<script>", &"x".repeat(65)] {
            let id = context(&[("x-request-id", bad)]).request_id().to_owned();
            assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 7);
        }
    }

    #[test]
    fn a_trace_is_carried_on_with_a_span_of_our_own() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let theirs = format!("00-{trace}-00f067aa0ba902b7-01");
        let ctx = context(&[("traceparent", &theirs)]);
        let ours = ctx.traceparent().unwrap();
        assert!(ours.starts_with(&format!("00-{trace}-")) && ours.ends_with("-01"));
        assert_ne!(ours, theirs);
    }

    #[test]
    fn a_bad_trace_is_replaced() {
        let zeros = "0".repeat(32);
        for bad in [
            "x",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            &format!("00-{zeros}-00f067aa0ba902b7-01"),
        ] {
            let ctx = context(&[("traceparent", bad)]);
            let ours = ctx.traceparent().unwrap();
            assert!(TraceContext::carry_on(ours, Uuid::now_v7()).is_some());
            assert!(!ours.contains("4bf92f") && !ours.contains(&zeros), "{ours}");
        }
    }

    #[test]
    fn a_caller_may_shorten_the_deadline_but_not_lengthen_it() {
        let left = |ms| context(&[("x-deadline-ms", ms)]).remaining().unwrap();
        assert!(left("500") <= Duration::from_millis(500));
        for more in ["999999999", "-1", "soon"] {
            assert!(left(more) > Duration::from_secs(9) && left(more) <= Duration::from_secs(10));
        }
    }
}
