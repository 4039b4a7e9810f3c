//! Asking a process of ours on its admin port, from another process on the same box: what health checks
//! of containers run, and what people run in a box that has no other client.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::service::BoxError;

/// Shorter than a container's health check waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// No answer of an admin port is longer.
const MOST: u64 = 1 << 20;

/// The answer's body; as an error if it is not a good one.
///
/// By hand: a client for one request in a process that then ends would cost more than the answer.
pub async fn ask(
    admin: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> Result<String, BoxError> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, admin.port()));
    let exchange = async {
        let mut stream = TcpStream::connect(addr).await?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await;
    let answer = answer.map_err(|_| format!("{addr} does not answer"))?;
    let answer = answer.map_err(|error| format!("{addr}: {error}"))?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.starts_with("HTTP/1.1 2") {
        true => Ok(body.to_owned()),
        false => {
            let status = head.lines().next().unwrap_or_default();
            let told = body.trim_end();
            Err(if told.is_empty() { status } else { told }.into())
        }
    }
}
