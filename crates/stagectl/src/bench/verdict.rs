//! Medians, ratios, and whether the targets are met.

use serde::Serialize;

use super::contest::{Case, Contender, Contest};
use super::figures::{Crowd, Figures, Measured, median};

/// Our p99 is no better than a peer's above 1, and a miss above this: at a rate, a stall of the machine
/// meets all requests that are due meanwhile, so that the median p99 of nginx or HAProxy differs by up
/// to 28 % from one bench to the next of four rounds. What is between cannot be told.
const NOISE_P99: f64 = 1.3;

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
    builds: &'static str,
    pub(super) holds: bool,
    cases: Vec<CaseVerdict>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    crowds: Vec<Crowd>,
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
    p99_is: Mark,
    noise_p99: f64,
    cpu_flat_out: f64,
    holds: bool,
}

/// What a ratio says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    Ok,
    /// Worse, by no more than figures differ from one bench to the next.
    Noise,
    Miss,
}

impl Mark {
    /// Good up to `most`, and no miss up to `noise`. NaN is a miss.
    fn of(ratio: f64, most: f64, noise: f64) -> Mark {
        if ratio <= most {
            Mark::Ok
        } else if ratio <= noise {
            Mark::Noise
        } else {
            Mark::Miss
        }
    }

    fn shown(self) -> &'static str {
        match self {
            Mark::Ok => "ok",
            Mark::Noise => "~",
            Mark::Miss => "MISS",
        }
    }
}

impl Verdict {
    pub(super) fn of(contest: &Contest, rows: Vec<Row<'_>>, crowds: Vec<Crowd>) -> Verdict {
        let each = contest.contenders().len();
        let cases: Vec<_> = rows.chunks(each).map(CaseVerdict::of).collect();
        let mut ratios = cases.iter().flat_map(|case| &case.ratios);
        Verdict {
            bench: contest.name,
            builds: contest.builds,
            holds: ratios.all(|ratios| ratios.holds) && meets_once(contest, &crowds),
            cases,
            crowds,
        }
    }

    pub(super) fn print(&self) {
        for case in &self.cases {
            case.print();
        }
        self.print_crowds();
        println!("{}", self.builds);
        println!("p99 ~: worse than the peer's, within noise; a miss above {NOISE_P99}");
    }
}

impl Verdict {
    fn print_crowds(&self) {
        if self.crowds.is_empty() {
            return;
        }
        println!("500 who miss at once, of an origin that takes 0.5 s");
        for crowd in &self.crowds {
            println!(
                "  {:<12} {:>4} at the origin, p50 {:.0} ms, p99 {:.0} ms",
                crowd.name, crowd.fetches, crowd.p50_ms, crowd.p99_ms
            );
        }
        println!();
    }
}

/// Whether ours asks the origin once for all who miss at once.
fn meets_once(contest: &Contest, crowds: &[Crowd]) -> bool {
    let mut ours = crowds
        .iter()
        .filter(|crowd| crowd.name == contest.ours.name);
    ours.all(|crowd| crowd.fetches == 1)
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
            ratios.print();
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
        let p99_is = Mark::of(p99, 1.0, NOISE_P99);
        Ratios {
            peer: peer.contender.name,
            cpu,
            most_cpu,
            p99,
            p99_is,
            noise_p99: NOISE_P99,
            cpu_flat_out: ours.ratio(peer, |measured| measured.flat_out.cpu_us()),
            holds: cpu <= most_cpu && p99_is != Mark::Miss,
        }
    }

    /// Each figure with a mark of its own, so that none hides behind another's.
    fn print(&self) {
        println!(
            "  to {:<8} CPU {:.2} {:<4} (at most {}), p99 {:.2} {:<4} (at most 1, {} with noise), CPU flat out {:.2}",
            self.peer,
            self.cpu,
            Mark::of(self.cpu, self.most_cpu, self.most_cpu).shown(),
            self.most_cpu,
            self.p99,
            self.p99_is.shown(),
            self.noise_p99,
            self.cpu_flat_out,
        );
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
        Verdict::of(&contest, rows, Vec::new()).holds
    }

    #[test]
    fn worse_within_noise_is_neither_good_nor_a_miss() {
        let p99 = |ratio| Mark::of(ratio, 1.0, NOISE_P99);
        assert_eq!(p99(1.0), Mark::Ok);
        assert_eq!(p99(1.01), Mark::Noise);
        assert_eq!(p99(1.3), Mark::Noise);
        assert_eq!(p99(1.31), Mark::Miss);
        assert_eq!(p99(f64::NAN), Mark::Miss);
    }

    #[test]
    fn each_target_must_be_met() {
        assert!(holds(0.79, 1.0));
        assert!(!holds(0.9, 1.0), "100 KB are asked to cost less");
        assert!(holds(0.79, 1.2), "within noise");
        assert!(!holds(0.79, 1.4), "p99 counts, too");
    }
}
