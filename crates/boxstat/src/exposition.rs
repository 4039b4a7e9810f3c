//! Prometheus' text format, version 0.0.4.

use std::fmt::Write;

/// Figures, written down one name after the other: all samples of a name together, as the format asks,
/// whoever they are of.
#[derive(Debug, Default)]
pub struct Exposition(Vec<Named>);

/// What there is of one name: its type, where it has one, and its samples.
#[derive(Debug)]
struct Named {
    name: String,
    text: String,
}

/// Samples of one name; see [`Exposition::family`].
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Exposition {
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4";

    /// Begins or goes on with the samples of a name.
    pub fn family<'a>(&'a mut self, kind: Kind, name: &'a str) -> Family<'a> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let text = self.named(name);
        if text.is_empty() {
            let _ = writeln!(text, "# TYPE {name} {kind}");
        }
        Family { text, name }
    }

    /// Takes over what another program wrote in this format, and adds a label to each sample. Of
    /// the comments those that name a type are kept, where the name is new.
    pub fn include(&mut self, text: &str, (label, value): (&str, &str)) {
        let mut typed = "";
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# TYPE ") {
                typed = comment.split(' ').next().unwrap_or_default();
                let text = self.named(typed);
                if text.is_empty() {
                    let _ = writeln!(text, "{line}");
                }
            } else if let Some((name, rest)) = line.split_once('{') {
                let text = self.named(family_of(name, typed));
                let _ = writeln!(text, "{name}{{{label}=\"{}\",{rest}", Escaped(value));
            } else if let Some((name, rest)) = line.split_once(' ')
                && name != "#"
            {
                let text = self.named(family_of(name, typed));
                let _ = writeln!(text, "{name}{{{label}=\"{}\"}} {rest}", Escaped(value));
            }
        }
    }

    /// What was written of this name so far.
    fn named(&mut self, name: &str) -> &mut String {
        let known = self.0.iter().rposition(|named| named.name == name);
        let index = known.unwrap_or_else(|| {
            self.0.push(Named {
                name: name.to_owned(),
                text: String::new(),
            });
            self.0.len() - 1
        });
        &mut self.0[index].text
    }

    pub fn into_text(self) -> String {
        self.0.into_iter().map(|named| named.text).collect()
    }
}

/// A sample belongs to the type that was named last, if it has that name or is a part of that histogram.
fn family_of<'a>(sample: &'a str, typed: &'a str) -> &'a str {
    match sample.strip_prefix(typed) {
        Some("" | "_bucket" | "_sum" | "_count") => typed,
        _ => sample,
    }
}

impl Family<'_> {
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.part("", labels, value);
    }

    /// One histogram: `counts` has one more than there are `bounds`, for what lies beyond the last.
    pub fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        bounds: impl Iterator<Item = f64>,
        counts: impl Iterator<Item = u64>,
        sum: f64,
    ) {
        let mut total = 0;
        let bounds = bounds.map(|bound| bound.to_string());
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(counts) {
            total += count;
            let labels = [labels, &[("le", bound.as_str())]].concat();
            self.part("_bucket", &labels, total as f64);
        }
        self.part("_sum", labels, sum);
        self.part("_count", labels, total as f64);
    }

    fn part(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        let _ = write!(self.text, "{}{suffix}{{", self.name);
        for (i, (label, value)) in labels.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let _ = write!(self.text, "{comma}{label}=\"{}\"", Escaped(value));
        }
        let _ = writeln!(self.text, "}} {value}");
    }
}

/// The value of a label: backslash, quote and line feed are escaped.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for char in self.0.chars() {
            match char {
                '\\' | '"' => write!(f, "\\{char}")?,
                '\n' => f.write_str("\\n")?,
                _ => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_samples_under_their_type() {
        let mut out = Exposition::default();
        let mut bytes = out.family(Kind::Counter, "bytes_total");
        bytes.sample(&[("box", "web"), ("direction", "receive")], 12345678901.0);
        bytes.sample(&[("box", "a\"b\\c\nd")], 0.25);
        assert_eq!(
            out.into_text(),
            "# TYPE bytes_total counter\n\
             bytes_total{box=\"web\",direction=\"receive\"} 12345678901\n\
             bytes_total{box=\"a\\\"b\\\\c\\nd\"} 0.25\n"
        );
    }

    #[test]
    fn labels_what_others_wrote() {
        let mut out = Exposition::default();
        let theirs = "# HELP pg_up says\n# TYPE pg_up gauge\npg_up 1\n\npg_locks{mode=\"a b\"} 2\n";
        out.include(theirs, ("box", "db"));
        assert_eq!(
            out.into_text(),
            "# TYPE pg_up gauge\npg_up{box=\"db\"} 1\npg_locks{box=\"db\",mode=\"a b\"} 2\n"
        );
    }

    #[test]
    fn samples_of_a_name_stay_together() {
        let mut out = Exposition::default();
        for store in ["sessions", "cache"] {
            let theirs = format!(
                "# TYPE keys gauge\nkeys{{store=\"{store}\"}} 1\n\
                 # TYPE took histogram\ntook_bucket{{le=\"+Inf\"}} 2\ntook_sum 3\nkeys_old 4\n"
            );
            out.include(&theirs, ("box", store));
        }
        let mut keys = out.family(Kind::Gauge, "keys");
        keys.sample(&[("store", "ours")], 5.0);
        assert_eq!(
            out.into_text(),
            "# TYPE keys gauge\n\
             keys{box=\"sessions\",store=\"sessions\"} 1\n\
             keys{box=\"cache\",store=\"cache\"} 1\n\
             keys{store=\"ours\"} 5\n\
             # TYPE took histogram\n\
             took_bucket{box=\"sessions\",le=\"+Inf\"} 2\n\
             took_sum{box=\"sessions\"} 3\n\
             took_bucket{box=\"cache\",le=\"+Inf\"} 2\n\
             took_sum{box=\"cache\"} 3\n\
             keys_old{box=\"sessions\"} 4\n\
             keys_old{box=\"cache\"} 4\n"
        );
    }
}
