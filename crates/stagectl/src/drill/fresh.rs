//! Writers and readers race on the same products while Redis and the worker come and go: does anybody
//! read what was replaced?
//!
//! Each product has one writer, who adds one to its stock and then one more, so a level tells which write
//! made it. Readers ask for the products all the time, through the same front door. What they saw is judged
//! by [`History`].

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures::future::try_join_all;
use reqwest::Method;
use serde_json::json;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::field::Field;
use super::history::{History, Read, Verdict, Write};
use super::redis;
use super::report::Findings;
use super::series::{Figures, Request};
use crate::shopper::{Answer, Shopper};

const PRODUCTS: usize = 20;
const WRITERS: usize = 5;
const UPDATES: usize = 10_000;
/// Three times what so many take a database of a quarter of a core.
const LONGEST: Duration = Duration::from_secs(300);
/// How often each product is read: 400 reads a second in all.
const EVERY: Duration = Duration::from_millis(50);
/// Who is told to come back does so.
const AGAIN: Duration = Duration::from_millis(50);
/// No older than this is what anybody may read.
const OLDEST: Duration = Duration::from_millis(100);
/// How long Redis is away.
const AWAY: Duration = Duration::from_secs(1);

/// What goes on meanwhile, each when such a part of the updates is done.
const FAULTS: [(f64, Fault); 5] = [
    (0.15, Fault::KillRedis),
    (0.3, Fault::FreezeRedis),
    (0.45, Fault::KillRedis),
    (0.6, Fault::RestartWorker),
    (0.75, Fault::KillRedis),
];

#[derive(Debug, Clone, Copy)]
enum Fault {
    KillRedis,
    FreezeRedis,
    RestartWorker,
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
            Fault::RestartWorker => field.restart("worker").await.map(drop),
        }
    }
}

/// All that runs at once shares it, and runs as one task.
struct Race {
    started: Instant,
    staff: Shopper,
    guest: Shopper,
    updates: Cell<usize>,
    /// Times that a writer was told to come back, or got no answer.
    refused: Cell<usize>,
    is_over: Cell<bool>,
}

/// A product, and its level before the race.
struct Shelf {
    sku: String,
    level: i64,
}

/// One answer to a reader.
struct Seen {
    asked: Duration,
    answered: Duration,
    /// 0 without an answer.
    status: u16,
    level: Option<i64>,
    is_from_memory: bool,
}

pub(super) async fn reads(field: &Field<'_>) -> anyhow::Result<Findings> {
    let shop = field.compose.front_url();
    let skus = field.skus(PRODUCTS).await?;
    let staff = Shopper::logged_in(&shop, "staff@example.test").await?;
    let guest = Shopper::guest(&shop)?;
    let mut shelves = Vec::new();
    for sku in skus {
        let level = guest.available(&sku).await?;
        shelves.push(Shelf { sku, level });
    }
    let began = field.mark(format!("{WRITERS} writers and {PRODUCTS} readers begin"));
    let race = Race {
        started: Instant::now(),
        staff,
        guest,
        updates: Cell::new(0),
        refused: Cell::new(0),
        is_over: Cell::new(false),
    };
    let of_writers = shelves.chunks(PRODUCTS / WRITERS);
    let writers = of_writers.map(|own| race.write(own));
    let writers = async {
        let written = try_join_all(writers).await;
        race.is_over.set(true);
        written
    };
    let readers = shelves.iter().enumerate().map(|(n, shelf)| {
        // Not all at once.
        race.read(&shelf.sku, EVERY.mul_f64(n as f64 / PRODUCTS as f64))
    });
    let (written, seen, ()) = tokio::try_join!(writers, try_join_all(readers), race.faults(field))?;
    field.mark("the race is over");
    let written = written.into_iter().flatten();
    let histories = shelves.iter().zip(written).zip(&seen);
    let histories = histories.map(|((shelf, writes), seen)| History {
        first: shelf.level,
        writes,
        reads: seen.iter().filter_map(Seen::read).collect(),
    });
    let histories: Vec<_> = histories.collect();
    let lost = race.take_back(&shelves, &histories).await?;
    let seen: Vec<Seen> = seen.into_iter().flatten().collect();
    race.judge(&seen, &histories, lost, began)
}

