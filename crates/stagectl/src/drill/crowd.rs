//! Shoppers who log in and stay: each with the cookies that he was given, as a browser has them.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::header::LOCATION;
use reqwest::{Client, RequestBuilder, redirect};

use crate::shopper::{Answer, PASSWORD};

/// How many ask at once: a web box hashes one password at a time, and its queue is the load's, too.
const AT_ONCE: usize = 3;
/// For one to be let in by boxes that are busy.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Crowd {
    people: Vec<Person>,
    /// What each has in his basket.
    sku: String,
}

#[derive(Debug)]
struct Person {
    http: Client,
    shop: String,
    email: String,
    /// The box that let him in.
    home: String,
    is_logged_in: bool,
}

/// What became of them when each asked for his basket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) people: usize,
    /// By the box that had let them in.
    by_home: BTreeMap<String, Home>,
    /// They were logged in, and their baskets were empty.
    pub(super) baskets_lost: usize,
    /// They were told neither: there was no page for them.
    pub(super) unanswered: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) people: usize,
    pub(super) logged_out: usize,
}

/// What one saw who asked for his basket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Basket,
    EmptyBasket,
    LogIn,
    /// Neither: an error.
    Nothing,
}

impl Crowd {
    /// So many seeded shoppers, without cookies yet. No load test takes these by their numbers.
    pub(super) fn new(shop: &str, people: usize, sku: &str) -> anyhow::Result<Crowd> {
        let people = (1..=people).map(|number| Person::new(shop, 1_000 + number));
        Ok(Crowd {
            people: people.collect::<anyhow::Result<_>>()?,
            sku: sku.to_owned(),
        })
    }

    /// Whoever is not logged in does it now, on the page for that.
    pub(super) async fn log_in(&mut self) -> anyhow::Result<()> {
        let out = self.people.iter_mut().filter(|person| !person.is_logged_in);
        let log_ins = stream::iter(out).map(|person| Ok(person.log_in()));
        log_ins
            .try_buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
    }

    /// Each puts something into his basket, if he is let: [`Crowd::ask`] tells who was not.
    pub(super) async fn fill_baskets(&self) -> anyhow::Result<()> {
        let people = stream::iter(&self.people);
        let puts = people.map(|person| Ok(person.put_into_basket(&self.sku)));
        puts.try_buffer_unordered(AT_ONCE).try_collect::<()>().await
    }

    /// Each asks for his basket, once.
    pub(super) async fn ask(&mut self) -> anyhow::Result<Asked> {
        let sku = &self.sku;
        let people = stream::iter(&mut self.people);
        let answers = people.map(|person| {
            Ok(async move {
                let seen = person.ask(sku).await?;
                person.is_logged_in = seen != Seen::LogIn;
                anyhow::Ok((seen, &*person))
            })
        });
        let mut answers = pin!(answers.try_buffer_unordered(AT_ONCE));
        let mut asked = Asked::default();
        while let Some((seen, person)) = answers.try_next().await? {
            asked.note(seen, &person.home);
        }
        Ok(asked)
    }
}

impl Asked {
    fn note(&mut self, seen: Seen, home: &str) {
        self.people += 1;
        self.baskets_lost += usize::from(seen == Seen::EmptyBasket);
        self.unanswered += usize::from(seen == Seen::Nothing);
        let home = self.by_home.entry(home.to_owned()).or_default();
        home.people += 1;
        home.logged_out += usize::from(seen == Seen::LogIn);
    }

    pub(super) fn logged_out(&self) -> usize {
        self.by_home.values().map(|home| home.logged_out).sum()
    }

    /// Those whom this box had let in.
    pub(super) fn of(&self, home: &str) -> Home {
        self.by_home.get(home).copied().unwrap_or_default()
    }

    /// Percent of the people.
    pub(super) fn part_logged_out(&self) -> f64 {
        100.0 * self.logged_out() as f64 / self.people as f64
    }
}

impl Person {
    fn new(shop: &str, number: usize) -> anyhow::Result<Person> {
        let http = Client::builder()
            .cookie_store(true)
            .timeout(Duration::from_secs(15))
            .redirect(redirect::Policy::none())
            .build()?;
        Ok(Person {
            http,
            shop: shop.to_owned(),
            email: format!("shopper-{number:05}@example.test"),
            home: String::new(),
            is_logged_in: false,
        })
    }

    async fn log_in(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let form = [("email", self.email.as_str()), ("password", PASSWORD)];
            let answer = self.answer(self.post("/login").form(&form)).await?;
            match answer.status.as_u16() {
                303 => {
                    self.home = answer.web_box()?.to_owned();
                    self.is_logged_in = true;
                    return Ok(());
                }
                // Too many passwords at once: the box says so, and one comes again.
                503 if started.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                status => bail!("{} was not let in: {status}", self.email),
            }
        }
    }

    async fn put_into_basket(&self, sku: &str) -> anyhow::Result<()> {
        let form = [("sku", sku), ("quantity", "1"), ("action", "set")];
        let answer = self.answer(self.post("/cart/items").form(&form)).await?;
        ensure!(
            answer.status == 303,
            "{} put something into his basket: {}",
            self.email,
            answer.status
        );
        Ok(())
    }

    async fn ask(&self, sku: &str) -> anyhow::Result<Seen> {
        let answer = self
            .answer(self.http.get(format!("{}/cart", self.shop)))
            .await?;
        match answer.status.as_u16() {
            200 if answer.text.contains(sku) => Ok(Seen::Basket),
            200 => Ok(Seen::EmptyBasket),
            303 if leads_to_log_in(&answer) => Ok(Seen::LogIn),
            _ => Ok(Seen::Nothing),
        }
    }

    fn post(&self, path: &str) -> RequestBuilder {
        let request = self.http.post(format!("{}{path}", self.shop));
        request.header("sec-fetch-site", "same-origin")
    }

    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Answer> {
        let answer = Answer::of(request).await;
        answer.with_context(|| format!("{} got no answer", self.email))
    }
}

fn leads_to_log_in(answer: &Answer) -> bool {
    answer.header(LOCATION.as_str()).starts_with("/login")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_are_logged_out_are_counted_by_the_box_that_let_them_in() {
        let mut asked = Asked::default();
        for (seen, home) in [
            (Seen::Basket, "web"),
            (Seen::EmptyBasket, "web"),
            (Seen::LogIn, "web-2"),
            (Seen::LogIn, "web-2"),
        ] {
            asked.note(seen, home);
        }
        let home = |people, logged_out| Home { people, logged_out };
        assert_eq!(
            (asked.of("web"), asked.of("web-2")),
            (home(2, 0), home(2, 2))
        );
        assert_eq!((asked.logged_out(), asked.baskets_lost), (2, 1));
        assert_eq!(asked.part_logged_out(), 50.0);
    }
}
