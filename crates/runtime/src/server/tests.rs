//! What goes over the wire, byte by byte.

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::layers::{LayerConfig, public};

struct Running {
    addr: SocketAddr,
    drain: CancellationToken,
    server: JoinHandle<()>,
    /// Whether the handler of `/slow` is at work.
    slow_begun: watch::Receiver<bool>,
}

async fn echo(body: bytes::Bytes) -> bytes::Bytes {
    body
}

async fn start(config: HttpConfig) -> Running {
    let (begun, slow_begun) = watch::channel(false);
    let routes = Router::new()
        .route("/", get("hello"))
        .route("/large", get(async || vec![b'x'; 16 << 20]))
        .route(
            "/slow",
            get(async move || {
                begun.send_replace(true);
                tokio::time::sleep(Duration::from_millis(100)).await;
                "late"
            }),
        )
        .route("/echo", post(echo));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let drain = CancellationToken::new();
    let stop = drain.clone();
    let router = public(routes, &LayerConfig::new("web", &config));
    let server = tokio::spawn(async move { serve(listener, router, &config, stop).await });
    Running {
        addr,
        drain,
        server,
        slow_begun,
    }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Sends these bytes; all that comes back until the server closes.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        read_to_end(&mut stream).await
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is a close, too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut answer = String::new();
    while !answer.ends_with(end) {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        answer.push(byte[0].into());
    }
    answer
}

/// A client that has room for little and asks for much, of which the head has come.
async fn ask_for_much(server: &Running) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut stream = socket.connect(server.addr).await.unwrap();
    let request = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    read_until(&mut stream, "\r\n\r\n").await;
    stream
}

/// Small time-outs, so that tests can wait for them.
fn impatient() -> HttpConfig {
    HttpConfig {
        head_timeout: Duration::from_millis(200),
        body_timeout: Duration::from_millis(200),
        send_timeout: Duration::from_millis(500),
        idle_timeout: Duration::from_millis(1500),
        ..HttpConfig::default()
    }
}

#[tokio::test]
async fn ambiguous_requests_are_refused_and_the_connection_closed() {
    let server = start(HttpConfig::default()).await;
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz\r\nx\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
    ] {
        let answer = server.exchange(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?}: {answer}");
    }
}

#[tokio::test]
async fn a_refused_request_keeps_its_turn() {
    let server = start(HttpConfig::default()).await;
    let pipelined = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\n\r\n";
    let answer = server.exchange(pipelined.as_bytes()).await;
    let (first, second) = answer.split_once("late").unwrap();
    assert!(first.starts_with("HTTP/1.1 200 "), "{first}");
    assert!(second.starts_with("HTTP/1.1 400 "), "{second}");
}

#[tokio::test]
async fn too_much_is_refused() {
    let server = start(HttpConfig::default()).await;
    let fits = "x".repeat(15 << 10);
    let fits = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nA: {fits}\r\n\r\n");
    assert!(
        server
            .exchange(fits.as_bytes())
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    let head = "x".repeat(17 << 10);
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {head}\r\n\r\n");
    assert!(
        server
            .exchange(head.as_bytes())
            .await
            .starts_with("HTTP/1.1 431 ")
    );
    let body = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n";
    assert!(
        server
            .exchange(body.as_bytes())
            .await
            .starts_with("HTTP/1.1 413 ")
    );
}

#[tokio::test]
async fn plain_requests_are_served_one_after_the_other() {
    let server = start(HttpConfig::default()).await;
    let requests = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\
        POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab\
        POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ncd\r\n0\r\n\r\n\
        GET / HTTP/1.0\r\n\r\n";
    let answer = server.exchange(requests.as_bytes()).await;
    assert_eq!(answer.matches(" 200 OK\r\n").count(), 4, "{answer}");
    assert!(
        answer.contains("\r\n\r\nab") && answer.contains("\r\n\r\ncd"),
        "{answer}"
    );
}

#[tokio::test]
async fn http_2_is_spoken_without_tls() {
    let server = start(HttpConfig::default()).await;
    let client: hyper_util::client::legacy::Client<_, http_body_util::Empty<bytes::Bytes>> =
        hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .http2_only(true)
            .build_http();
    let uri = format!("http://{}/", server.addr).parse().unwrap();
    let response = client.get(uri).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (200, Version::HTTP_2)
    );
}