impl Race {
    /// Adds one to each of these in turn, and again, until there are enough updates. What was written,
    /// product by product.
    async fn write(&self, own: &[Shelf]) -> anyhow::Result<Vec<Vec<Write>>> {
        let mut written = vec![Vec::new(); own.len()];
        for n in (0..own.len()).cycle() {
            if self.updates.get() >= UPDATES || self.started.elapsed() > LONGEST {
                break;
            }
            let Shelf { sku, level } = &own[n];
            let write = self.add_one(sku, level + written[n].len() as i64).await?;
            written[n].push(write);
            if write.acknowledged.is_none() {
                break;
            }
            self.updates.set(self.updates.get() + 1);
        }
        Ok(written)
    }

    /// Asks until it is answered, under one key: an answer may be lost of what was done.
    async fn add_one(&self, sku: &str, level: i64) -> anyhow::Result<Write> {
        let key = Uuid::now_v7().to_string();
        let asked = self.started.elapsed();
        loop {
            match self.restock(sku, 1, &key).await {
                Ok(answer) if answer.status == 200 => {
                    let now = answer.json()?["available"].as_i64();
                    ensure!(
                        now == Some(level + 1),
                        "somebody else changed {sku}: expected {}, got {now:?}",
                        level + 1
                    );
                    let acknowledged = Some(self.started.elapsed());
                    return Ok(Write {
                        asked,
                        acknowledged,
                    });
                }
                Ok(answer) if answer.status.is_server_error() => {}
                Ok(answer) => bail!("a restock was answered {}: {}", answer.status, answer.text),
                Err(_) => {}
            }
            self.refused.set(self.refused.get() + 1);
            if self.started.elapsed() > LONGEST {
                return Ok(Write {
                    asked,
                    acknowledged: None,
                });
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn restock(&self, sku: &str, delta: i64, key: &str) -> anyhow::Result<Answer> {
        let path = format!("/api/v1/products/{sku}/stock");
        let request = self.staff.request(Method::POST, &path);
        let request = request.header("idempotency-key", key);
        Answer::of(request.json(&json!({ "delta": delta }))).await
    }

    async fn read(&self, sku: &str, after: Duration) -> anyhow::Result<Vec<Seen>> {
        let path = format!("/products/{sku}");
        let mut turns = tokio::time::interval_at((Instant::now() + after).into(), EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = Vec::new();
        while !self.is_over.get() {
            turns.tick().await;
            let asked = self.started.elapsed();
            let answer = self.guest.get(&path).await;
            let answered = self.started.elapsed();
            seen.push(match answer {
                Ok(answer) => Seen {
                    asked,
                    answered,
                    status: answer.status.as_u16(),
                    level: level(&answer)?,
                    is_from_memory: is_from_memory(answer.header("server-timing")),
                },
                Err(_) => Seen {
                    asked,
                    answered,
                    status: 0,
                    level: None,
                    is_from_memory: false,
                },
            });
        }
        Ok(seen)
    }

    async fn faults(&self, field: &Field<'_>) -> anyhow::Result<()> {
        for (part, fault) in FAULTS {
            while (self.updates.get() as f64) < part * UPDATES as f64 {
                ensure!(
                    !self.is_over.get(),
                    "nothing was shown: {} updates were done in {} s, too few for all faults",
                    self.updates.get(),
                    LONGEST.as_secs()
                );
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            fault.happen(field).await?;
        }
        Ok(())
    }

    /// Writes off all that was added. The answer to that is the database's, so it tells how many of the
    /// acknowledged writes are not there.
    async fn take_back(&self, shelves: &[Shelf], histories: &[History]) -> anyhow::Result<i64> {
        let mut lost = 0;
        for (Shelf { sku, .. }, history) in shelves.iter().zip(histories) {
            let of_sku = history.writes.iter();
            let added = of_sku.filter(|write| write.acknowledged.is_some()).count() as i64;
            if added == 0 {
                continue;
            }
            let key = Uuid::now_v7().to_string();
            let answer = self.restock(sku, -added, &key).await?;
            let level = answer.expect(200)?.json()?["available"].as_i64();
            let level = level.context("no `available` in the answer")?;
            // One more may be there, whose answer was lost.
            lost += (history.first - level).max(0);
        }
        Ok(lost)
    }

    fn judge(
        &self,
        seen: &[Seen],
        histories: &[History],
        lost: i64,
        began: f64,
    ) -> anyhow::Result<Findings> {
        let refused = self.refused.get();
        ensure!(
            refused > 0,
            "nothing was shown: no write was refused while Redis was away"
        );
        let from_memory = seen.iter().filter(|seen| seen.is_from_memory).count();
        ensure!(
            from_memory > 0,
            "nothing was shown: no read was answered from Redis"
        );
        let requests: Vec<_> = seen.iter().map(|seen| seen.request(began)).collect();
        let mut found = Findings {
            load: Figures::of(requests.iter()),
            ..Findings::default()
        };
        let verdict = Verdict::of(histories);
        let ms = |age: Option<&Duration>| age.map_or(0.0, |age| age.as_secs_f64() * 1e3);
        let p99 = verdict.ages.len().saturating_sub(1) * 99 / 100;
        let answered = seen.iter().filter(|seen| seen.level.is_some()).count();
        let part = 100.0 * from_memory as f64 / answered as f64;
        found.figure("reads from Redis, part of those answered", part, "%");
        found.figure("times that a writer had to come back", refused as f64, "");
        found.figure("stale reads", verdict.ages.len() as f64, "");
        found.figure("age of a stale read, p99", ms(verdict.ages.get(p99)), "ms");
        found.figure("age of a stale read, most", ms(verdict.ages.last()), "ms");
        found.at_least("updates", UPDATES as f64, self.updates.get() as f64, "");
        let too_old = verdict.older_than(OLDEST) as f64;
        found.at_most("reads that are stale by more than 100 ms", 0.0, too_old, "");
        let impossible = verdict.impossible as f64;
        found.at_most("reads of what was never there", 0.0, impossible, "");
        found.at_most("acknowledged updates lost", 0.0, lost as f64, "");
        Ok(found)
    }
}

impl Seen {
    fn read(&self) -> Option<Read> {
        self.level.map(|level| Read {
            asked: self.asked,
            answered: self.answered,
            level,
        })
    }

    fn request(&self, began: f64) -> Request {
        Request {
            at: began + self.answered.as_secs_f64(),
            ms: (self.answered - self.asked).as_secs_f64() * 1e3,
            is_get: true,
            status: self.status,
            ok: self.status == 200,
            scenario: "readers".to_owned(),
        }
    }
}

/// `None` where the shop could not tell.
fn level(answer: &Answer) -> anyhow::Result<Option<i64>> {
    if answer.status != 200 {
        return Ok(None);
    }
    let level = answer.json()?["available"].as_i64();
    level.context("no `available` in the product").map(Some)
}

/// Whether the product came from Redis: `cache;desc="redis products 1 hit";dur=0.4` among the hops.
fn is_from_memory(timing: &str) -> bool {
    let mut hops = timing.split(", ").filter(|hop| hop.starts_with("cache;"));
    hops.any(|hop| hop.contains("redis products ") && hop.contains(" hit\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_where_its_product_came_from() {
        let hit = r#"lb;desc="lb web";dur=2, web;desc="web";dur=1, cache;desc="redis products 1 hit";dur=0.4"#;
        assert!(is_from_memory(hit));
        assert!(!is_from_memory(&hit.replace("hit", "miss")));
        assert!(!is_from_memory(&hit.replace("products 1", "identities 1")));
        assert!(!is_from_memory(
            r#"db;desc="db read shard-1 product";dur=0.4"#
        ));
    }

    #[test]
    fn each_writer_has_products_of_his_own() {
        assert_eq!(PRODUCTS % WRITERS, 0);
        let parts = FAULTS.map(|(part, _)| part);
        assert!(parts.is_sorted() && parts.iter().all(|part| *part < 1.0));
    }
}
