//! A Redis for one test: its keys have a prefix that nobody else has.

use cache::Redises;
use contract::NodeAddr;

/// Where the tests' Redis is, by `REDIS_URL`.
pub fn redis_addr() -> NodeAddr {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL, see CONTRIBUTING.md");
    let addr = url.strip_prefix("redis://").unwrap_or(&url);
    let addr = addr.trim_end_matches('/').parse();
    addr.expect("REDIS_URL: redis://host:port")
}

pub fn redis() -> Redises {
    Redises::apart(&redis_addr())
}