#[tokio::test]
async fn silence_and_drips_are_cut() {
    let server = start(impatient()).await;
    let http_2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = format!("{http_2}\0\0\0\x04\0\0\0\0\0");
    let frame = format!("{settings}\0\0\x09\x01\x04\0\0\0\x01abc");
    let begun = [
        "",
        "PRI * HT",
        http_2,
        &frame,
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "\r\n",
    ];
    let cut = begun.map(async |begun| {
        let answer = server.exchange(begun.as_bytes()).await;
        assert!(!answer.starts_with("HTTP/1.1"), "{begun:?}: {answer}");
    });
    let cut = futures::future::join_all(cut);
    let cut = tokio::time::timeout(Duration::from_secs(5), cut).await;
    assert!(cut.is_ok());
    let body = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab";
    let answer = server.exchange(body.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_connection_may_rest_between_requests_but_not_for_ever() {
    let server = start(impatient()).await;
    let mut stream = server.connect().await;
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for _ in 0..2 {
        stream.write_all(request).await.unwrap();
        read_until(&mut stream, "hello").await;
        // Longer than a head may take, shorter than a rest.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut() {
    let server = start(impatient()).await;
    let _stream = ask_for_much(&server).await;
    server.drain.cancel();
    // The server ends only after its last connection.
    server.server.await.unwrap();
}

#[tokio::test]
async fn a_client_that_reads_in_drips_is_cut() {
    // It does something now and then: it is never idle.
    let server = start(HttpConfig {
        send_timeout: Duration::from_millis(500),
        ..HttpConfig::default()
    })
    .await;
    let mut stream = ask_for_much(&server).await;
    server.drain.cancel();
    // 10 KB/s, where 32 are asked for. What is in its own buffer it may go on reading.
    let drips = tokio::spawn(async move {
        let mut drop = [0; 512];
        while stream.read(&mut drop).await.is_ok_and(|n| n > 0) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    // The server ends only after its last connection.
    let ended = tokio::time::timeout(Duration::from_secs(10), server.server).await;
    ended.expect("the client is cut").unwrap();
    drips.abort();
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_it_all() {
    let server = start(impatient()).await;
    let mut stream = ask_for_much(&server).await;
    let (mut left, mut part) = (16 << 20, vec![0; 256 << 10]);
    // 10 MB/s; for longer than either time-out.
    while left > 0 {
        left -= stream.read(&mut part).await.unwrap().min(left);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_thousand_drips_harm_nobody_and_end() {
    let config = HttpConfig {
        head_timeout: Duration::from_secs(2),
        ..HttpConfig::default()
    };
    let server = start(config).await;
    let began = Instant::now();
    let mut streams = Vec::new();
    for _ in 0..1000 {
        streams.push(server.connect().await);
    }
    let drips = streams.into_iter().map(async |mut stream| {
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n").await;
        while stream.write_all(b"A: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let drips = futures::future::join_all(drips);
    let others = async {
        loop {
            let began = Instant::now();
            let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            assert!(server.exchange(request).await.ends_with("hello"));
            assert!(began.elapsed() < Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        _ = drips => {}
        () = others => {}
    }
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn draining_finishes_what_has_begun_and_takes_nothing_new() {
    let mut server = start(HttpConfig::default()).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut idle, "hello").await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    server.slow_begun.wait_for(|begun| *begun).await.unwrap();
    server.drain.cancel();
    let answer = read_to_end(&mut busy).await;
    assert!(answer.ends_with("late"), "{answer}");
    assert_eq!(read_to_end(&mut idle).await, "");
    server.server.await.unwrap();
    assert!(TcpStream::connect(server.addr).await.is_err());
}
