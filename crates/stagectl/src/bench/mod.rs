//! `./stage bench NAME`: ours beside its peers, in one run, before the same backends.
//!
//! In each round every case is served by every contender in turn, so that whatever else the machine does
//! meets all alike; who begins changes from round to round. Figures are medians over the rounds, ratios the medians of each round's ratio. Any
//! error ends the bench: a server that answers wrongly can be as fast as it likes.
//!
//! Start with [`contest`]: who is compared, in what, and by which targets.

mod arena;
mod contest;
mod figures;
mod verdict;

use clap::ValueEnum;

use crate::compose::Compose;
use crate::{console, images};
use arena::{Arena, FILE};
use contest::{Case, Contest};
use figures::{Crowd, Measured, Offer};
use verdict::{Row, Verdict};

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Name {
    /// The load balancer, beside nginx and HAProxy.
    Lb,
    /// The CDN, beside nginx and Varnish.
    Cdn,
}

/// False when a target is missed.
pub(crate) async fn run(
    compose: &Compose,
    name: Name,
    rounds: usize,
    as_json: bool,
) -> anyhow::Result<bool> {
    let contest = match name {
        Name::Lb => contest::lb(),
        Name::Cdn => contest::cdn(),
    };
    let compose = compose.bench();
    images::ensure(&compose, FILE, false).await?;
    // Left by a bench that was killed.
    compose.down_file(FILE, true).await?;
    let rows = tokio::select! {
        rows = compete(&compose, &contest, rounds) => rows,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    let stopped = compose.down_file(FILE, true).await;
    let (rows, crowds) = rows?;
    stopped?;

    let verdict = Verdict::of(&contest, rows, crowds);
    if as_json {
        println!("{}", serde_json::to_string(&verdict)?);
    } else {
        verdict.print();
    }
    Ok(verdict.holds)
}

async fn compete<'a>(
    compose: &Compose,
    contest: &'a Contest,
    rounds: usize,
) -> anyhow::Result<(Vec<Row<'a>>, Vec<Crowd>)> {
    let arena = Arena::open(compose, contest).await?;
    let contenders = contest.contenders();
    for contender in &contenders {
        arena.check(contender, contest).await?;
    }
    let mut rows = Vec::new();
    for case in contest.cases {
        let rate = pace(&arena, contest, case).await?;
        for &contender in &contenders {
            rows.push(Row::new(case, contender, rate));
        }
    }
    for round in 1..=rounds {
        console::step(&format!("round {round} of {rounds}"));
        for of_case in rows.chunks_mut(contenders.len()) {
            for place in turns(round, of_case.len()) {
                let row = &mut of_case[place];
                let paced = Offer::paced(row.case, row.rate);
                row.rounds.push(Measured {
                    paced: arena.load(row.contender, &paced).await?,
                    flat_out: arena
                        .load(row.contender, &Offer::flat_out(row.case))
                        .await?,
                });
            }
        }
    }
    let mut crowds = Vec::new();
    if let Some(rare) = &contest.rare {
        console::step(rare.name);
        for contender in &contenders {
            crowds.push(arena.crowd(contender, rare).await?);
        }
    }
    Ok((rows, crowds))
}

/// In which order so many contenders have their turns: another one begins in each round.
fn turns(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| (turn + round) % count)
}

/// Requests a second that are offered to everybody: half of what the first peer does on this machine,
/// so that nobody is saturated. In steps of 500.
async fn pace(arena: &Arena<'_>, contest: &Contest, case: &Case) -> anyhow::Result<f64> {
    let peer = arena
        .load(&contest.peers[0], &Offer::flat_out(case))
        .await?;
    Ok((peer.throughput / 2.0 / 500.0).round().max(1.0) * 500.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_begins_once() {
        let rounds: Vec<Vec<usize>> = (0..3).map(|round| turns(round, 3).collect()).collect();
        assert_eq!(rounds, [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
    }
}
