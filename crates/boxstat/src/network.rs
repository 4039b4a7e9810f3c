//! What came in and went out over the box's network devices, the loopback aside.

use std::io;
use std::path::Path;

use crate::source::Source;

#[derive(Debug)]
pub(crate) struct Network(Source);

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

impl Network {
    pub(crate) fn open(dev: &Path) -> io::Result<Network> {
        Source::open(dev.to_owned()).map(Network)
    }

    pub(crate) fn read(&self) -> io::Result<Reading> {
        self.0.read(parse)
    }
}

/// `proc_net_dev(5)`: two lines of headings, then `device: 8 figures received, 8 sent`.
fn parse(text: &str) -> Option<Reading> {
    let mut sum = Reading {
        received: 0,
        sent: 0,
    };
    for line in text.lines().skip(2) {
        let (device, figures) = line.split_once(':')?;
        if device.trim_start() == "lo" {
            continue;
        }
        let mut figures = figures.split_ascii_whitespace();
        sum.received += figures.next()?.parse::<u64>().ok()?;
        sum.sent += figures.nth(7)?.parse::<u64>().ok()?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_all_devices_but_the_loopback() {
        let text = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 9000 1 0 0 0 0 0 0 9000 1 0 0 0 0 0 0
  eth0:     100       1    0    0    0     0          0         0        20       1    0    0    0     0       0          0
  eth1:1000 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0
";
        let expected = Reading {
            received: 1100,
            sent: 220,
        };
        assert_eq!(parse(text), Some(expected));
    }

    #[test]
    fn reads_this_machine() {
        Network::open(Path::new("/proc/self/net/dev"))
            .and_then(|network| network.read())
            .unwrap();
    }
}
