//! A whole service, from start to SIGTERM. Alone in its file: the signal goes to the whole process.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use contract::Ctx;
use contract::remote::HttpInventory;
use contract::{Inventory, InventoryError};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use runtime::server::Listen;
use runtime::{HttpConfig, Service, ShutdownConfig};
use tokio::sync::watch;

fn free_port() -> Listen {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    Listen(listener.local_addr().unwrap())
}

async fn ask(addr: SocketAddr, path: &str) -> Option<(StatusCode, String)> {
    let uri: Uri = format!("http://{addr}{path}").parse().unwrap();
    let request = Request::get(uri).body(Full::new(Bytes::new())).unwrap();
    let response = runtime::client().request(request).await.ok()?;
    let status = response.status();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some((status, String::from_utf8(body.to_vec()).unwrap()))
}

async fn until(addr: SocketAddr, path: &str, expected: StatusCode) {
    let ready = async {
        while ask(addr, path).await.map(|(status, _)| status) != Some(expected) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let ready = tokio::time::timeout(Duration::from_secs(10), ready).await;
    ready.unwrap_or_else(|_| panic!("{path} is not {expected}"));
}

#[tokio::test]
async fn a_signal_makes_a_service_unready_and_lets_it_finish() {
    let (listen, admin) = (free_port(), free_port());
    let http = HttpConfig {
        listen,
        admin,
        ..HttpConfig::default()
    };
    let shutdown = ShutdownConfig {
        grace: Duration::from_millis(500),
        ..ShutdownConfig::default()
    };
    // The handler says that it works, then waits to be told to answer.
    let (working, mut is_working) = watch::channel(false);
    let (go_on, may_go_on) = watch::channel(false);
    let work = async move || {
        working.send_replace(true);
        may_go_on.clone().wait_for(|go| *go).await.unwrap();
        "done"
    };
    let mut service = Service::start("web", &http, &shutdown).await.unwrap();
    until(admin.0, "/livez", StatusCode::OK).await;
    until(admin.0, "/readyz", StatusCode::SERVICE_UNAVAILABLE).await;
    let (job_ended, mut job_has_ended) = watch::channel(false);
    service.spawn("job", async move |stop| {
        stop.cancelled().await;
        job_ended.send_replace(true);
    });
    let router = Router::new().route("/work", get(work));
    let service = tokio::spawn(service.serve(router));
    until(admin.0, "/readyz", StatusCode::OK).await;

    let begun = tokio::spawn(ask(listen.0, "/work"));
    is_working.wait_for(|working| *working).await.unwrap();
    let pid = std::process::id().to_string();
    let kill = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(kill.unwrap().success());

    until(admin.0, "/readyz", StatusCode::SERVICE_UNAVAILABLE).await;
    let served = ask(listen.0, "/nothing").await.unwrap();
    assert_eq!(
        served.0,
        StatusCode::NOT_FOUND,
        "it serves while balancers look"
    );
    job_has_ended.wait_for(|ended| *ended).await.unwrap();
    go_on.send_replace(true);
    let (status, body) = begun.await.unwrap().unwrap();
    assert_eq!((status, body.as_str()), (StatusCode::OK, "done"));
    service.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_remote_domain_that_is_away_is_unavailable() {
    let Listen(nobody) = free_port();
    let inventory = HttpInventory::new(runtime::client(), format!("http://{nobody}"));
    let ctx = Ctx::background("test", Duration::from_secs(5));
    let error = inventory.categories(&ctx).await.unwrap_err();
    assert!(matches!(
        error,
        InventoryError::Fault(contract::Fault::Unavailable(_))
    ));
}
