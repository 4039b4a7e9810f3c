//! What a box knows of itself: how much of its caps it uses, and what it is called.
//!
//! Owns: reading the box's control group (v1 and v2) and its network devices, finding the box's
//! name, and writing figures down as Prometheus reads them. Never does: look at other boxes, keep a
//! history or run a timer. A figure is read when somebody asks, and costs nothing otherwise.
//!
//! Start reading at [`BoxStat`].

mod cgroup;
mod exposition;
mod name;
mod network;
mod source;

use std::io;
use std::path::Path;

pub use exposition::{Exposition, Kind};
pub use name::{name, name_of};

use cgroup::Cgroup;
use network::Network;

/// The figures of the box this process runs in.
#[derive(Debug)]
pub struct BoxStat {
    cgroup: Cgroup,
    network: Network,
}

impl BoxStat {
    /// The figures of this box if this process speaks for it, which PID 1 does and no other: so a
    /// box with several of our processes is counted once, and a developer's machine not at all.
    ///
    /// Errors when the control group is not where containers have it.
    pub fn as_pid_1() -> io::Result<Option<BoxStat>> {
        if std::process::id() != 1 {
            return Ok(None);
        }
        Ok(Some(BoxStat {
            cgroup: Cgroup::open(Path::new("/sys/fs/cgroup"))?,
            network: Network::open(Path::new("/proc/self/net/dev"))?,
        }))
    }

    /// Reads all figures anew and writes them, each with the label `box`. On an error nothing was
    /// written.
    pub fn write(&self, out: &mut Exposition) -> io::Result<()> {
        let box_name = &[("box", name())][..];
        let cgroup = self.cgroup.read()?;
        let network = self.network.read()?;
        let mut figure = |kind, name, value| out.family(kind, name).sample(box_name, value);
        figure(
            Kind::Counter,
            "box_cpu_seconds_total",
            cgroup.cpu.as_secs_f64(),
        );
        figure(
            Kind::Counter,
            "box_cpu_throttled_seconds_total",
            cgroup.throttled.as_secs_f64(),
        );
        figure(Kind::Gauge, "box_cpu_limit_cores", cgroup.cpu_limit);
        figure(Kind::Gauge, "box_memory_bytes", cgroup.memory as f64);
        if let Some(limit) = cgroup.memory_limit {
            figure(Kind::Gauge, "box_memory_limit_bytes", limit as f64);
        }
        let mut bytes = out.family(Kind::Counter, "box_network_bytes_total");
        for (direction, value) in [("receive", network.received), ("transmit", network.sent)] {
            bytes.sample(&[("box", name()), ("direction", direction)], value as f64);
        }
        Ok(())
    }
}
