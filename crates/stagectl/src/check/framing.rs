//! Requests that two readers could read differently, and those that are too large: sent as bytes, for
//! no client would make them.

use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Report;
use crate::compose::Compose;

pub(super) async fn check(report: &mut Report, compose: &Compose) {
    report
        .check(
            "what could be read in two ways is refused, and its connection closed",
            ambiguous(compose.ports().front),
        )
        .await;
}

const AMBIGUOUS: [(&str, &str); 8] = [
    ("no Host", "GET / HTTP/1.1\r\n\r\n"),
    ("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    (
        "Content-Length with Transfer-Encoding",
        "POST /api/v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "two Content-Lengths",
        "POST /api/v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    ),
    (
        "an unknown Transfer-Encoding",
        "POST /api/v1/sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    ("a bare LF", "GET / HTTP/1.1\nHost: a\n\n"),
    (
        "a bad chunk size",
        "POST /api/v1/sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x4\r\nabcd\r\n0\r\n\r\n",
    ),
    (
        "a space before the colon",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    ),
];

async fn ambiguous(port: u16) -> anyhow::Result<String> {
    for (what, bytes) in AMBIGUOUS {
        let status = status(port, bytes.as_bytes())
            .await
            .with_context(|| what.to_owned())?;
        ensure!(status == 400, "{what}: {status}");
    }
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n",
        "x".repeat(17 << 10)
    );
    let status = status(port, long.as_bytes()).await.context("a long head")?;
    ensure!(status == 431, "a head of 17 KiB: {status}");
    Ok(format!(
        "{} kinds of ambiguous requests (400), a head of 17 KiB (431)",
        AMBIGUOUS.len()
    ))
}

/// The status of what comes back, and an error when the connection stays open after it.
async fn status(port: u16, bytes: &[u8]) -> anyhow::Result<u16> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        // Whoever refuses what it has read may close before it has all.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        // A reset that follows the answer closes, too.
        let _ = stream.read_to_end(&mut answer).await;
        anyhow::Ok(answer)
    };
    let answer = tokio::time::timeout(Duration::from_secs(8), exchange)
        .await
        .context("the connection stays open")??;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    status.with_context(|| format!("no answer, but {answer:?}"))
}
