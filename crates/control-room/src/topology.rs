//! Kinds of boxes: which stage each belongs to, where it stands in the drawing, and whom it calls.
//!
//! A later stage is a line here for each kind it adds. The drawing holds what is there: a line whose
//! boxes do not run shows nothing.

use std::collections::BTreeMap;

use serde::Serialize;

/// What boxes of one kind have in common.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Names of such boxes, with `#` for a number and without a region.
    names: &'static [&'static str],
    pub(crate) title: &'static str,
    /// The stage that brings it.
    stage: u8,
    /// From left to right, as a request travels.
    pub(crate) column: u8,
    calls: &'static [Call],
}

/// Whom a kind calls: the first of these that is there.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    flow: Flow,
    to: &'static [&'static str],
}

/// What an arrow carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// HTTP requests.
    Requests,
    /// Units of work on a Postgres node.
    Queries,
    /// Commands to Redis.
    Commands,
    /// A database's log, to its replicas: no figure of its own.
    Replication,
}

const fn requests(to: &'static [&'static str]) -> Call {
    let flow = Flow::Requests;
    Call { flow, to }
}

const fn queries(to: &'static [&'static str]) -> Call {
    let flow = Flow::Queries;
    Call { flow, to }
}

const fn commands(to: &'static [&'static str]) -> Call {
    let flow = Flow::Commands;
    Call { flow, to }
}

const fn replication(to: &'static [&'static str]) -> Call {
    let flow = Flow::Replication;
    Call { flow, to }
}

const fn kind(
    names: &'static [&'static str],
    title: &'static str,
    stage: u8,
    column: u8,
    calls: &'static [Call],
) -> Kind {
    Kind {
        names,
        title,
        stage,
        column,
        calls,
    }
}

/// The name of those outside: no box, but the start of the first arrow.
pub(crate) const VISITORS: &str = "visitors";

/// Columns: 0 visitors, 1 edge, 2 gateway, 3 web, 4 services, 5 data, 6 all else.
#[rustfmt::skip]
const KINDS: &[Kind] = &[
    kind(&[VISITORS], "visitors", 0, 0, &[
        requests(&["lb", "glb", "web", "box"]),
        requests(&["cdn"]),
    ]),
    // Stage 1.
    kind(&["box"], "web and database", 1, 1, &[]),
    // Stage 2.
    kind(&["web", "web-#"], "pages and API", 2, 3, &[
        requests(&["users"]), requests(&["orders"]), requests(&["inventory"]),
        commands(&["redis"]),
        queries(&["db"]), queries(&["db-replica-#"]), queries(&["shard-#"]), queries(&["shard-#-replica"]),
    ]),
    kind(&["db"], "database", 2, 5, &[replication(&["db-replica-#"])]),
    // Stage 3.
    kind(&["lb", "lb-#"], "load balancer", 3, 1, &[requests(&["web-#", "web"])]),
    kind(&["worker", "worker-#"], "jobs", 3, 3, &[
        commands(&["redis"]),
        queries(&["db"]), queries(&["db-replica-#"]), queries(&["shard-#"]), queries(&["shard-#-replica"]),
    ]),
    // Stage 4.
    kind(&["cdn"], "CDN", 4, 1, &[requests(&["lb", "gateway"])]),
    // Stage 5.
    kind(&["redis"], "sessions, cache", 5, 5, &[]),
    // Stage 6.
    kind(&["db-replica-#"], "read replica", 6, 5, &[]),
    // Stage 7.
    kind(&["shard-#"], "shard", 7, 5, &[replication(&["shard-#-replica"])]),
    kind(&["shard-#-replica"], "shard's replica", 7, 5, &[]),
    // Stage 8.
    kind(&["glb"], "region balancer", 8, 1, &[requests(&["gateway"])]),
    kind(&["gateway", "gateway-#"], "gateway", 8, 2, &[
        requests(&["web"]), requests(&["users"]), requests(&["orders"]), requests(&["inventory"]),
    ]),
    kind(&["users"], "users service", 8, 4, &[commands(&["redis"]), queries(&["users-#"])]),
    kind(&["orders"], "orders service", 8, 4, &[
        requests(&["inventory"]), commands(&["redis"]), queries(&["orders-db"]),
    ]),
    kind(&["inventory"], "inventory service", 8, 4, &[commands(&["redis"]), queries(&["inventory-db"])]),
    kind(&["users-#"], "users database", 8, 5, &[]),
    kind(&["orders-db"], "orders database", 8, 5, &[]),
    kind(&["inventory-db"], "inventory database", 8, 5, &[]),
    kind(&["wan"], "link of the regions", 8, 3, &[]),
    kind(&["etcd", "etcd-witness"], "votes", 8, 5, &[]),
];

