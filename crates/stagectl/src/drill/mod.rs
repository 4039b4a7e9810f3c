//! `./stage drill NAME`: a fault under load, what clients saw of it, and the books after.
//!
//! A drill is a fault of [`Field`], a load, and promises of its own about what the load saw. Whatever
//! ends it, a fault is undone.

mod cap;
mod capacity;
mod cdn;
mod changes;
mod counter;
mod crowd;
mod field;
mod fresh;
mod history;
mod load;
mod overload;
mod psql;
mod race;
mod redis;
mod report;
mod series;
mod soak;
mod sticky;
mod web;

use std::fmt;

use anyhow::bail;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::json;

use crate::compose::Compose;
use crate::stage::Stage;
use crate::{Missing, audit, balancer, console};
use field::Field;
pub(crate) use report::Outcome;
use report::{Findings, Report};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Drill {
    KillWeb,
    FreezeWeb,
    SlowWeb,
    FlakyWeb,
    DeadWeb,
    Deploy,
    ReloadLb,
    ScaleWeb,
    Overload,
    WebCapacity,
    SoakLb,
    StickySessions,
    OriginDown,
    Purge,
    ColdCache,
    KillRedis,
    FreezeRedis,
    FreezeCache,
    FlushRedis,
    HotKey,
    FreshReads,
}

impl Drill {
    fn shows(self) -> &'static str {
        match self {
            Drill::KillWeb => {
                "one of three web boxes is killed: nobody fails who may ask again, nobody is logged out"
            }
            Drill::FreezeWeb => "one web box stops without a word: it is left out within 2 s",
            Drill::SlowWeb => "one web box has a twentieth of its CPU: it is given less",
            Drill::FlakyWeb => "one web box fails half its requests: clients hardly notice",
            Drill::DeadWeb => "all web boxes are dead: clients are told at once",
            Drill::Deploy => {
                "each web box is deployed in turn: nobody notices; on stage 2, an outage"
            }
            Drill::ReloadLb => {
                "the balancer reads its configuration anew, ten times: nobody notices"
            }
            Drill::ScaleWeb => "three web boxes, five, two: nobody notices",
            Drill::Overload => {
                "three times what the web boxes can do: what is let in is served well"
            }
            Drill::WebCapacity => "what three web boxes carry, against one",
            Drill::SoakLb => "ten minutes of 1,000 open connections: the balancer's memory is flat",
            Drill::StickySessions => {
                "sessions in the web boxes and a sticky balancer, against sessions in Postgres"
            }
            Drill::OriginDown => "the origin of the assets is dead: all that is stored is served",
            Drill::Purge => {
                "assets are purged, one by one and all at once: at once, and nobody notices"
            }
            Drill::ColdCache => "nothing is stored: each asset is asked for once at the origin",
            Drill::KillRedis => "Redis is killed: guests do not notice, calls are refused at once",
            Drill::FreezeRedis => "Redis stops without a word: the same, after a time-out or two",
            Drill::FreezeCache => {
                "the Redis that has copies stops, and it alone: all works, slower"
            }
            Drill::FlushRedis => "the cache is emptied: each thing is asked for once",
            Drill::HotKey => "what everybody wants is deleted, ten times: once a web box",
            Drill::FreshReads => {
                "10,000 updates and readers, Redis coming and going: nobody reads what is over"
            }
        }
    }

    /// The first stage on which it shows anything.
    fn first_stage(self) -> u8 {
        match self {
            Drill::Deploy => 2,
            Drill::OriginDown | Drill::Purge | Drill::ColdCache => 4,
            Drill::KillRedis
            | Drill::FreezeRedis
            | Drill::FreezeCache
            | Drill::FlushRedis
            | Drill::HotKey
            | Drill::FreshReads => 5,
            _ => 3,
        }
    }

    /// All that a stage can be put through.
    pub(crate) fn of(stage: Stage) -> impl Iterator<Item = Drill> {
        let drills = Drill::value_variants().iter().copied();
        drills.filter(move |drill| drill.first_stage() <= stage.number())
    }

    async fn play(self, field: &Field<'_>) -> anyhow::Result<Findings> {
        match self {
            Drill::KillWeb => web::kill(field).await,
            Drill::FreezeWeb => web::freeze(field).await,
            Drill::SlowWeb => web::slow_down(field).await,
            Drill::FlakyWeb => web::flaky(field).await,
            Drill::DeadWeb => web::all_dead(field).await,
            Drill::Deploy => changes::deploy(field).await,
            Drill::ReloadLb => changes::reload(field).await,
            Drill::ScaleWeb => changes::scale(field).await,
            Drill::Overload => overload::overload(field).await,
            Drill::WebCapacity => capacity::web(field).await,
            Drill::SoakLb => soak::balancer(field).await,
            Drill::StickySessions => sticky::sessions(field).await,
            Drill::OriginDown => cdn::origin_down(field).await,
            Drill::Purge => cdn::purge(field).await,
            Drill::ColdCache => cdn::cold(field).await,
            Drill::KillRedis => redis::kill(field).await,
            Drill::FreezeRedis => redis::freeze(field).await,
            Drill::FreezeCache => redis::freeze_cache(field).await,
            Drill::FlushRedis => redis::flush(field).await,
            Drill::HotKey => redis::hot_key(field).await,
            Drill::FreshReads => fresh::reads(field).await,
        }
    }
}

impl fmt::Display for Drill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// What there is to be drilled.
pub(crate) fn list(as_json: bool) {
    let drills = Drill::value_variants().iter();
    if as_json {
        let drills: Vec<_> = drills
            .map(|d| json!({ "drill": d, "first_stage": d.first_stage(), "shows": d.shows() }))
            .collect();
        println!("{}", json!(drills));
        return;
    }
    for drill in drills {
        println!(
            "{:<15} stage {} on: {}",
            drill.to_string(),
            drill.first_stage(),
            drill.shows()
        );
    }
}

pub(crate) async fn run(compose: &Compose, drill: Drill, as_json: bool) -> anyhow::Result<Outcome> {
    let stage = compose.running_stage().await?;
    if stage.number() < drill.first_stage() {
        let n = drill.first_stage();
        bail!(Missing(format!(
            "{drill} needs stage {n}, and {stage} is running: ./stage up {n} --replace"
        )));
    }
    let field = Field::new(compose, stage);
    console::step(&format!("drill {drill} on {stage}"));
    let played = tokio::select! {
        played = drill.play(&field) => played,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    let undone = field.undo().await;
    let Findings {
        load,
        figures,
        promises,
    } = played.and_then(|found| undone.map(|()| found))?;
    let balancer = match stage.has_balancer() {
        true => Some(balancer::view(compose).await?),
        false => None,
    };
    let report = Report {
        drill,
        stage,
        load,
        figures,
        events: field.marks(),
        promises,
        balancer,
        books: Some(audit::books_when_drained(compose, stage).await?),
    };
    if as_json {
        let mut said = serde_json::to_value(&report)?;
        said["holds"] = json!(report.outcome() == Outcome::Kept);
        said["outcome"] = json!(report.outcome());
        println!("{said}");
    } else {
        report.tell();
    }
    Ok(report.outcome())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drills_are_called_what_they_are_called_in_json() {
        for drill in Drill::value_variants() {
            assert_eq!(json!(drill), drill.to_string());
        }
    }
}
