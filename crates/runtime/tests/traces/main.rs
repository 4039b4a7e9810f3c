//! A request through two services, as a receiver of OTLP hears of it: one of ours, which can refuse,
//! and one that others wrote. All over real sockets.

mod rotel;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::{get, post};
use bytes::Bytes;
use contract::Inventory;
use contract::remote::HttpInventory;
use contract::remote::calls::inventory::Categories;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode as Outcome};
use prost::Message;
use runtime::extract::Context;
use runtime::trace::Exporter;
use runtime::{Failure, HttpConfig, LayerConfig, Origin};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn a_request_through_two_services_is_one_trace() {
    let (receiver, spans) = receiver(StatusCode::OK).await;
    let shop = Shop::start(Some(receiver)).await;

    let (status, passed_on) = shop.ask("/", None).await;
    assert_eq!(status, StatusCode::OK);
    shop.stop().await;

    let [inventory, web] = told(spans).try_into().ok().expect("a span per service");
    assert_eq!((&*web.service, &*web.instance), ("web", "web-1"));
    assert_eq!(
        (&*inventory.service, &*inventory.instance),
        ("inventory", "inventory-1")
    );
    let (web, inventory) = (web.span, inventory.span);
    assert_eq!(web.name, "GET /");
    assert_eq!(inventory.name, "POST /internal/inventory/categories");
    assert_eq!(web.parent_span_id, b"", "the first hop has no parent");
    assert_eq!(inventory.trace_id, web.trace_id);
    assert_eq!(inventory.parent_span_id, web.span_id);
    assert_ne!(inventory.span_id, web.span_id);
    let sent = format!("00-{}-{}-01", hex(&web.trace_id), hex(&web.span_id));
    assert_eq!(passed_on, sent);
    assert!(web.start_time_unix_nano <= inventory.start_time_unix_nano);
    assert!(inventory.end_time_unix_nano <= web.end_time_unix_nano);
    for span in [&web, &inventory] {
        assert_eq!(span.kind, SpanKind::Server as i32);
        assert_eq!(span.status.as_ref().map_or(0, |status| status.code), 0);
    }
    let about = attributes(&web.attributes);
    let request_id = about["request.id"].clone();
    let expected = [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/"),
        ("request.id", &request_id),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(about, BTreeMap::from(expected));
    assert_eq!(attributes(&inventory.attributes)["request.id"], request_id);
}

#[tokio::test]
async fn a_collector_that_others_wrote_understands_the_spans() {
    let Some(rotel) = rotel::Rotel::start().await else {
        return;
    };
    let shop = Shop::start(Some(rotel.origin())).await;
    let sampled = format!("00-{TRACE}-{CALLER}-01");
    assert_eq!(shop.ask("/", Some(&sampled)).await.0, StatusCode::OK);
    shop.stop().await;

    let mut spans = rotel
        .spans(2, &["request.id", "http.response.status_code"])
        .await;
    spans.sort_by(|a, b| a["service.name"].cmp(&b["service.name"]));
    let [inventory, web] = spans.try_into().expect("a span per service");
    for (span, name, route) in [
        (&web, "web", "GET /"),
        (
            &inventory,
            "inventory",
            "POST /internal/inventory/categories",
        ),
    ] {
        assert_eq!(span["service.name"], format!("Str({name})"));
        assert_eq!(span["service.instance.id"], format!("Str({name}-1)"));
        assert_eq!(span["Trace ID"], TRACE);
        assert_eq!(span["Name"], route);
        assert_eq!(span["Kind"], "SPAN_KIND_SERVER");
        assert_eq!(span["http.response.status_code"], "Int(200)");
    }
    assert_eq!(web["Parent ID"], CALLER);
    assert_eq!(inventory["Parent ID"], web["ID"]);
    assert_eq!(inventory["request.id"], web["request.id"]);
}

#[tokio::test]
async fn a_trusted_callers_trace_is_carried_on_and_its_will_respected() {
    let (receiver, spans) = receiver(StatusCode::OK).await;
    let shop = Shop::start(Some(receiver)).await;
    let unsampled = format!("00-{TRACE}-{CALLER}-00");
    let (_, passed_on) = shop.ask("/", Some(&unsampled)).await;
    assert!(passed_on.starts_with(&format!("00-{TRACE}-")) && passed_on.ends_with("-00"));
    shop.ask("/broken", Some(&format!("00-{TRACE}-{CALLER}-01")))
        .await;
    shop.stop().await;

    let [broken] = told(spans).try_into().ok().expect("a span");
    let broken = broken.span;
    assert_eq!(broken.name, "GET /broken", "the first was not to be told");
    assert_eq!(hex(&broken.trace_id), TRACE);
    assert_eq!(hex(&broken.parent_span_id), CALLER);
    assert_eq!(broken.status.unwrap().code, Outcome::Error as i32);
}

#[tokio::test]
async fn without_an_endpoint_traces_are_passed_on_and_nothing_is_sent() {
    let shop = Shop::start(None).await;
    let (status, passed_on) = shop.ask("/", None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(passed_on.ends_with("-00"), "{passed_on}");
}

#[tokio::test]
async fn a_receiver_that_refuses_or_is_away_is_no_concern_of_the_request() {
    let (refusing, _spans) = receiver(StatusCode::SERVICE_UNAVAILABLE).await;
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let away = origin(&closed);
    drop(closed);
    for receiver in [refusing, away] {
        let shop = Shop::start(Some(receiver)).await;
        assert_eq!(shop.ask("/", None).await.0, StatusCode::OK);
        shop.stop().await;
    }
}

/// A web service, and the inventory that it asks.
struct Shop {
    web: String,
    exporters: Vec<Exporter>,
}

impl Shop {
    async fn start(receiver: Option<Origin>) -> Shop {
        let mut exporters = Vec::new();
        let mut config = |service: &str| {
            let instance = format!("{service}-1");
            let traces = receiver.clone().map(|receiver| {
                let exporter = Exporter::start(receiver, service, &instance).unwrap();
                exporters.push(exporter.clone());
                exporter
            });
            LayerConfig {
                instance,
                traces,
                ..LayerConfig::new(service, &trusting())
            }
        };
        let (for_web, for_inventory) = (config("web"), config("inventory"));

        let calls =
            runtime::rpc::serve(Router::new(), Arc::new(()), async |_, _, _: Categories| {
                Ok::<_, Failure>(Vec::new())
            });
        let inventory = serve(runtime::layers::public(calls, &for_inventory)).await;
        let inventory = HttpInventory::new(runtime::client(), String::from(inventory));
        let pages = Router::new()
            .route("/", get(page))
            .route("/broken", get(StatusCode::INTERNAL_SERVER_ERROR))
            .with_state(inventory);
        let web = serve(runtime::layers::public(pages, &for_web)).await;
        Shop {
            web: web.into(),
            exporters,
        }
    }

    /// The answer's status and body: the trace that was passed on.
    async fn ask(&self, path: &str, traceparent: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::get(format!("{}{path}", self.web));
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        let request = request.body(Full::default()).unwrap();
        let answer = runtime::client().request(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Sends all spans that are left.
    async fn stop(self) {
        for exporter in self.exporters {
            exporter.stop().await;
        }
    }
}

type Remote = HttpInventory<Client<HttpConnector, Full<Bytes>>>;

async fn page(State(inventory): State<Remote>, Context(ctx): Context) -> Result<String, Failure> {
    inventory.categories(&ctx).await?;
    Ok(ctx.traceparent().unwrap_or_default().to_owned())
}

fn trusting() -> HttpConfig {
    HttpConfig {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..HttpConfig::default()
    }
}

async fn serve(router: Router) -> Origin {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let origin = origin(&listener);
    tokio::spawn(async move {
        runtime::server::serve(listener, router, &trusting(), CancellationToken::new()).await;
    });
    origin
}

fn origin(listener: &TcpListener) -> Origin {
    let addr = listener.local_addr().unwrap();
    format!("http://{addr}").try_into().unwrap()
}

/// A span, and who told of it.
struct Told {
    service: String,
    instance: String,
    span: Span,
}

type Spans = mpsc::UnboundedReceiver<Told>;

/// The receiving half of OTLP over HTTP: protobuf, as its specification has it.
async fn receiver(answer: StatusCode) -> (Origin, Spans) {
    let (sender, spans) = mpsc::unbounded_channel();
    let receive = async move |headers: HeaderMap, body: Bytes| {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        let export = ExportTraceServiceRequest::decode(body).unwrap();
        for of_process in export.resource_spans {
            let process = attributes(&of_process.resource.unwrap().attributes);
            let of_scopes = of_process.scope_spans.into_iter();
            for span in of_scopes.flat_map(|scope| scope.spans) {
                let told = Told {
                    service: process["service.name"].clone(),
                    instance: process["service.instance.id"].clone(),
                    span,
                };
                let _ = sender.send(told);
            }
        }
        answer
    };
    let router = Router::new().route("/v1/traces", post(receive));
    (serve(router).await, spans)
}

/// What was told by the time that the shop has stopped, in the order of services.
fn told(mut spans: Spans) -> Vec<Told> {
    let mut told: Vec<Told> = std::iter::from_fn(|| spans.try_recv().ok()).collect();
    told.sort_by(|a, b| a.service.cmp(&b.service));
    told
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    };
    let named = |attribute: &KeyValue| Some((attribute.key.clone(), text(attribute)?));
    attributes.iter().filter_map(named).collect()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
