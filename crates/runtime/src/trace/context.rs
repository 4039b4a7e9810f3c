use std::fmt;

use opentelemetry::{SpanId, TraceFlags, TraceId};
use uuid::Uuid;

/// A request's place in its trace: a span of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    pub trace: TraceId,
    /// The caller's span, if there is one.
    pub parent: Option<SpanId>,
    pub span: SpanId,
    pub flags: TraceFlags,
}

impl TraceContext {
    /// The trace is this fresh id in hexadecimal: who knows one knows the other.
    pub fn begin(fresh: Uuid, is_recorded: bool) -> TraceContext {
        TraceContext {
            trace: TraceId::from_bytes(fresh.into_bytes()),
            parent: None,
            span: span_id(fresh),
            flags: TraceFlags::default().with_sampled(is_recorded),
        }
    }

    /// Carries on the trace of a `traceparent` (version 00, or a later one that begins alike).
    /// Whether it is recorded is for the one to say who began it.
    pub fn carry_on(traceparent: &str, fresh: Uuid) -> Option<TraceContext> {
        let mut parts = traceparent.split('-');
        let (version, trace, parent, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let fits = hex(version, 2).is_some_and(|version| version != 0xff)
            && (version != "00" || parts.next().is_none());
        let trace = hex(trace, 32).filter(|&trace| fits && trace != 0)?;
        let parent = hex(parent, 16).filter(|&parent| parent != 0)?;
        Some(TraceContext {
            trace: TraceId::from(trace),
            parent: Some(SpanId::from(parent as u64)),
            span: span_id(fresh),
            flags: TraceFlags::new(hex(flags, 2)? as u8),
        })
    }
}

/// The `traceparent` to pass on.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// The half that is random.
fn span_id(fresh: Uuid) -> SpanId {
    SpanId::from(fresh.as_u64_pair().1)
}

fn hex(part: &str, len: usize) -> Option<u128> {
    let is_hex = |b| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    (part.len() == len && part.bytes().all(is_hex))
        .then(|| u128::from_str_radix(part, 16).ok())
        .flatten()
}
