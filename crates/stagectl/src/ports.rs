//! The ports of 127.0.0.1 on which a stage is published, each with its variable.

use anyhow::{Context, bail};

use crate::{Missing, Misuse};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) front: u16,
    pub(crate) cdn: u16,
    pub(crate) control: u16,
    pub(crate) prometheus: u16,
}

impl Ports {
    pub(crate) fn from_env() -> anyhow::Result<Ports> {
        Ok(Ports {
            front: port("FRONT_PORT", 8080)?,
            cdn: port("CDN_PORT", 8085)?,
            control: port("CONTROL_PORT", 8090)?,
            prometheus: port("PROMETHEUS_PORT", 9090)?,
        })
    }

    /// Others that are free, for stages beside those that somebody may be running: 10,000 further up,
    /// or a thousand more. All below those that systems give to outgoing connections.
    pub(crate) fn aside(self) -> anyhow::Result<Ports> {
        let aside = (10..20).filter_map(|thousands| self.further(thousands * 1_000));
        let mut free = aside.filter(|ports| ports.each().into_iter().all(is_free));
        free.next()
            .with_context(|| format!("no free ports beside {self:?}"))
    }

    fn further(self, by: u16) -> Option<Ports> {
        Some(Ports {
            front: self.front.checked_add(by)?,
            cdn: self.cdn.checked_add(by)?,
            control: self.control.checked_add(by)?,
            prometheus: self.prometheus.checked_add(by)?,
        })
    }

    fn each(self) -> [u16; 4] {
        [self.front, self.cdn, self.control, self.prometheus]
    }

    /// Says which port another program holds, and how to choose another.
    pub(crate) fn refuse_taken(self) -> anyhow::Result<()> {
        for (variable, port) in self.env() {
            let taken = port.parse().is_ok_and(|port| !is_free(port));
            if taken {
                bail!(Missing(format!(
                    "port {port} is taken by another program: end it, or export {variable} with another port"
                )));
            }
        }
        Ok(())
    }

    /// As compose files read them.
    pub(crate) fn env(self) -> [(&'static str, String); 4] {
        [
            ("FRONT_PORT", self.front.to_string()),
            ("CDN_PORT", self.cdn.to_string()),
            ("CONTROL_PORT", self.control.to_string()),
            ("PROMETHEUS_PORT", self.prometheus.to_string()),
        ]
    }
}

/// `TEST_DB_PORT`, else a free one from 5434 on.
pub(crate) fn for_database() -> anyhow::Result<u16> {
    chosen_or_free("TEST_DB_PORT", 5434)
}

/// `TEST_REDIS_PORT`, else a free one from 6390 on.
pub(crate) fn for_redis() -> anyhow::Result<u16> {
    chosen_or_free("TEST_REDIS_PORT", 6390)
}

fn chosen_or_free(variable: &str, first: u16) -> anyhow::Result<u16> {
    if std::env::var_os(variable).is_some() {
        return port(variable, first);
    }
    let last = first + 19;
    let free = (first..=last).find(|port| is_free(*port));
    free.with_context(|| format!("{variable}: no port is free from {first} to {last}"))
}

fn is_free(port: u16) -> bool {
    std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn port(variable: &str, default: u16) -> anyhow::Result<u16> {
    let Ok(text) = std::env::var(variable) else {
        return Ok(default);
    };
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| {
        let expected = format!("{variable}: expected a port from 1 to 65535, got {text:?}");
        Misuse(expected).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_aside_are_never_those_that_are_taken() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("an address").port();
        let ports = Ports {
            front: port - 10_000,
            cdn: 21_003,
            control: 21_001,
            prometheus: 21_002,
        };
        let aside = ports.aside().expect("free ports");
        assert_ne!(aside.front, port);
        assert_eq!(aside.front - ports.front, aside.control - ports.control);
    }
}