/// A box that nobody told us about is drawn all the same.
const UNKNOWN: &Kind = &kind(&[], "box", 0, 6, &[]);

pub(crate) const STAGES: [&str; 8] = [
    "One box",
    "Split tiers",
    "Load balancer, web cluster",
    "CDN",
    "Cache",
    "Read replicas",
    "Sharding",
    "Services, two regions",
];

/// What a box's name says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) kind: &'static Kind,
    /// `a` or `b`, in stage 8.
    pub(crate) region: Option<&'a str>,
    name: &'a str,
}

impl<'a> Place<'a> {
    pub(crate) fn of(name: &'a str) -> Place<'a> {
        let parts: Vec<&str> = name.split('-').collect();
        let region = parts
            .iter()
            .skip(1)
            .position(|part| matches!(*part, "a" | "b"));
        // What comes after the region counts replicas.
        let own = region.map_or(&parts[..], |at| &parts[..=at]);
        let shape = own.iter().map(|part| match part.parse::<u32>() {
            Ok(_) => "#",
            Err(_) => part,
        });
        let shape = shape.collect::<Vec<_>>().join("-");
        Place {
            kind: KINDS
                .iter()
                .find(|kind| kind.names.contains(&shape.as_str()))
                .unwrap_or(UNKNOWN),
            region: region.map(|at| parts[at + 1]),
            name,
        }
    }

    /// Whether it chooses among several boxes of one kind, and has an opinion of each.
    pub(crate) fn is_balancer(&self) -> bool {
        self.kind.names.contains(&"lb")
    }

    /// Boxes of one kind in one region stand together.
    pub(crate) fn group(&self) -> String {
        match (self.kind.names, self.region) {
            ([], _) => self.name.to_owned(),
            ([kind, ..], None) => (*kind).to_owned(),
            ([kind, ..], Some(region)) => format!("{kind}@{region}"),
        }
    }
}

/// The stage that runs, told from its boxes; none without boxes.
pub(crate) fn stage<'a>(boxes: impl Iterator<Item = &'a str>) -> Option<u8> {
    let stages = boxes.map(|name| Place::of(name).kind.stage);
    stages.max().filter(|stage| *stage > 0)
}

/// An arrow between two groups of boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrow {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) flow: Flow,
}

