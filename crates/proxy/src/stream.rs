//! A connection to an upstream; in tests one of a simulated network.

use std::io;
use std::net::SocketAddr;

#[cfg(not(test))]
pub(crate) type Stream = tokio::net::TcpStream;

#[cfg(not(test))]
pub(crate) async fn connect(address: SocketAddr) -> io::Result<Stream> {
    let stream = Stream::connect(address).await?;
    // Requests are written whole: waiting for more would only delay them.
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
pub(crate) type Stream = turmoil::net::TcpStream;

#[cfg(test)]
pub(crate) async fn connect(address: SocketAddr) -> io::Result<Stream> {
    Stream::connect(address).await
}
