//! 10,000 updates while Redis and the worker come and go: does anybody read what was replaced?

use std::time::Duration;

use anyhow::ensure;

use super::field::Field;
use super::history::Verdict;
use super::psql::Psql;
use super::race::{LONGEST, PRODUCTS, Race, UPDATES, WRITERS};
use super::redis;
use super::report::Findings;
use super::series::Figures;

/// No older than this is what anybody may read.
const OLDEST: Duration = Duration::from_millis(100);
/// How long Redis is away.
const AWAY: Duration = Duration::from_secs(1);

/// What goes on meanwhile, each when such a part of the updates is done.
const FAULTS: [(f64, Fault); 7] = [
    (0.1, Fault::FreezeCache),
    (0.2, Fault::KillRedis),
    (0.35, Fault::FreezeRedis),
    (0.5, Fault::FreezeCache),
    (0.6, Fault::RestartWorker),
    (0.7, Fault::KillRedis),
    (0.85, Fault::FreezeCache),
];

#[derive(Debug, Clone, Copy)]
enum Fault {
    KillRedis,
    FreezeRedis,
    /// Only the Redis that has copies: sessions go on, so that much is changed which it does not hear of,
    /// and it wakes with what it had.
    FreezeCache,
    RestartWorker,
}

/// At least so many of the reads that are answered come from Redis: else little is shown. With 20 products
/// that change all the time, many find that theirs just did.
const FROM_REDIS: f64 = 20.0;

pub(super) async fn reads(field: &Field<'_>) -> anyhow::Result<Findings> {
    let skus = field.skus(PRODUCTS).await?;
    let race = Race::prepare(&field.compose.front_url(), skus).await?;
    let began = field.mark(format!("{WRITERS} writers and {PRODUCTS} readers begin"));
    let psql = Psql::open(field).await?;
    let (histories, seen) = race.run(psql, faults(field, &race)).await?;
    field.mark("the race is over");
    let lost = race.take_back(&histories).await?;

    let refused = race.refused.get();
    ensure!(
        refused > 0,
        "nothing was shown: no write was refused while Redis was away"
    );
    let from_memory = seen.iter().filter(|seen| seen.is_from_memory).count();
    let requests: Vec<_> = seen.iter().map(|seen| seen.request(began)).collect();
    let mut found = Findings {
        load: Figures::of(requests.iter()),
        ..Findings::default()
    };
    let answered = seen.iter().filter(|seen| seen.level.is_some()).count();
    let part = 100.0 * from_memory as f64 / answered as f64;
    found.at_least(
        "reads from Redis, part of those answered",
        FROM_REDIS,
        part,
        "%",
    );
    found.figure("times that a writer had to come back", refused as f64, "");
    let verdict = Verdict::of(&histories);
    let ages = &verdict.ages;
    let ms = |age: Option<&Duration>| age.map_or(0.0, |age| age.as_secs_f64() * 1e3);
    let p99 = ages.len().saturating_sub(1) * 99 / 100;
    found.figure("stale reads", ages.len() as f64, "");
    found.figure("age of a stale read, p99", ms(ages.get(p99)), "ms");
    found.figure("age of a stale read, most", ms(ages.last()), "ms");
    let updates = race.updates.get() as f64;
    found.at_least("updates", UPDATES as f64, updates, "");
    // However slow this machine is: the age counts from an acknowledgement to a question.
    let too_old = verdict.older_than(OLDEST) as f64;
    found.at_most("reads that are stale by more than 100 ms", 0.0, too_old, "");
    let impossible = verdict.impossible as f64;
    found.at_most("reads of what was never there", 0.0, impossible, "");
    found.at_most("acknowledged updates lost", 0.0, lost as f64, "");
    Ok(found)
}

async fn faults(field: &Field<'_>, race: &Race) -> anyhow::Result<()> {
    for (part, fault) in FAULTS {
        while (race.updates.get() as f64) < part * UPDATES as f64 {
            ensure!(
                !race.is_over.get(),
                "nothing was shown: {} updates were done in {} s, too few for all faults",
                race.updates.get(),
                LONGEST.as_secs()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        fault.happen(field).await?;
    }
    Ok(())
}

impl Fault {
    async fn happen(self, field: &Field<'_>) -> anyhow::Result<()> {
        match self {
            Fault::KillRedis => {
                field.kill(&[redis::BOX]).await?;
                tokio::time::sleep(AWAY).await;
                field.start(redis::BOX).await.map(drop)
            }
            Fault::FreezeRedis => {
                field.freeze(redis::BOX).await?;
                tokio::time::sleep(AWAY).await;
                field.thaw(redis::BOX).await.map(drop)
            }
            Fault::FreezeCache => redis::stop_cache(field, Duration::from_secs(1))
                .await
                .map(drop),
            Fault::RestartWorker => field.restart("worker").await.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_happen_one_after_the_other_and_before_the_end() {
        let parts = FAULTS.map(|(part, _)| part);
        assert!(parts.is_sorted() && parts.iter().all(|part| *part < 1.0));
    }
}
