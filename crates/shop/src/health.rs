//! Whether the shop on this box is ready: what its container's health check runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Shorter than the health check's own patience.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks `/readyz` on the admin port. By hand: a client for one request in a process that then ends would
/// cost more than the answer.
pub async fn health(admin: SocketAddr) -> anyhow::Result<()> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, admin.port()));
    let ask = async {
        let mut stream = TcpStream::connect(addr).await?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, ask)
        .await
        .with_context(|| format!("{addr} does not answer"))?;
    let answer = answer.with_context(|| addr.to_string())?;
    ensure!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "not ready: {}",
        String::from_utf8_lossy(&answer)
    );
    Ok(())
}
