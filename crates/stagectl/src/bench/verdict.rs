//! Medians, ratios, and whether the targets are met.

use serde::Serialize;

use super::contest::{Case, Contender, Contest};
use super::figures::{Figures, Measured, median};

/// Our p99 is no worse than a peer's if it is within this part of it: at a rate, a stall of the machine
/// meets all requests that are due meanwhile, so that the median p99 of nginx or HAProxy differs by up
/// to 28 % from one bench to the next of four rounds.
const MOST_P99: f64 = 1.3;

/// A contender in a case.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) case: &'a Case,
    pub(super) contender: &'a Contender,
    /// Requests a second that are offered.
    pub(super) rate: f64,
    pub(super) rounds: Vec<Measured>,
}

impl<'a> Row<'a> {
    pub(super) fn new(case: &'a Case, contender: &'a Contender, rate: f64) -> Row<'a> {
        Row {
            case,
            contender,
            rate,
            rounds: Vec::new(),
        }
    }

    fn median(&self, figure: impl Fn(&Measured) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }

    /// The median of each round's ratio to a peer.
    fn ratio(&self, peer: &Row<'_>, figure: impl Fn(&Measured) -> f64) -> f64 {
        let pairs = self.rounds.iter().zip(&peer.rounds);
        median(pairs.map(|(ours, theirs)| figure(ours) / figure(theirs)))
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    bench: &'static str,
    pub(super) holds: bool,
    cases: Vec<CaseVerdict>,
}

#[derive(Debug, Serialize)]
struct CaseVerdict {
    case: &'static str,
    /// Requests a second, in the paced part.
    rate: f64,
    contenders: Vec<Summary>,
    ratios: Vec<Ratios>,
}

/// Medians over the rounds.
#[derive(Debug, Serialize)]
struct Summary {
    name: &'static str,
    paced: Figures,
    flat_out: Figures,
}

/// Ours to a peer's.
#[derive(Debug, Serialize)]
struct Ratios {
    peer: &'static str,
    cpu: f64,
    most_cpu: f64,
    p99: f64,
    most_p99: f64,
    cpu_flat_out: f64,
    holds: bool,
}

impl Verdict {
    pub(super) fn of(contest: &Contest, rows: Vec<Row<'_>>) -> Verdict {
        let each = contest.contenders().len();
        let cases: Vec<_> = rows.chunks(each).map(CaseVerdict::of).collect();
        let mut ratios = cases.iter().flat_map(|case| &case.ratios);
        Verdict {
            bench: contest.name,
            holds: ratios.all(|ratios| ratios.holds),
            cases,
        }
    }

    pub(super) fn print(&self) {
        for case in &self.cases {
            case.print();
        }
    }
}

impl CaseVerdict {
    /// Of the rows of one case, ours last.
    fn of(rows: &[Row<'_>]) -> CaseVerdict {
        let [peers @ .., ours] = rows else {
            unreachable!("a contest has contenders")
        };
        CaseVerdict {
            case: ours.case.name,
            rate: ours.rate,
            contenders: rows.iter().map(Summary::of).collect(),
            ratios: peers.iter().map(|peer| Ratios::of(ours, peer)).collect(),
        }
    }

    fn print(&self) {
        println!(
            "{}; {} requests a second, then flat out",
            self.case, self.rate
        );
        println!(
            "  {:<12} {:>8} {:>16} {:>8} {:>8}  |{:>8} {:>16} {:>8} {:>8} {:>6}",
            "",
            "CPU us",
            "user + system",
            "p50 us",
            "p99 us",
            "CPU us",
            "user + system",
            "req/s",
            "p99 us",
            "cores"
        );
        for Summary {
            name,
            paced,
            flat_out,
        } in &self.contenders
        {
            let split =
                |figures: &Figures| format!("{:.1} + {:.1}", figures.user_us, figures.system_us);
            println!(
                "  {name:<12} {:>8.1} {:>16} {:>8.0} {:>8.0}  |{:>8.1} {:>16} {:>8.0} {:>8.0} {:>6.2}",
                paced.cpu_us(),
                split(paced),
                paced.p50_us,
                paced.p99_us,
                flat_out.cpu_us(),
                split(flat_out),
                flat_out.throughput,
                flat_out.p99_us,
                flat_out.cores,
            );
        }
        for ratios in &self.ratios {
            let verdict = if ratios.holds { "ok  " } else { "MISS" };
            println!(
                "{verdict}  to {}: CPU {:.2} (at most {}), p99 {:.2} (at most {}), CPU flat out {:.2}",
                ratios.peer,
                ratios.cpu,
                ratios.most_cpu,
                ratios.p99,
                ratios.most_p99,
                ratios.cpu_flat_out,
            );
        }
        println!();
    }
}

impl Summary {
    fn of(row: &Row<'_>) -> Summary {
        let medians = |of: fn(&Measured) -> &Figures| Figures {
            throughput: row.median(|m| of(m).throughput),
            p50_us: row.median(|m| of(m).p50_us),
            p99_us: row.median(|m| of(m).p99_us),
            user_us: row.median(|m| of(m).user_us),
            system_us: row.median(|m| of(m).system_us),
            cores: row.median(|m| of(m).cores),
        };
        Summary {
            name: row.contender.name,
            paced: medians(|measured| &measured.paced),
            flat_out: medians(|measured| &measured.flat_out),
        }
    }
}

impl Ratios {
    fn of(ours: &Row<'_>, peer: &Row<'_>) -> Ratios {
        let cpu = ours.ratio(peer, |measured| measured.paced.cpu_us());
        let p99 = ours.ratio(peer, |measured| measured.paced.p99_us);
        let most_cpu = ours.case.most_cpu;
        Ratios {
            peer: peer.contender.name,
            cpu,
            most_cpu,
            p99,
            most_p99: MOST_P99,
            cpu_flat_out: ours.ratio(peer, |measured| measured.flat_out.cpu_us()),
            holds: cpu <= most_cpu && p99 <= MOST_P99,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::contest;
    use super::*;

    /// Two rounds in which everybody's figures are a peer's, and ours these parts of it.
    fn holds(cpu: f64, p99: f64) -> bool {
        let contest = contest::lb();
        let figures = |cpu, p99| Figures {
            throughput: 1.0,
            p50_us: 1.0,
            p99_us: 1000.0 * p99,
            user_us: 4.0 * cpu,
            system_us: 8.0 * cpu,
            cores: 1.0,
        };
        let mut rows = Vec::new();
        for case in contest.cases {
            for contender in contest.contenders() {
                let is_ours = contender.name == contest.ours.name;
                let (cpu, p99) = if is_ours { (cpu, p99) } else { (1.0, 1.0) };
                let mut row = Row::new(case, contender, 500.0);
                row.rounds.extend((0..2).map(|_| Measured {
                    paced: figures(cpu, p99),
                    flat_out: figures(cpu, p99),
                }));
                rows.push(row);
            }
        }
        Verdict::of(&contest, rows).holds
    }

    #[test]
    fn each_target_must_be_met() {
        assert!(holds(0.79, 1.0));
        assert!(!holds(0.9, 1.0), "100 KB are asked to cost less");
        assert!(!holds(0.79, 1.4), "p99 counts, too");
    }
}
