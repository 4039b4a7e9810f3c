//! A TCP proxy that lets everything through until it cuts: every connection at once, and new ones
//! until it is mended.

use std::net::Ipv4Addr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Gone with its connections when dropped.
#[derive(Debug)]
pub struct Cut {
    port: u16,
    is_cut: watch::Sender<bool>,
}

impl Cut {
    /// In front of 127.0.0.1:`port`.
    pub async fn before(port: u16) -> Cut {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let (is_cut, watch) = watch::channel(false);
        tokio::spawn(accept(listener, port, watch));
        Cut { port: own, is_cut }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn accept(listener: TcpListener, to: u16, mut is_cut: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((from, _)) = accepted else { return };
                // Newcomers are closed at once while it is cut.
                if !*is_cut.borrow() {
                    tokio::spawn(carry(from, to, is_cut.clone()));
                }
            }
            changed = is_cut.changed() => if changed.is_err() { return },
        }
    }
}

async fn carry(mut from: TcpStream, to: u16, mut is_cut: watch::Receiver<bool>) {
    let Ok(mut to) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await else {
        return;
    };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut from, &mut to) => {}
        _ = is_cut.wait_for(|cut| *cut) => {}
    }
}
