//! One line per event, on standard error, between the lines of the processes themselves.

use std::fmt::Arguments;
use std::io::Write;

/// Writes one line. A reader of the log that went away must not end PID 1, so failures are dropped.
pub(crate) fn log(event: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "boxd: {event}");
}
