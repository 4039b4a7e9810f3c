//! Where a request stands in its trace (W3C Trace Context), and the way of spans to a receiver of
//! OTLP, where one is configured.
//!
//! The trees are made of one span per request and service: each service's is the child of its
//! caller's. Without an endpoint ids are passed on all the same, and nothing else is done.

mod context;
mod export;

pub use context::TraceContext;
pub use export::Exporter;
