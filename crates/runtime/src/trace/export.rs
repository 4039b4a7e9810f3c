use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanExporter, SpanProcessor};

use crate::client::{Origin, client};
use crate::service::BoxError;

/// For a batch to be taken, and at the end for all that is left.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sends spans in batches, as OTLP over HTTP. Cheap to clone: one queue.
///
/// A request never waits for it: the queue is bounded (2,048 spans), and what does not fit is lost.
#[derive(Debug, Clone)]
pub struct Exporter(Arc<BatchSpanProcessor>);

impl Exporter {
    /// Sends to `<endpoint>/v1/traces` what this service's process does.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(endpoint: Origin, service: &str, instance: &str) -> Result<Exporter, BoxError> {
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(Sender {
                client: client(),
                tokio: tokio::runtime::Handle::current(),
                is_failing: AtomicBool::new(false),
            })
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", String::from(endpoint)))
            .build()?;
        let resource = Resource::builder_empty()
            .with_service_name(service.to_owned())
            .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
            .build();
        exporter.set_resource(&resource);
        let batches = BatchSpanProcessor::builder(exporter).build();
        Ok(Exporter(Arc::new(batches)))
    }

    pub(crate) fn record(&self, span: SpanData) {
        self.0.on_end(span);
    }

    /// Sends what is left, for 2 s at most.
    pub async fn stop(self) {
        let stop = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(PATIENCE));
        if !matches!(stop.await, Ok(Ok(()))) {
            tracing::warn!("some spans were not sent");
        }
    }
}

/// Our own pool of connections, for a thread that is not tokio's.
#[derive(Debug)]
struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    tokio: tokio::runtime::Handle,
    is_failing: AtomicBool,
}

/// The receiver's answers say no more than what it did not take.
const MAX_ANSWER_BYTES: usize = 64 << 10;

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let exchange = async move {
            let answer = client.request(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let exchange = async move { tokio::time::timeout(PATIENCE, exchange).await? };
        let answer = self.tokio.spawn(exchange).await;
        let answer = answer.map_err(HttpError::from).flatten();
        self.note(&answer);
        answer
    }
}

impl Sender {
    /// Logs when it begins to fail, and when it works again.
    fn note(&self, answer: &Result<Response<Bytes>, HttpError>) {
        let failure = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(answer.status().to_string()),
            Err(error) => Some(error.to_string()),
        };
        let was_failing = self.is_failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(error) if !was_failing => tracing::warn!(error, "spans are not taken, and lost"),
            None if was_failing => tracing::info!("spans are taken again"),
            _ => {}
        }
    }
}
