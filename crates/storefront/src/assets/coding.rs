//! Content codings: which there are, and which of them a client wants.

use std::cmp::Reverse;

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// In order of preference, where a client has none: the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Coding {
    Brotli,
    Gzip,
    /// The asset as it is.
    Identity,
}

impl Coding {
    pub(super) const PACKED: [Coding; 2] = [Coding::Brotli, Coding::Gzip];

    /// As headers name it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
            Coding::Identity => "identity",
        }
    }

    /// What follows an asset's name in the name of its packed file.
    pub(super) const fn ending(self) -> &'static str {
        match self {
            Coding::Brotli => ".br",
            Coding::Gzip => ".gz",
            Coding::Identity => "",
        }
    }
}

/// The one of `there` that the client likes best (RFC 9110, 12.5.3), and the asset as it is for a
/// client that likes none: what it cannot read it would refuse itself.
pub(super) fn choose(headers: &HeaderMap, there: impl Iterator<Item = Coding>) -> Coding {
    let wishes: Vec<_> = wishes(headers).collect();
    let weight = |coding: Coding| {
        let of = |name: &str| {
            let mut named = wishes
                .iter()
                .filter(|wish| wish.0.eq_ignore_ascii_case(name));
            named.next().map(|wish| wish.1)
        };
        // Whoever does not mention packed assets may not know them.
        of(coding.name()).or_else(|| of("*")).unwrap_or(0)
    };
    there
        .map(|coding| (weight(coding), Reverse(coding)))
        .filter(|(weight, _)| *weight > 0)
        .max()
        .map_or(Coding::Identity, |(_, Reverse(coding))| coding)
}

/// The codings that a client names, each with its weight in thousandths.
fn wishes(headers: &HeaderMap) -> impl Iterator<Item = (&str, u16)> {
    let values = headers.get_all(ACCEPT_ENCODING).into_iter();
    let wishes = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    wishes.map(|wish| match wish.split_once(';') {
        Some((name, weight)) => (name.trim(), thousandths(weight.trim())),
        None => (wish.trim(), 1_000),
    })
}

/// Of `q=0.5`: 500 (RFC 9110, 12.4.2). What is no weight counts as 0: packed is only who surely can.
fn thousandths(weight: &str) -> u16 {
    let digits = weight.strip_prefix(['q', 'Q']);
    let number = digits.and_then(|rest| rest.strip_prefix('='));
    match number.map(str::parse::<f32>) {
        Some(Ok(q @ 0.0..=1.0)) => (q * 1_000.0).round() as u16,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::Coding::{self, Brotli, Gzip, Identity};
    use super::*;

    fn choose_of(accept: &[&str], there: &[Coding]) -> Coding {
        let headers = accept
            .iter()
            .map(|value| (ACCEPT_ENCODING, value.parse().unwrap()))
            .collect();
        choose(&headers, there.iter().copied())
    }

    #[test]
    fn chooses_what_the_client_likes_best() {
        for (accept, expected) in [
            // As browsers ask: with TLS, and without.
            ("gzip, deflate, br, zstd", Brotli),
            ("gzip, deflate", Gzip),
            // Nothing said, nothing known, nothing wanted.
            ("", Identity),
            ("zstd", Identity),
            ("identity", Identity),
            // Weights; among equals the smallest.
            ("gzip;q=1.0, br;q=0.9", Gzip),
            ("gzip;q=0.001, br;q=0.002", Brotli),
            ("identity;q=0.5, gzip;q=0.4", Identity),
            ("identity;q=0.5, gzip;q=0.5", Gzip),
            ("br ; q=1 , gzip ; q=1", Brotli),
            // Never means never.
            ("br;q=0, gzip", Gzip),
            ("br;q=0.000, gzip;q=0", Identity),
            ("identity;q=0", Identity),
            // All others.
            ("*", Brotli),
            ("br;q=0, *", Gzip),
            ("gzip, *;q=0", Gzip),
            ("*;q=0", Identity),
            ("*;q=0.5, identity;q=0.9", Identity),
            // The name and its weight in any case; a weight that is none.
            ("GZIP;Q=0.5", Gzip),
            ("br;q=2, gzip;q=nan", Identity),
            ("br;level=1, gzip;q=", Identity),
            ("br;q=-0.1, gzip;q=0.1", Gzip),
            ("brotli, x", Identity),
        ] {
            assert_eq!(
                choose_of(&[accept], &[Brotli, Gzip, Identity]),
                expected,
                "{accept:?}"
            );
        }
    }

    #[test]
    fn reads_a_list_over_several_lines() {
        let there = [Brotli, Gzip, Identity];
        assert_eq!(choose_of(&["deflate", "br;q=0, gzip"], &there), Gzip);
        assert_eq!(choose_of(&[], &there), Identity);
    }

    #[test]
    fn chooses_only_what_is_there() {
        assert_eq!(choose_of(&["gzip, br"], &[Gzip, Identity]), Gzip);
        assert_eq!(choose_of(&["gzip, br"], &[Identity]), Identity);
        assert_eq!(choose_of(&["gzip"], &[Brotli, Identity]), Identity);
    }
}
