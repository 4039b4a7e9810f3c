//! What happens to every request before and after its handler, in one place and in this order:
//! its context, refusals that need no handler, its body, a slot to work in, the handler, its headers.
//!
//! One middleware rather than a stack of them: the order is what matters, and here it can be read.

mod context;
mod forwarded;
mod headers;
mod record;
pub(crate) mod refusal;
mod span;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use contract::{Ctx, Fault};
use futures::FutureExt;
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument;

pub use context::is_plausible_id;
pub use forwarded::{Network, client_behind, holds};
pub use record::CountedAs;

use record::Record;
use span::ServerSpan;

use crate::extract::ClientAddr;
use crate::failure::Failure;
use crate::faults::Faults;
use crate::server::HttpConfig;
use crate::trace::Exporter;

/// Larger bodies get a 413.
const MAX_BODY_BYTES: usize = 1 << 20;

/// All bodies together: an eighth of a small box. Beyond it requests get a 503.
const MAX_BODY_MEMORY: usize = 64 << 20;

#[derive(Debug, Clone)]
pub struct LayerConfig {
    /// The name of this hop in `Server-Timing`: `web`, `users` ..
    pub service: String,
    /// Which of the service's processes this is.
    pub instance: String,
    pub http: HttpConfig,
    /// Where the spans of requests go, if anywhere.
    pub traces: Option<Exporter>,
    /// What is to go wrong on purpose, where that is allowed.
    pub faults: Option<Faults>,
}

impl LayerConfig {
    pub fn new(service: impl Into<String>, http: &HttpConfig) -> LayerConfig {
        LayerConfig {
            service: service.into(),
            instance: boxstat::name().to_owned(),
            http: http.clone(),
            traces: None,
            faults: None,
        }
    }
}

impl Default for LayerConfig {
    fn default() -> LayerConfig {
        LayerConfig::new("web", &HttpConfig::default())
    }
}

struct Layers {
    config: LayerConfig,
    slots: Semaphore,
    /// Bytes of bodies that may yet be taken in.
    body_memory: Semaphore,
}

/// Puts a router, its fallback included, behind all of this. For services inside the network, too.
pub fn public(router: Router, config: &LayerConfig) -> Router {
    let layers = Arc::new(Layers {
        config: config.clone(),
        slots: Semaphore::new(config.http.max_in_flight),
        body_memory: Semaphore::new(MAX_BODY_MEMORY),
    });
    router
        // The body is bounded here, and once is enough.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(layers, handle))
}

async fn handle(State(layers): State<Arc<Layers>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let config = &layers.config;
    let believed = forwarded::is_believed(&request, &config.http.trusted_proxies);
    let (ctx, place) = context::make(
        request.headers(),
        believed,
        config.http.request_timeout,
        config.traces.is_some(),
    );
    let client = forwarded::client(&request, &config.http.trusted_proxies);
    request.extensions_mut().insert(ctx.clone());
    request.extensions_mut().insert(ClientAddr(client));
    let record = Record::of(&request, client, started);
    let traced = ServerSpan::begin(config.traces.as_ref(), &place, &request, ctx.request_id());
    let is_api = refusal::is_api(&request);

    let span = tracing::info_span!("request", request.id = ctx.request_id());
    let answer = async {
        let answer = layers.answer(&ctx, request, next).await;
        let response = answer.unwrap_or_else(IntoResponse::into_response);
        let response = refusal::unrouted(response, is_api);
        record.finish(&response);
        if let Some(traced) = traced {
            traced.end(response.status());
        }
        response
    };
    let mut response = answer.instrument(span).await;
    headers::add(
        response.headers_mut(),
        is_api,
        config,
        &ctx,
        started.elapsed(),
    );
    response
}

impl Layers {
    async fn answer(&self, ctx: &Ctx, request: Request, next: Next) -> Result<Response, Failure> {
        refusal::check_origin(&request)?;
        // Whoever waits for a slow client's body holds no slot.
        let (request, _memory) = self.read_body(request).await?;
        let _slot = self
            .slots
            .try_acquire()
            .map_err(|_| refusal::overloaded())?;
        let handler = AssertUnwindSafe(next.run(request)).catch_unwind();
        let handler = async {
            if let Some(faults) = &self.config.faults {
                faults.strike().await?;
            }
            Ok(handler.await)
        };
        match tokio::time::timeout(ctx.remaining()?, handler).await {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(_))) => Err(refusal::panicked().into()),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Fault::DeadlineExceeded.into()),
        }
    }

    /// The request with all of its body at hand, and the memory that this takes.
    async fn read_body(&self, request: Request) -> Result<(Request, Memory<'_>), Failure> {
        if request.body().is_end_stream() {
            return Ok((request, None));
        }
        if request.body().size_hint().lower() > MAX_BODY_BYTES as u64 {
            return Err(refusal::too_large().into());
        }
        let (head, body) = request.into_parts();
        let body = tokio::time::timeout(self.config.http.body_timeout, self.take_in(body)).await;
        let (body, memory) = body.map_err(|_| refusal::too_slow())??;
        Ok((Request::from_parts(head, Body::from(body)), memory))
    }

    async fn take_in(&self, mut body: Body) -> Result<(Bytes, Memory<'_>), Failure> {
        let mut bytes = BytesMut::new();
        let mut memory: Memory<'_> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| refusal::unreadable())?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if bytes.len() + data.len() > MAX_BODY_BYTES {
                return Err(refusal::too_large().into());
            }
            let more = self.body_memory.try_acquire_many(data.len() as u32);
            let more = more.map_err(|_| refusal::overloaded())?;
            match &mut memory {
                None => memory = Some(more),
                Some(memory) => memory.merge(more),
            }
            bytes.extend_from_slice(&data);
        }
        Ok((bytes.freeze(), memory))
    }
}

/// Given back when the request is answered.
type Memory<'a> = Option<SemaphorePermit<'a>>;

#[cfg(test)]
mod tests;
