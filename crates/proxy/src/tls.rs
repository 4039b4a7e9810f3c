//! Certificates from files, which can be replaced while connections go on.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
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
    let expected = |key: &str, path: &Path, what: &str, error: &dyn std::fmt::Display| {
        format!("{key}: expected {what} in {}: {error}", path.display())
    };
    let in_certificate = |error: &dyn std::fmt::Display| {
        expected(
            "certificate",
            &config.certificate,
            "certificates in PEM",
            error,
        )
    };
    let in_key = |error: &dyn std::fmt::Display| {
        expected(
            "key",
            &config.key,
            "a private key in PEM that fits the certificate",
            error,
        )
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&config.certificate)
        .map_err(|error| in_certificate(&error))?
        .collect::<Result<_, _>>()
        .map_err(|error| in_certificate(&error))?;
    if chain.is_empty() {
        return Err(in_certificate(&"there is none"));
    }
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|error| in_key(&error))?;
    let certified = CertifiedKey::from_der(chain, key, &ring::default_provider());
    Ok(Arc::new(certified.map_err(|error| in_key(&error))?))
}
