//! Waiting for a signal or a moment, whichever is first.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::Signal;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

/// The signals of PID 1. Handlers write to a pipe, so no signal is lost between two waits; they do
/// not outlive an exec, so children start with the usual dispositions.
pub(crate) struct Signals(SignalDelivery<UnixStream, SignalOnly>);

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        let signals = [
            Signal::SIGCHLD,
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGHUP,
        ];
        let numbers = signals.map(|signal| signal as i32);
        SignalDelivery::with_pipe(read, write, SignalOnly, numbers).map(Self)
    }

    /// Signals that arrived since the last call; waits for the first at most `timeout` long, and
    /// may return early with none.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> Vec<Signal> {
        // A socket takes a timeout of zero for "for ever".
        let timeout = timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
        let pipe = self.0.get_read_mut();
        // Whether a byte came, the time was over or the read was interrupted: what counts is which
        // signals are pending now.
        let _ = pipe
            .set_read_timeout(timeout)
            .and_then(|()| pipe.read(&mut [0]));
        self.0
            .pending()
            .filter_map(|number| Signal::try_from(number).ok())
            .collect()
    }
}
