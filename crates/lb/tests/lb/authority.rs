//! Certificates for a balancer, and clients that believe in them.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::support::{connect_to, read_answer, status};

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// An authority, where it puts what it issues, and where the balancer is to listen.
pub(crate) struct Tls {
    authority: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
    pub(crate) listen: SocketAddr,
}

impl Tls {
    pub(crate) fn new() -> Tls {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let tls = Tls {
            authority: CertifiedIssuer::self_signed(params, key).expect("an authority"),
            folder: tempfile::tempdir().expect("a folder"),
            listen: testkit::free_address(),
        };
        tls.issue();
        tls
    }

    /// Puts a new certificate and its key in the place of those before.
    pub(crate) fn issue(&self) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["shop.test".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.authority);
        let certificate = certificate.expect("a certificate");
        self.put("certificate", &certificate.pem());
        self.put("key", &key.serialize_pem());
        (certificate.der().clone(), key)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.pem"))
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    pub(crate) fn section(&self) -> String {
        format!(
            "[tls]\nlisten = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
            self.listen,
            self.path("certificate").display(),
            self.path("key").display()
        )
    }

    /// A connection that trusts this authority alone and offers these protocols.
    pub(crate) fn connect(&self, protocols: &[&str]) -> Result<Stream, std::io::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).expect("a root");
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let client = client.with_safe_default_protocol_versions();
        let client = client.expect("TLS 1.2 and 1.3");
        let mut client = client.with_root_certificates(roots).with_no_client_auth();
        client.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        let name = "shop.test".try_into().expect("a name");
        let client = ClientConnection::new(Arc::new(client), name).expect("a client");
        let mut stream = StreamOwned::new(client, connect_to(self.listen));
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }

    /// The certificate that a new connection is shown.
    pub(crate) fn shown(&self) -> CertificateDer<'static> {
        let stream = self.connect(&[]).expect("a handshake");
        let chain = stream.conn.peer_certificates().expect("a certificate");
        chain[0].clone().into_owned()
    }
}

pub(crate) const KEPT: &[u8] = b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n";

/// Its answer's status, on a connection that stays.
pub(crate) fn ask_again(stream: &mut Stream) -> u16 {
    stream.write_all(KEPT).expect("it is read");
    status(&read_answer(stream))
}
