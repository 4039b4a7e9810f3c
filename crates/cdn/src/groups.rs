//! Purging what belongs together (RFC 9875), without knowing what all that is: purges are numbered, and
//! whatever was asked for before one that concerns it is found out when it is wanted next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock};

use http::{HeaderMap, HeaderName};
use sfv::{BareItem, List, ListEntry, Parser};

use crate::head::Head;

const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
pub(crate) const CACHE_GROUP_INVALIDATION: HeaderName =
    HeaderName::from_static("cache-group-invalidation");

/// Groups of one answer, and the length of a name (RFC 9875, 2).
const MOST_GROUPS: usize = 32;
const MOST_NAME_BYTES: usize = 256;

/// Purges that are remembered one by one. When there are more, the older half becomes one purge of all
/// that was got before it: more than was asked for, never less.
const MOST_REMEMBERED: usize = 4096;

/// How much is left of something after a purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purge {
    /// It is stale, may be validated, and stands in where stale answers may.
    Soft = 1,
    /// It is gone.
    Hard = 2,
}

#[derive(Debug, Default)]
pub(crate) struct Purges {
    /// The number of the last purge: what was looked at since then need not be looked at again.
    last: AtomicU64,
    remembered: RwLock<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    groups: HashMap<Box<str>, Numbers>,
    all: Numbers,
}

/// The numbers of the last purges of each kind; 0 where there was none.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    soft: u64,
    hard: u64,
}

impl Numbers {
    fn note(&mut self, purge: Purge, number: u64) {
        match purge {
            Purge::Soft => self.soft = number,
            Purge::Hard => self.hard = number,
        }
    }

    /// Of what was asked for after the purge with this number.
    fn verdict(&self, after: u64) -> Option<Purge> {
        if after < self.hard {
            return Some(Purge::Hard);
        }
        (after < self.soft).then_some(Purge::Soft)
    }

    fn last(&self) -> u64 {
        self.soft.max(self.hard)
    }
}

impl Purges {
    /// Of a group, by the name that [`named`] gives it; of all without one.
    pub(crate) fn purge(&self, group: Option<Box<str>>, purge: Purge) {
        let mut remembered = self
            .remembered
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let number = self.last() + 1;
        match group {
            Some(group) => remembered
                .groups
                .entry(group)
                .or_default()
                .note(purge, number),
            None => remembered.all.note(purge, number),
        }
        remembered.bound();
        self.last.store(number, Relaxed);
    }

    /// What is asked for now is after the purge with this number.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Relaxed)
    }

    /// What is left of this answer.
    pub(crate) fn verdict(&self, head: &Head) -> Option<Purge> {
        let last = self.last();
        let checked = head.checked.load(Relaxed);
        if checked != last {
            let remembered = self
                .remembered
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            let verdict = remembered.verdict(head).map_or(0, |purge| purge as u8);
            if verdict == Purge::Soft as u8 {
                head.purge_softly();
            }
            head.purged.fetch_max(verdict, Relaxed);
            head.checked.store(last, Relaxed);
        }
        match head.purged.load(Relaxed) {
            0 => None,
            1 => Some(Purge::Soft),
            _ => Some(Purge::Hard),
        }
    }
}

impl Remembered {
    fn verdict(&self, head: &Head) -> Option<Purge> {
        let groups = head.groups.iter().filter_map(|name| self.groups.get(name));
        let verdicts = groups.map(|numbers| numbers.verdict(head.after));
        verdicts.max().flatten().max(self.all.verdict(head.after))
    }

    fn bound(&mut self) {
        if self.groups.len() <= MOST_REMEMBERED {
            return;
        }
        let mut lasts: Vec<u64> = self.groups.values().map(Numbers::last).collect();
        lasts.sort_unstable();
        let middle = lasts[lasts.len() / 2];
        let all = &mut self.all;
        self.groups.retain(|_, numbers| {
            let stays = numbers.last() > middle;
            if !stays {
                all.hard = all.hard.max(numbers.hard);
                all.soft = all.soft.max(numbers.soft);
            }
            stays
        });
    }
}

