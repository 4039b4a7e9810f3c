//! Offers load to one HTTP server and says what came of it: latencies, and CPU time of the server.
//!
//! For `./stage bench`. One thread, no runtime, as it shares a core with the server's backends. Each
//! answer is checked; the first that is not a 200 of the expected size ends the run, as figures with
//! errors among them mean nothing. Never retries.
//!
//! Start with [`generator`].

mod arrivals;
mod connection;
mod cpu;
mod generator;
mod report;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::cpu::Server;
use crate::generator::{Generator, Load};
use crate::report::Report;

#[derive(Debug, Parser)]
struct Args {
    /// Where the server listens.
    address: SocketAddr,
    /// What to ask for.
    path: String,
    /// Bytes of the body that each answer must have.
    #[arg(long)]
    size: usize,
    /// How many requests there can be at once.
    #[arg(long)]
    connections: usize,
    /// Requests a second, whatever the server does; without it, the next as soon as one is answered.
    #[arg(long)]
    rate: Option<f64>,
    /// A new connection for each request.
    #[arg(long)]
    close: bool,
    /// Seconds of the same load before anything counts.
    #[arg(long)]
    warm_up: f64,
    #[arg(long)]
    seconds: f64,
    /// Holds the process id of the server whose CPU time counts, with its children's.
    #[arg(long)]
    pid_file: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let server = Server::from_pid_file(&args.pid_file)?;
    let mut generator = Generator::new(Load {
        address: args.address,
        path: args.path,
        body: args.size,
        connections: args.connections,
        rate: args.rate,
        close: args.close,
    })?;
    generator.run(Duration::from_secs_f64(args.warm_up))?;
    let before = server.cpu()?;
    let outcome = generator.run(Duration::from_secs_f64(args.seconds))?;
    let cpu = server.cpu()? - before;
    let report = Report::of(outcome, cpu)?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
