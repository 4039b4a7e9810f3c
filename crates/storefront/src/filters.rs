//! How numbers and dates read on pages.

#![expect(unreachable_pub, reason = "what `filter_fn` generates is public")]

use std::borrow::Borrow;
use std::time::Duration;

use askama::{Result, Values};
use chrono::{DateTime, Utc};

/// Cents as people write them: `€ 1,234.50`.
#[askama::filter_fn]
pub(crate) fn money(cents: impl Borrow<i64>, _: &dyn Values) -> Result<String> {
    Ok(euros(*cents.borrow()))
}

/// `1,234`. No count of ours is negative.
#[askama::filter_fn]
pub(crate) fn count(number: impl Borrow<i64>, _: &dyn Values) -> Result<String> {
    Ok(grouped(number.borrow().unsigned_abs()))
}

/// `23 Nov 2026, 22:04 UTC`.
#[askama::filter_fn]
pub(crate) fn moment(time: impl Borrow<DateTime<Utc>>, _: &dyn Values) -> Result<String> {
    Ok(time.borrow().format("%-d %b %Y, %H:%M UTC").to_string())
}

/// As `<time datetime>` wants it.
#[askama::filter_fn]
pub(crate) fn iso(time: impl Borrow<DateTime<Utc>>, _: &dyn Values) -> Result<String> {
    Ok(time.borrow().format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Milliseconds with two digits: `0.82`.
#[askama::filter_fn]
pub(crate) fn ms(duration: impl Borrow<Duration>, _: &dyn Values) -> Result<String> {
    Ok(format!("{:.2}", duration.borrow().as_secs_f64() * 1e3))
}

fn euros(cents: i64) -> String {
    let sign = if cents < 0 { "\u{2212}" } else { "" };
    let (whole, rest) = (cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
    // A space that no line breaks at.
    format!("{sign}€\u{a0}{}.{rest:02}", grouped(whole))
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::euros;

    #[test]
    fn money_reads_like_money() {
        let read = [0, 5, 1_250, 123_450, 100_000_000, -995].map(euros);
        assert_eq!(
            read.map(|text| text.replace('\u{a0}', " ")),
            [
                "€ 0.00",
                "€ 0.05",
                "€ 12.50",
                "€ 1,234.50",
                "€ 1,000,000.00",
                "−€ 9.95"
            ]
        );
        assert!(euros(i64::MIN).starts_with('\u{2212}'));
    }
}
