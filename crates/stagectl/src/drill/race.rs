//! Writers and readers of the same products, all at once, through the front door.
//!
//! Each product has one writer, who adds one to its stock and then one more, so a level tells which write
//! made it. Readers ask for the products all the time.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures::future::try_join_all;
use reqwest::Method;
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior, interval, interval_at};
use uuid::Uuid;

use super::history::{History, Read, Write};
use super::psql::Psql;
use super::series::Request;
use crate::shopper::{Answer, Shopper};

pub(super) const PRODUCTS: usize = 20;
pub(super) const WRITERS: usize = 5;
pub(super) const UPDATES: usize = 10_000;
/// Three times what so many take a database of a quarter of a core.
pub(super) const LONGEST: Duration = Duration::from_secs(300);
/// How often each product is read: 400 reads a second in all.
const EVERY: Duration = Duration::from_millis(50);
/// Between two writes by hand.
const BY_HAND: Duration = Duration::from_millis(20);
/// Who is told to come back does so.
const AGAIN: Duration = Duration::from_millis(50);

/// All its writers and readers share it, and run as one task.
pub(super) struct Race {
    started: Instant,
    staff: Shopper,
    guest: Shopper,
    shelves: Vec<Shelf>,
    pub(super) updates: Cell<usize>,
    /// Times that a writer was told to come back, or got no answer.
    pub(super) refused: Cell<usize>,
    pub(super) is_over: Cell<bool>,
}

/// By what a writer writes.
enum Hand {
    Shop,
    /// Past the shop, now and then: no web box knows of it, and no loss of Redis holds it up.
    Psql(Box<Psql>, Interval),
}

/// A product, and its level before the race.
struct Shelf {
    sku: String,
    level: i64,
}

/// One answer to a reader. Times are since the race began.
pub(super) struct Seen {
    asked: Duration,
    answered: Duration,
    /// 0 without an answer.
    status: u16,
    pub(super) level: Option<i64>,
    /// The product came from Redis.
    pub(super) is_from_memory: bool,
}

impl Race {
    pub(super) async fn prepare(shop: &str, skus: Vec<String>) -> anyhow::Result<Race> {
        let staff = Shopper::logged_in(shop, "staff@example.test").await?;
        let guest = Shopper::guest(shop)?;
        let mut shelves = Vec::new();
        for sku in skus {
            let level = guest.available(&sku).await?;
            shelves.push(Shelf { sku, level });
        }
        Ok(Race {
            started: Instant::now(),
            staff,
            guest,
            shelves,
            updates: Cell::new(0),
            refused: Cell::new(0),
            is_over: Cell::new(false),
        })
    }

    /// Runs it until there are enough updates, and what else happens meanwhile. The history of each
    /// product, and all that was read. One of the writers goes past the shop, by psql.
    pub(super) async fn run(
        &self,
        psql: Psql,
        meanwhile: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<(Vec<History>, Vec<Seen>)> {
        let (by_hand, by_shop) = self.shelves.split_at(PRODUCTS / WRITERS);
        let of_writers = by_shop.chunks(PRODUCTS / WRITERS);
        let by_shop = try_join_all(of_writers.map(|own| self.write(Hand::Shop, own)));
        let by_hand = self.write(Hand::Psql(Box::new(psql), interval(BY_HAND)), by_hand);
        let writers = async {
            let written = tokio::try_join!(by_hand, by_shop);
            self.is_over.set(true);
            let (by_hand, by_shop) = written?;
            anyhow::Ok(std::iter::once(by_hand).chain(by_shop).collect::<Vec<_>>())
        };
        let readers = self.shelves.iter().enumerate().map(|(n, shelf)| {
            // Not all at once.
            self.read(&shelf.sku, EVERY.mul_f64(n as f64 / PRODUCTS as f64))
        });
        let (written, seen, ()) = tokio::try_join!(writers, try_join_all(readers), meanwhile)?;
        let written = written.into_iter().flatten();
        let histories = self.shelves.iter().zip(written).zip(&seen);
        let histories = histories.map(|((shelf, writes), seen)| History {
            first: shelf.level,
            writes,
            reads: seen.iter().filter_map(Seen::read).collect(),
        });
        let histories = histories.collect();
        Ok((histories, seen.into_iter().flatten().collect()))
    }

    /// Adds one to each of these in turn, and again, until there are enough updates. What was written,
    /// product by product.
    async fn write(&self, mut hand: Hand, own: &[Shelf]) -> anyhow::Result<Vec<Vec<Write>>> {
        let mut written = vec![Vec::new(); own.len()];
        for n in (0..own.len()).cycle() {
            if self.updates.get() >= UPDATES || self.started.elapsed() > LONGEST {
                break;
            }
            let Shelf { sku, level } = &own[n];
            let level = level + written[n].len() as i64;
            let write = match &mut hand {
                Hand::Shop => self.add_one(sku, level).await?,
                Hand::Psql(psql, turns) => {
                    turns.tick().await;
                    self.add_one_by_hand(psql, sku, level).await?
                }
            };
            written[n].push(write);
            if write.acknowledged.is_none() {
                break;
            }
            self.updates.set(self.updates.get() + 1);
        }
        Ok(written)
    }

    async fn add_one_by_hand(
        &self,
        psql: &mut Psql,
        sku: &str,
        level: i64,
    ) -> anyhow::Result<Write> {
        let asked = self.started.elapsed();
        let now = psql.add_one(sku).await?;
        is_next(sku, level, Some(now))?;
        Ok(Write {
            asked,
            acknowledged: Some(self.started.elapsed()),
        })
    }

    /// Asks until it is answered, under one key: an answer may be lost of what was done.
    async fn add_one(&self, sku: &str, level: i64) -> anyhow::Result<Write> {
        let key = Uuid::now_v7().to_string();
        let asked = self.started.elapsed();
        loop {
            match self.restock(sku, 1, &key).await {
                Ok(answer) if answer.status == 200 => {
                    is_next(sku, level, answer.json()?["available"].as_i64())?;
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
        let mut turns = interval_at((Instant::now() + after).into(), EVERY);
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
                    is_from_memory: answer.hops("cache").any(is_hit),
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

    /// Writes off all that was added. The answer to that is the database's, so it tells how many of the
    /// acknowledged writes are not there.
    pub(super) async fn take_back(&self, histories: &[History]) -> anyhow::Result<i64> {
        let mut lost = 0;
        for (Shelf { sku, .. }, history) in self.shelves.iter().zip(histories) {
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
}

impl Seen {
    fn read(&self) -> Option<Read> {
        self.level.map(|level| Read {
            asked: self.asked,
            answered: self.answered,
            level,
        })
    }

    /// As load tests have it; `began` is when the race did.
    pub(super) fn request(&self, began: f64) -> Request {
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

/// Whether what a cache says of itself is that the product came from Redis.
fn is_hit(said: &str) -> bool {
    said.starts_with("redis products ") && said.ends_with(" hit")
}

/// One writer for each product: its level rises by one.
fn is_next(sku: &str, level: i64, now: Option<i64>) -> anyhow::Result<()> {
    let next = level + 1;
    ensure!(
        now == Some(next),
        "somebody else changed {sku}: expected {next}, got {now:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_where_its_product_came_from() {
        assert!(is_hit("redis products 1 hit"));
        for other in ["redis products 1 miss", "redis identities 1 hit", "db read"] {
            assert!(!is_hit(other), "{other}");
        }
    }

    #[test]
    fn each_writer_has_products_of_his_own() {
        assert_eq!(PRODUCTS % WRITERS, 0);
    }
}
