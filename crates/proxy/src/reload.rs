//! Reading the configuration again while requests go on.

use std::fmt;
use std::sync::Arc;

use runtime::config::ConfigError;

use crate::config::ProxyConfig;
use crate::tls::Certificate;
use crate::worker::Shared;

/// A configuration that was read, and is not used yet.
pub struct Reading {
    proxy: ProxyConfig,
    own: Box<dyn FnOnce() + Send>,
}

impl Reading {
    pub fn new(proxy: ProxyConfig) -> Reading {
        Reading {
            proxy,
            own: Box::new(|| {}),
        }
    }

    /// What else is to be done once all of it has proved good.
    pub fn then(self, own: impl FnOnce() + Send + 'static) -> Reading {
        Reading {
            own: Box::new(own),
            ..self
        }
    }
}

/// Reads the configuration again. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reloader {
    shared: Arc<Shared>,
    certificate: Option<Arc<Certificate>>,
    read: Arc<dyn Fn() -> Result<Reading, ConfigError> + Send + Sync>,
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
}

impl Reloader {
    pub(crate) fn new(
        shared: Arc<Shared>,
        certificate: Option<Arc<Certificate>>,
        read: impl Fn() -> Result<Reading, ConfigError> + Send + Sync + 'static,
    ) -> Reloader {
        Reloader {
            shared,
            certificate,
            read: Arc::new(read),
        }
    }

    /// All or nothing: with a mistake in it the old configuration stays. Connections that are open keep
    /// their time-outs, and are trusted as a proxy's or not as they were; else, requests on them go by
    /// the new rules.
    pub(crate) fn reload(&self) -> Result<(), String> {
        let outcome = self.read();
        match &outcome {
            Ok(()) => tracing::info!("configuration reloaded"),
            Err(mistake) => {
                tracing::warn!(mistake, "configuration not reloaded: the old one stays")
            }
        }
        outcome
    }

    fn read(&self) -> Result<(), String> {
        let reading = (self.read)().map_err(|error| error.to_string())?;
        let config = reading.proxy;
        let now = self.shared.config.load();
        if config.needs_restart(&now) {
            return Err(
                "http.listen, http.admin, tls.listen, log: expected as they were, or a restart"
                    .to_owned(),
            );
        }
        if let (Some(certificate), Some(tls)) = (&self.certificate, &config.tls) {
            certificate
                .reload(tls)
                .map_err(|error| ConfigError::in_use("tls", error).to_string())?;
        }
        self.shared.access.set_sample(config.access_log.sample);
        self.shared.cluster.set_rules(config.rules());
        self.shared.config.store(Arc::new(config));
        (reading.own)();
        Ok(())
    }
}
