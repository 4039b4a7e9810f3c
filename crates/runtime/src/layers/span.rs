//! The span of a request: what the receiver of traces is told of it.

use std::time::SystemTime;

use axum::extract::{MatchedPath, Request};
use http::StatusCode;
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, SpanId};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::record::method_label;
use crate::trace::{Exporter, TraceContext};

/// A server's span, with the names of OpenTelemetry's conventions for HTTP.
pub(super) struct ServerSpan {
    exporter: Exporter,
    data: SpanData,
}

impl ServerSpan {
    /// `None` where nobody is to hear of it.
    pub(super) fn begin(
        exporter: Option<&Exporter>,
        place: &TraceContext,
        request: &Request,
        request_id: &str,
    ) -> Option<ServerSpan> {
        let exporter = exporter.filter(|_| place.flags.is_sampled())?.clone();
        let method = method_label(request.method());
        let mut attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("request.id", request_id.to_owned()),
        ];
        let route = request.extensions().get::<MatchedPath>();
        let name = match route.map(MatchedPath::as_str) {
            Some(route) => {
                attributes.push(KeyValue::new("http.route", route.to_owned()));
                format!("{method} {route}").into()
            }
            None => method.into(),
        };
        let data = SpanData {
            span_context: SpanContext::new(
                place.trace,
                place.span,
                place.flags,
                false,
                TraceState::NONE,
            ),
            parent_span_id: place.parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: place.parent.is_some(),
            span_kind: SpanKind::Server,
            name,
            start_time: SystemTime::now(),
            end_time: SystemTime::UNIX_EPOCH,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder("stagecraft").build(),
        };
        Some(ServerSpan { exporter, data })
    }

    pub(super) fn end(mut self, status: StatusCode) {
        let code = KeyValue::new("http.response.status_code", i64::from(status.as_u16()));
        self.data.attributes.push(code);
        if status.is_server_error() {
            self.data.status = Status::error("");
        }
        self.data.end_time = SystemTime::now();
        self.exporter.record(self.data);
    }
}
