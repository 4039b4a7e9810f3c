//! The loop: sends what is due, reads what has come.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::ensure;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::Timespec;

use crate::arrivals::Arrivals;
use crate::connection::{Connection, Progress};

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    /// Bytes of the body that each answer must have.
    pub(crate) body: usize,
    pub(crate) connections: usize,
    /// Requests a second; without it, as many as are answered.
    pub(crate) rate: Option<f64>,
    /// A new connection for each request.
    pub(crate) close: bool,
}

#[derive(Debug)]
pub(crate) struct Outcome {
    /// From when a request was due to when its answer was whole, one for each request. With a rate, a
    /// request that had to wait for a free connection has waited: a slow server is not asked less.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
}

#[derive(Debug)]
pub(crate) struct Generator {
    load: Load,
    request: Vec<u8>,
    epoll: OwnedFd,
    /// One for each request that there can be at once; empty before it is first used.
    slots: Vec<Option<Connection>>,
    /// Slots without a request, the last used last.
    idle: Vec<usize>,
    buffer: Vec<u8>,
}

impl Generator {
    pub(crate) fn new(load: Load) -> anyhow::Result<Generator> {
        // Timers are kept to 50 µs unless told: too coarse for thousands of requests a second.
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
        Ok(Generator {
            request: request(&load.path, load.close),
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            slots: (0..load.connections).map(|_| None).collect(),
            idle: (0..load.connections).rev().collect(),
            buffer: vec![0; 64 * 1024],
            load,
        })
    }

    /// Sends requests for this long and waits for their answers.
    pub(crate) fn run(&mut self, duration: Duration) -> anyhow::Result<Outcome> {
        let start = Instant::now();
        let end = start + duration;
        let mut arrivals = self.load.rate.map(|rate| Arrivals::new(rate, start));
        let mut waiting = VecDeque::new();
        let mut latencies = Vec::new();
        let mut events = Vec::with_capacity(self.slots.len());
        loop {
            let now = Instant::now();
            if let Some(arrivals) = &mut arrivals {
                waiting.extend(std::iter::from_fn(|| arrivals.take(now.min(end))));
            } else if now < end {
                waiting.resize(self.idle.len(), now);
            }
            while let Some(due) = waiting.front()
                && let Some(slot) = self.idle.pop()
            {
                self.send(slot, *due)?;
                waiting.pop_front();
            }
            let busy = self.idle.len() < self.slots.len();
            if now >= end && !busy && waiting.is_empty() {
                break;
            }
            ensure!(
                now < end + PATIENCE,
                "answers take longer than {PATIENCE:?}"
            );

            let wake = match &arrivals {
                Some(arrivals) if now < end => arrivals.next().min(end),
                _ => end + PATIENCE,
            };
            let timeout = wake.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(timeout)?;
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout))?;
            for event in events.drain(..) {
                let slot = usize::try_from(event.data.u64())?;
                latencies.extend(self.receive(slot)?);
            }
        }
        Ok(Outcome {
            latencies,
            elapsed: start.elapsed(),
        })
    }

    fn send(&mut self, slot: usize, due: Instant) -> anyhow::Result<()> {
        let connection = match &mut self.slots[slot] {
            Some(connection) => connection,
            empty => {
                let connection = Connection::open(self.load.address, due)?;
                let data = EventData::new_u64(slot.try_into()?);
                epoll::add(&self.epoll, &connection.stream, data, EventFlags::IN)?;
                empty.insert(connection)
            }
        };
        connection.send(&self.request, due)
    }

    /// The latency, once the answer is whole.
    fn receive(&mut self, slot: usize) -> anyhow::Result<Option<Duration>> {
        let Some(connection) = &mut self.slots[slot] else {
            return Ok(None);
        };
        let progress = connection.receive(self.load.body, &mut self.buffer)?;
        let latency = (progress == Progress::Whole).then(|| connection.due.elapsed());
        match progress {
            Progress::Whole if !self.load.close => self.idle.push(slot),
            // The server closes, as it was told to; that takes the connection from epoll, too.
            Progress::Closed => {
                ensure!(self.load.close, "a connection that should live was closed");
                self.slots[slot] = None;
                self.idle.push(slot);
            }
            _ => {}
        }
        Ok(latency)
    }
}

/// As a browser asks, shortened.
fn request(path: &str, close: bool) -> Vec<u8> {
    let connection = if close { "Connection: close\r\n" } else { "" };
    format!(
        "GET {path} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
         Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\n\
         Cookie: session=UGxlYXNlIGRvIG5vdCBsb29rIGluIGhlcmUhISEh\r\n{connection}\r\n"
    )
    .into_bytes()
}
