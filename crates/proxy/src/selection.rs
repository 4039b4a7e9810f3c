//! Which upstream gets a request.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::headers::FORWARDED_PROTO;
use crate::upstream::Upstream;

/// `[upstreams] selection`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Of two taken at random the one with less to do, by requests in flight and latency. Almost as
    /// good as knowing the best of all, without all running to it at once (Mitzenmacher, 2001).
    #[default]
    TwoChoices,
    LeastConnections,
    RoundRobin,
    /// By the client's address: the same one as long as it is there, others otherwise (rendezvous
    /// hashing: if one goes, only its clients move).
    ClientHash,
    /// By a cookie that the first answer sets: for sessions in the memory of one box.
    Sticky,
}

/// The cookie of [`Selection::Sticky`].
const STICKY_COOKIE: &str = "upstream";

/// The choice of one request.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) selection: Selection,
    pub(crate) client: IpAddr,
    pub(crate) headers: &'a HeaderMap,
    /// The ones that were tried before.
    pub(crate) avoid: &'a [u64],
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum NoChoice {
    /// There is none, or none that was not tried.
    Nobody,
    /// They have all they may have.
    AllFull,
}

impl Choice<'_> {
    pub(crate) fn pick(&self, usable: &[Arc<Upstream>]) -> Result<Arc<Upstream>, NoChoice> {
        let wanted = match self.selection {
            Selection::TwoChoices => self.two_choices(usable),
            Selection::RoundRobin => self.round_robin(usable),
            Selection::ClientHash => highest(usable, &self.client.to_canonical()),
            Selection::Sticky => self.sticky(usable).or_else(|| self.two_choices(usable)),
            Selection::LeastConnections => None,
        };
        match wanted {
            Some(upstream) if self.is_open(upstream) => Ok(upstream.clone()),
            _ => self.least_loaded(usable),
        }
    }

    /// The way that always finds one, if there is one.
    fn least_loaded(&self, usable: &[Arc<Upstream>]) -> Result<Arc<Upstream>, NoChoice> {
        let open = usable.iter().filter(|upstream| self.is_open(upstream));
        // Equals are told apart by chance, or the first would get all while there is little load.
        let least = match self.selection {
            Selection::LeastConnections => {
                open.min_by_key(|upstream| (upstream.in_flight(), fastrand::u32(..)))
            }
            _ => open.min_by_key(|upstream| (upstream.cost(), fastrand::u32(..))),
        };
        let is_new = |upstream: &Arc<Upstream>| !self.avoid.contains(&upstream.id);
        match least {
            Some(upstream) => Ok(upstream.clone()),
            None if usable.iter().any(is_new) => Err(NoChoice::AllFull),
            None => Err(NoChoice::Nobody),
        }
    }

    fn is_open(&self, upstream: &Arc<Upstream>) -> bool {
        upstream.has_room() && !self.avoid.contains(&upstream.id)
    }

    fn two_choices<'u>(&self, usable: &'u [Arc<Upstream>]) -> Option<&'u Arc<Upstream>> {
        let n = usable.len();
        if n < 2 {
            return usable.first();
        }
        let first = fastrand::usize(..n);
        let second = (first + fastrand::usize(1..n)) % n;
        let (first, second) = (&usable[first], &usable[second]);
        // One that starts slowly takes its turn as often as it is warm.
        let sits_out =
            |upstream: &Upstream| self.avoid.contains(&upstream.id) || !upstream.takes_turn();
        Some(match (sits_out(first), sits_out(second)) {
            (true, false) => second,
            (false, true) => first,
            _ if second.is_better_than(first) => second,
            _ => first,
        })
    }

    #[expect(clippy::unused_self, reason = "the turn is common to all")]
    fn round_robin<'u>(&self, usable: &'u [Arc<Upstream>]) -> Option<&'u Arc<Upstream>> {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        let turn = TURN.fetch_add(1, Relaxed);
        usable.get(turn.checked_rem(usable.len())?)
    }

    fn sticky<'u>(&self, usable: &'u [Arc<Upstream>]) -> Option<&'u Arc<Upstream>> {
        let mark = cookie(self.headers, STICKY_COOKIE)?;
        usable.iter().find(|upstream| sticky_mark(upstream) == mark)
    }
}