/// The groups of an answer, under the names by which they are purged.
pub(crate) fn of(headers: &HeaderMap, origin: &str) -> Box<[Box<str>]> {
    let names = names(headers, &CACHE_GROUPS);
    let both = names
        .iter()
        .flat_map(|name| [named("*", name), named(origin, name)]);
    both.collect()
}

/// A group as it is purged: of one origin, as it is no other's to purge, or of any, `*`.
pub(crate) fn named(origin: &str, name: &str) -> Box<str> {
    format!("{origin} {name}").into()
}

/// A list of strings; what is none counts as absent.
pub(crate) fn names(headers: &HeaderMap, field: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(field).iter();
    let lines: Option<Vec<&str>> = lines.map(|line| line.to_str().ok()).collect();
    let list = lines.and_then(|lines| Parser::new(&lines.join(",")).parse::<List>().ok());
    let names = list.into_iter().flatten().filter_map(|entry| match entry {
        ListEntry::Item(item) => match item.bare_item {
            BareItem::String(name) => Some(String::from(name)),
            _ => None,
        },
        ListEntry::InnerList(_) => None,
    });
    names
        .filter(|name| name.len() <= MOST_NAME_BYTES)
        .take(MOST_GROUPS)
        .collect()
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;
    use crate::config::CacheConfig;
    use crate::head::Asked;
    use crate::key::Key;

    fn head(groups: &str, after: u64) -> Head {
        let answer = Response::builder()
            .header("cache-control", "max-age=60")
            .header("cache-groups", groups)
            .body(())
            .unwrap();
        let key = Key::parse("http://shop/a").unwrap();
        let config = CacheConfig::default();
        Head::of(&key, &HeaderMap::new(), &answer, Asked::now(after), &config).unwrap()
    }

    #[test]
    fn rfc9875_2_2_a_purge_is_for_what_was_asked_for_before_it() {
        let purges = Purges::default();
        let (old, other) = (head("\"a\", \"b\"", 0), head("\"c\"", 0));
        assert_eq!(purges.verdict(&old), None);
        purges.purge(Some(named("*", "b")), Purge::Hard);
        assert_eq!(purges.verdict(&old), Some(Purge::Hard));
        assert_eq!(purges.verdict(&other), None);
        assert_eq!(purges.verdict(&head("\"b\"", purges.last())), None);
    }

    #[test]
    fn rfc9875_3_groups_of_another_origin_are_not_the_same() {
        let purges = Purges::default();
        purges.purge(Some(named("http://other", "a")), Purge::Hard);
        assert_eq!(purges.verdict(&head("\"a\"", 0)), None);
        purges.purge(Some(named("http://shop", "a")), Purge::Soft);
        let head = head("\"a\"", 0);
        assert_eq!(purges.verdict(&head), Some(Purge::Soft));
        purges.purge(None, Purge::Hard);
        assert_eq!(purges.verdict(&head), Some(Purge::Hard));
        // Nothing makes it good again.
        purges.purge(None, Purge::Soft);
        assert_eq!(purges.verdict(&head), Some(Purge::Hard));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_nothing_purged_comes_back() {
        let purges = Purges::default();
        let old = head("\"first\"", 0);
        purges.purge(Some(named("*", "first")), Purge::Hard);
        for name in 0..2 * MOST_REMEMBERED {
            purges.purge(Some(named("*", &name.to_string())), Purge::Hard);
        }
        let count = purges.remembered.read().unwrap().groups.len();
        assert!(count <= MOST_REMEMBERED, "{count}");
        assert_eq!(purges.verdict(&old), Some(Purge::Hard));
    }

    #[test]
    fn rfc9875_2_what_is_no_list_of_strings_is_no_group() {
        let names = |line: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_GROUPS, line.parse().unwrap());
            names(&headers, &CACHE_GROUPS)
        };
        assert_eq!(names("\"a\", b, 3, (\"c\"), \"d\";e"), ["a", "d"]);
        assert!(names("\"a").is_empty());
    }
}