/// Who calls whom among these boxes, the visitors' calls first.
pub(crate) fn arrows<'a>(boxes: impl Iterator<Item = &'a str>) -> Vec<Arrow> {
    let groups: BTreeMap<String, Place<'_>> = std::iter::once(VISITORS)
        .chain(boxes)
        .map(Place::of)
        .map(|place| (place.group(), place))
        .collect();
    let there = |name: &str| -> Vec<(&String, &Place<'_>)> {
        let are = groups
            .iter()
            .filter(|(_, place)| place.kind.names.contains(&name));
        are.collect()
    };
    let mut arrows = Vec::new();
    for (from, caller) in &groups {
        for call in caller.kind.calls {
            let mut called = call.to.iter().map(|name| there(name));
            let called = called.find(|them| !them.is_empty()).unwrap_or_default();
            // Regions keep to themselves, where they can.
            let is_near = |place: &Place<'_>| {
                caller.region.is_none() || place.region.is_none() || caller.region == place.region
            };
            arrows.extend(
                called
                    .iter()
                    .filter(|(_, to)| is_near(to))
                    .map(|(to, _)| Arrow {
                        from: from.clone(),
                        to: (*to).clone(),
                        flow: call.flow,
                    }),
            );
        }
    }
    arrows.sort_by_key(|arrow| arrow.from != VISITORS);
    arrows
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGE_8: [&str; 29] = [
        "glb",
        "wan",
        "etcd-a",
        "etcd-b",
        "etcd-witness",
        "cdn-a",
        "gateway-a",
        "web-a",
        "worker-a",
        "users-a",
        "orders-a",
        "inventory-a",
        "redis-a",
        "users-1-a",
        "users-2-a",
        "orders-db-a",
        "inventory-db-a",
        "cdn-b",
        "gateway-b",
        "web-b",
        "worker-b",
        "users-b",
        "orders-b",
        "inventory-b",
        "redis-b",
        "users-1-b",
        "users-2-b",
        "orders-db-b",
        "inventory-db-b",
    ];

    fn drawn(boxes: &[&str]) -> Vec<String> {
        arrows(boxes.iter().copied())
            .into_iter()
            .map(|Arrow { from, to, flow }| format!("{from} -> {to} {flow:?}"))
            .collect()
    }

    #[test]
    fn boxes_tell_the_stage() {
        let stages: [(u8, &[&str]); 8] = [
            (1, &["box"]),
            (2, &["web", "db"]),
            (3, &["web", "web-2", "web-3", "db", "lb", "worker"]),
            (4, &["web", "db", "lb", "worker", "cdn"]),
            (5, &["web", "db", "lb", "worker", "cdn", "redis"]),
            (
                6,
                &["web", "db", "lb", "redis", "db-replica-1", "db-replica-2"],
            ),
            (
                7,
                &["web", "db", "db-replica-1", "shard-2", "shard-2-replica"],
            ),
            (8, &STAGE_8),
        ];
        for (number, boxes) in stages {
            assert_eq!(stage(boxes.iter().copied()), Some(number), "{boxes:?}");
        }
        assert_eq!(stage(["prometheus"].into_iter()), None);
        assert_eq!(stage([].into_iter()), None);
    }

    #[test]
    fn names_tell_kind_and_region() {
        let told = |name| {
            let place = Place::of(name);
            (place.kind.title, place.region, place.group())
        };
        assert_eq!(told("web-2"), ("pages and API", None, "web".into()));
        assert_eq!(
            told("web-a-2"),
            ("pages and API", Some("a"), "web@a".into())
        );
        assert_eq!(
            told("users-b"),
            ("users service", Some("b"), "users@b".into())
        );
        assert_eq!(
            told("users-1-b"),
            ("users database", Some("b"), "users-#@b".into())
        );
        assert_eq!(
            told("shard-2-replica"),
            ("shard's replica", None, "shard-#-replica".into())
        );
        assert_eq!(told("mystery-7"), ("box", None, "mystery-7".into()));
    }

    #[test]
    fn visitors_meet_the_front_door_of_the_stage() {
        assert_eq!(drawn(&["box"]), ["visitors -> box Requests"]);
        assert_eq!(
            drawn(&["web", "db"]),
            ["visitors -> web Requests", "web -> db Queries"]
        );
        assert_eq!(
            drawn(&["lb", "web", "web-2", "db", "cdn"]),
            [
                "visitors -> lb Requests",
                "visitors -> cdn Requests",
                "cdn -> lb Requests",
                "lb -> web Requests",
                "web -> db Queries",
            ]
        );
    }

    #[test]
    fn a_region_calls_its_own() {
        let arrows = drawn(&STAGE_8);
        assert!(arrows.contains(&"users@a -> users-#@a Queries".to_owned()));
        assert!(
            !arrows
                .iter()
                .any(|arrow| arrow.contains("@a ->") && arrow.contains("@b"))
        );
        assert!(arrows.contains(&"glb -> gateway@b Requests".to_owned()));
    }

    #[test]
    fn all_calls_are_to_kinds_that_exist() {
        let names: Vec<&str> = KINDS.iter().flat_map(|kind| kind.names).copied().collect();
        for call in KINDS.iter().flat_map(|kind| kind.calls) {
            for to in call.to {
                assert!(names.contains(to), "{to}");
            }
        }
    }
}
