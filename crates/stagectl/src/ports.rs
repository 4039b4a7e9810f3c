//! The ports of 127.0.0.1 on which a stage is published, each with its variable.

use anyhow::Context;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) front: u16,
    pub(crate) control: u16,
    pub(crate) prometheus: u16,
}

impl Ports {
    pub(crate) fn from_env() -> anyhow::Result<Ports> {
        Ok(Ports {
            front: port("FRONT_PORT", 8080)?,
            control: port("CONTROL_PORT", 8090)?,
            prometheus: port("PROMETHEUS_PORT", 9090)?,
        })
    }

    /// Others, for stages beside those that a user may be running.
    pub(crate) fn aside(self) -> Ports {
        let aside = |port: u16| port.wrapping_add(10_000);
        Ports {
            front: aside(self.front),
            control: aside(self.control),
            prometheus: aside(self.prometheus),
        }
    }

    /// As compose files read them.
    pub(crate) fn env(self) -> [(&'static str, String); 3] {
        [
            ("FRONT_PORT", self.front.to_string()),
            ("CONTROL_PORT", self.control.to_string()),
            ("PROMETHEUS_PORT", self.prometheus.to_string()),
        ]
    }
}

fn port(variable: &str, default: u16) -> anyhow::Result<u16> {
    let Ok(text) = std::env::var(variable) else {
        return Ok(default);
    };
    let port = text.parse().ok().filter(|port| *port > 0);
    port.with_context(|| format!("{variable}: expected a port from 1 to 65535, got {text:?}"))
}
