//! `assets build --out DIR`: paints and hashes everything under `/assets/`.

use std::{
    io::{IsTerminal, stderr},
    path::PathBuf,
    time::Instant,
};

use assets::Progress;
use clap::Parser;

#[derive(Parser)]
#[command(version, about)]
enum Command {
    /// Build all assets and their manifest.
    Build {
        /// Folder to put in place; an earlier build in it is replaced.
        #[arg(long)]
        out: PathBuf,
        /// How many products to paint.
        #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
        products: u32,
        /// Folder of the static sources; it may be absent.
        #[arg(long, default_value = "crates/storefront/static")]
        source: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    let Command::Build {
        out,
        products,
        source,
    } = Command::parse();
    let started = Instant::now();
    let summary = assets::build(&source, &out, products, show_progress())?;
    eprintln!(
        "{}: {} assets, {:.1} MB, in {:.1} s",
        out.display(),
        summary.assets,
        summary.bytes as f64 / 1e6,
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

/// One line that counts on a terminal, a line per 500 pictures elsewhere.
fn show_progress() -> impl Fn(Progress) + Sync {
    let terminal = stderr().is_terminal();
    move |Progress { painted, of }| {
        let last = painted == of;
        if terminal {
            eprint!(
                "\rpainted {painted} of {of}{}",
                if last { "\n" } else { "" }
            );
        } else if last || painted % 500 == 0 {
            eprintln!("painted {painted} of {of}");
        }
    }
}