/// Rendezvous hashing (Thaler and Ravishankar, 1998): each upstream draws a number for this key, and
/// the highest has it.
fn highest<'u>(usable: &'u [Arc<Upstream>], key: &impl Hash) -> Option<&'u Arc<Upstream>> {
    usable.iter().max_by_key(|upstream| {
        let mut hasher = DefaultHasher::new();
        (key, upstream.address).hash(&mut hasher);
        hasher.finish()
    })
}

/// What the cookie says: the same for an upstream as long as it has its address. It is no secret: who
/// tries all private addresses finds the one that it was made of.
fn sticky_mark(upstream: &Upstream) -> String {
    let mut hasher = DefaultHasher::new();
    upstream.address.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The cookie that leads here, unless the client has one that leads to any of these that is not down:
/// its session is there, and a visit elsewhere, as that one fails or is full, is no reason to move.
pub(crate) fn cookie_to_set(
    headers: &HeaderMap,
    upstream: &Upstream,
    listed: &[Arc<Upstream>],
) -> Option<HeaderValue> {
    let mark = sticky_mark(upstream);
    if let Some(home) = cookie(headers, STICKY_COOKIE) {
        let is_home = |other: &Arc<Upstream>| !other.is_down() && sticky_mark(other) == home;
        if mark == home || listed.iter().any(is_home) {
            return None;
        }
    }
    // As a request's headers say it by now, be TLS ours or that of a trusted proxy.
    let is_tls = headers
        .get(FORWARDED_PROTO)
        .is_some_and(|scheme| scheme == "https");
    let secure = if is_tls { "; Secure" } else { "" };
    HeaderValue::try_from(format!(
        "{STICKY_COOKIE}={mark}; Path=/; HttpOnly; SameSite=Lax{secure}"
    ))
    .ok()
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let values = headers.get_all(COOKIE).iter();
    let pairs = values.flat_map(|value| value.to_str().unwrap_or_default().split(';'));
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::upstream::Flight;

    fn upstreams(n: u8) -> Vec<Arc<Upstream>> {
        let upstream = |i| Upstream::new(([10, 0, 0, i], 8080).into(), "lb");
        let all: Vec<_> = (0..n).map(upstream).map(Arc::new).collect();
        all.iter().for_each(|upstream| upstream.set_limit(4));
        all
    }

    fn choice<'a>(selection: Selection, headers: &'a HeaderMap, avoid: &'a [u64]) -> Choice<'a> {
        Choice {
            selection,
            client: [192, 0, 2, 1].into(),
            headers,
            avoid,
        }
    }

    const ALL: [Selection; 5] = [
        Selection::TwoChoices,
        Selection::LeastConnections,
        Selection::RoundRobin,
        Selection::ClientHash,
        Selection::Sticky,
    ];

    proptest! {
        #[test]
        fn whoever_has_room_and_was_not_tried_is_found(
            n in 0_u8..6, full in prop::collection::vec(any::<bool>(), 6),
            tried in prop::collection::vec(any::<bool>(), 6), policy in 0_usize..5,
        ) {
            let usable = upstreams(n);
            let mut flights = Vec::new();
            let mut avoid = Vec::new();
            for (i, upstream) in usable.iter().enumerate() {
                if full[i] {
                    flights.extend((0..4).map(|_| Flight::begin(upstream.clone())));
                }
                if tried[i] {
                    avoid.push(upstream.id);
                }
            }
            let headers = HeaderMap::new();
            let picked = choice(ALL[policy], &headers, &avoid).pick(&usable);
            let fits = |i: usize| !full[i] && !tried[i];
            match picked {
                Ok(upstream) => {
                    let i = usable.iter().position(|other| other.id == upstream.id).unwrap();
                    prop_assert!(fits(i));
                }
                Err(NoChoice::AllFull) => {
                    prop_assert!(!(0..usable.len()).any(fits));
                    prop_assert!((0..usable.len()).any(|i| full[i] && !tried[i]));
                }
                Err(NoChoice::Nobody) => prop_assert!((0..usable.len()).all(|i| tried[i])),
            }
        }
    }

    #[test]
    fn two_choices_leave_the_busiest_alone() {
        let usable = upstreams(3);
        let _flights: Vec<_> = (0..3).map(|_| Flight::begin(usable[0].clone())).collect();
        let headers = HeaderMap::new();
        for _ in 0..100 {
            let picked = choice(Selection::TwoChoices, &headers, &[]).pick(&usable);
            assert_ne!(picked.unwrap().id, usable[0].id);
        }
    }

    /// How many of 3,000 requests each gets, one at a time.
    fn shares(usable: &[Arc<Upstream>]) -> Vec<usize> {
        let headers = HeaderMap::new();
        let mut shares = vec![0; usable.len()];
        for _ in 0..3000 {
            let picked = choice(Selection::TwoChoices, &headers, &[]).pick(usable);
            let id = picked.unwrap().id;
            shares[usable.iter().position(|other| other.id == id).unwrap()] += 1;
        }
        shares
    }

    #[test]
    fn two_choices_share_evenly_among_those_that_are_much_alike() {
        let usable = upstreams(3);
        for (upstream, ms) in usable.iter().zip([2, 4, 8]) {
            upstream.note_latency(Duration::from_millis(ms));
        }
        let shares = shares(&usable);
        assert!(shares.iter().all(|n| (800..1200).contains(n)), "{shares:?}");
    }

    #[test]
    fn two_choices_leave_out_one_that_is_slow() {
        let usable = upstreams(3);
        usable[2].note_latency(Duration::from_millis(100));
        assert_eq!(shares(&usable)[2], 0);
    }

    #[test]
    fn one_that_starts_slowly_gets_its_part() {
        let usable = upstreams(3);
        usable[2].set_weight(0.25);
        let shares = shares(&usable);
        assert!((150..350).contains(&shares[2]), "{shares:?}");
    }

    #[test]
    fn clients_move_only_when_their_upstream_goes() {
        let usable = upstreams(5);
        let headers = HeaderMap::new();
        let at = |client: u8, usable: &[Arc<Upstream>]| {
            let mut choice = choice(Selection::ClientHash, &headers, &[]);
            choice.client = [192, 0, 2, client].into();
            choice.pick(usable).unwrap().id
        };
        let mut shares = HashMap::new();
        for client in 0..=255 {
            let before = at(client, &usable);
            *shares.entry(before).or_insert(0) += 1;
            let after = at(client, &usable[1..]);
            assert!(before == usable[0].id || before == after);
        }
        assert!(
            shares.len() == 5 && shares.values().all(|n| *n > 20),
            "{shares:?}"
        );
    }

    #[test]
    fn a_cookie_sticks_to_its_upstream() {
        let usable = upstreams(5);
        let mut headers = HeaderMap::new();
        let value = format!("a=b; upstream={}", sticky_mark(&usable[3]));
        headers.insert(COOKIE, value.parse().unwrap());
        for _ in 0..20 {
            let picked = choice(Selection::Sticky, &headers, &[]).pick(&usable);
            assert_eq!(picked.unwrap().id, usable[3].id);
        }
        assert_eq!(cookie_to_set(&headers, &usable[3], &usable), None);
    }

    #[test]
    fn a_client_moves_only_when_its_home_is_down_or_gone() {
        let listed = upstreams(3);
        let mut headers = HeaderMap::new();
        assert!(cookie_to_set(&headers, &listed[0], &listed).is_some());
        let value = format!("upstream={}", sticky_mark(&listed[2]));
        headers.insert(COOKIE, value.parse().unwrap());
        assert_eq!(cookie_to_set(&headers, &listed[0], &listed), None);
        assert!(cookie_to_set(&headers, &listed[0], &listed[..2]).is_some());
        listed[2].set_down(true);
        assert!(cookie_to_set(&headers, &listed[0], &listed).is_some());
    }

    #[test]
    fn the_cookie_of_a_secure_connection_stays_on_secure_ones() {
        let usable = upstreams(1);
        let is_secure = |scheme: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
            let cookie = cookie_to_set(&headers, &usable[0], &usable).unwrap();
            cookie.to_str().unwrap().ends_with("; Secure")
        };
        assert!(is_secure("https") && !is_secure("http"));
    }
}
