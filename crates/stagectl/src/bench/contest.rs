//! Who is compared, in what, and by which targets. The servers' configuration is in `loadtests/bench/`.

/// A server that takes part.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) port: u16,
    pub(super) command: &'static str,
}

/// What is asked of each server.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    /// Bytes of the body.
    pub(super) size: usize,
    pub(super) connections: usize,
    /// A new connection for each request.
    pub(super) close: bool,
    /// Our CPU time for a request, at most this part of each peer's.
    pub(super) most_cpu: f64,
}

#[derive(Debug)]
pub(super) struct Contest {
    pub(super) name: &'static str,
    pub(super) ours: Contender,
    pub(super) peers: [Contender; 2],
    pub(super) cases: &'static [Case],
    pub(super) backends: &'static str,
    /// How they are compiled, as a reader of figures should know.
    pub(super) builds: &'static str,
    pub(super) added: Added,
    /// What is asked for to see that: the second answer counts, as caches have it then.
    pub(super) probe: &'static str,
    /// Addresses of which nothing is stored, of an origin that takes its time, for many who ask at once.
    pub(super) rare: Option<Case>,
}

/// Headers that each server must add, so that all do the same work.
#[derive(Debug)]
pub(super) struct Added {
    /// To requests; the backends' `/headers` tells what came.
    pub(super) to_requests: &'static [&'static str],
    pub(super) to_answers: &'static [&'static str],
    /// The second answer has this in this header, in any case of letters.
    pub(super) told: Option<(&'static str, &'static str)>,
}

impl Contest {
    /// Ours last.
    pub(super) fn contenders(&self) -> Vec<&Contender> {
        self.peers.iter().chain([&self.ours]).collect()
    }
}

pub(super) fn lb() -> Contest {
    Contest {
        name: "lb",
        ours: Contender {
            name: "lb",
            port: 8003,
            command: "env APP_CONFIG_FILES=/etc/bench/lb/lb.toml lb",
        },
        peers: [
            Contender {
                name: "nginx",
                port: 8001,
                command: "nginx -e stderr -c /etc/bench/lb/nginx.conf",
            },
            Contender {
                name: "haproxy",
                port: 8002,
                command: "haproxy -db -f /etc/bench/lb/haproxy.cfg",
            },
        ],
        cases: &[
            Case {
                name: "1 KB, keep-alive",
                path: "/1k",
                size: 1024,
                connections: 32,
                close: false,
                most_cpu: 0.95,
            },
            Case {
                name: "100 KB, keep-alive",
                path: "/100k",
                size: 102_400,
                connections: 32,
                close: false,
                most_cpu: 0.8,
            },
            Case {
                name: "1 KB, a new connection a request",
                path: "/1k",
                size: 1024,
                connections: 32,
                close: true,
                most_cpu: 1.0,
            },
        ],
        backends: "nginx -e stderr -c /etc/bench/lb/backends.conf",
        builds: "lb is compiled by a profile (PGO) of requests like these; nginx and haproxy are Debian's",
        added: Added {
            to_requests: &[
                "x-forwarded-for",
                "x-forwarded-proto",
                "x-forwarded-host",
                "x-request-id",
                "traceparent",
            ],
            to_answers: &["x-request-id", "server-timing"],
            told: None,
        },
        probe: "/headers",
        rare: None,
    }
}

/// Hits, from memory all of them.
pub(super) fn cdn() -> Contest {
    Contest {
        name: "cdn",
        ours: Contender {
            name: "cdn",
            port: 8003,
            command: "env APP_CONFIG_FILES=/etc/bench/cdn/cdn.toml cdn",
        },
        peers: [
            Contender {
                name: "nginx",
                port: 8001,
                command: "nginx -e stderr -c /etc/bench/cdn/nginx.conf",
            },
            Contender {
                name: "varnish",
                port: 8002,
                command: "/etc/bench/cdn/varnish",
            },
        ],
        cases: &[
            Case {
                name: "a hit of 1 KB",
                path: "/1k",
                size: 1024,
                connections: 32,
                close: false,
                most_cpu: 0.8,
            },
            Case {
                name: "a hit of 100 KB",
                path: "/100k",
                size: 102_400,
                connections: 32,
                close: false,
                most_cpu: 0.8,
            },
        ],
        backends: "nginx -e stderr -c /etc/bench/cdn/origin.conf",
        builds: "cdn is compiled by a profile (PGO); nginx and varnish are Debian's",
        added: Added {
            to_requests: &[],
            to_answers: &["x-request-id", "server-timing", "vary", "etag"],
            told: Some(("cache-status", "hit")),
        },
        probe: "/1k",
        rare: Some(Case {
            name: "500 who miss at once",
            path: "/rare",
            size: 102_400,
            connections: 500,
            close: false,
            most_cpu: f64::INFINITY,
        }),
    }
}
