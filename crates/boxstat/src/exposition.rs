//! Prometheus' text format, version 0.0.4.

use std::fmt::Write;

/// Figures, written down one name after the other.
#[derive(Debug, Default)]
pub struct Exposition(String);

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

    /// Begins the samples of a name. All of them belong here: a name comes once.
    pub fn family<'a>(&'a mut self, kind: Kind, name: &'a str) -> Family<'a> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(self.0, "# TYPE {name} {kind}");
        Family {
            text: &mut self.0,
            name,
        }
    }

    /// Takes over what another program wrote in this format, and adds a label to each sample. Of
    /// the comments those that name a type are kept.
    pub fn include(&mut self, text: &str, (label, value): (&str, &str)) {
        for line in text.lines() {
            if line.starts_with("# TYPE ") {
                let _ = writeln!(self.0, "{line}");
            } else if let Some((name, rest)) = line.split_once('{') {
                let _ = writeln!(self.0, "{name}{{{label}=\"{}\",{rest}", Escaped(value));
            } else if let Some((name, rest)) = line.split_once(' ')
                && name != "#"
            {
                let _ = writeln!(self.0, "{name}{{{label}=\"{}\"}} {rest}", Escaped(value));
            }
        }
    }

    pub fn into_text(self) -> String {
        self.0
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
}
