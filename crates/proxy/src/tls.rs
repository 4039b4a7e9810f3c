//! Certificates from files, which can be replaced while connections go on.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsConfig;

/// The certificate that new connections get.
#[derive(Debug)]
pub struct Certificate(ArcSwap<CertifiedKey>);

impl Certificate {
    /// Errors name the key of `[tls]` whose file will not do.
    pub fn load(config: &TlsConfig) -> Result<Arc<Certificate>, String> {
        Ok(Arc::new(Certificate(ArcSwap::from(read(config)?))))
    }

    /// Reads the files again. On an error the old certificate stays.
    pub fn reload(&self, config: &TlsConfig) -> Result<(), String> {
        self.0.store(read(config)?);
        Ok(())
    }

    pub(crate) fn acceptor(self: Arc<Certificate>) -> Result<TlsAcceptor, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self);
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(server)))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn read(config: &TlsConfig) -> Result<Arc<CertifiedKey>, String> {
    let TlsConfig {
        certificate, key, ..
    } = config;
    let in_certificate = |error: &dyn fmt::Display| {
        let path = certificate.display();
        format!("certificate: expected certificates in PEM in {path}: {error}")
    };
    let in_key = |error: &dyn fmt::Display| {
        let path = key.display();
        format!("key: expected a private key in PEM, not encrypted, in {path}: {error}")
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain: Vec<_> = chain.map_err(|error| in_certificate(&why(&error)))?;
    if chain.is_empty() {
        return Err(in_certificate(&why(&pem::Error::NoItemsFound)));
    }
    let pem = PrivateKeyDer::from_pem_file(key).map_err(|error| in_key(&why(&error)))?;
    let private = ring::default_provider().key_provider.load_private_key(pem);
    let certified = CertifiedKey::new(chain, private.map_err(|error| in_key(&error))?);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Arc::new(certified)),
        Err(Error::InconsistentKeys(_)) => Err(format!(
            "key: expected in {} the key of the first certificate in {}, got another one",
            key.display(),
            certificate.display()
        )),
        Err(error) => Err(in_certificate(&error)),
    }
}

/// In words of ours alone: the reader's own quote lines of the file, and so the key where its line
/// breaks got lost.
fn why(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "there is none".to_owned(),
        _ => "its lines are not those of PEM".to_owned(),
    }
}
