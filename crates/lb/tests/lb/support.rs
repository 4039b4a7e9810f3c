//! A balancer and what stands behind it.

use testkit::Process;
pub(crate) use testkit::raw::*;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_lb");

/// A balancer before these, ready. `more` is added to its configuration.
pub(crate) fn balancer(backends: &[&Backend], more: &str) -> Process {
    started(Process::start(BINARY, &configuration(backends, more)))
}

pub(crate) fn configuration(backends: &[&Backend], more: &str) -> String {
    let addresses: Vec<_> = backends
        .iter()
        .map(|b| format!("\"{}\"", b.address))
        .collect();
    format!(
        "upstreams.address = [{}]\nupstreams.slow_start = \"0s\"\n{more}\n",
        addresses.join(", ")
    )
}
