//! The box's file: which processes, in which order, how each is known to be ready and is stopped.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BoxConfig {
    /// Where `GET /metrics` is answered; without it, nowhere.
    pub(crate) figures: Option<SocketAddr>,
    /// In starting order; they are stopped in the reverse order.
    #[serde(rename = "process")]
    pub(crate) processes: Vec<ProcessConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessConfig {
    /// Names the process in the log.
    pub(crate) name: String,
    pub(crate) command: CommandLine,
    /// Runs to a successful end before the first start; once it succeeded, never again.
    pub(crate) prepare: Option<CommandLine>,
    /// Added to the environment that boxd itself was given, for `prepare` too.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Without it a process counts as ready as soon as it runs.
    pub(crate) ready: Option<Ready>,
    #[serde(default = "sigterm", deserialize_with = "signal")]
    pub(crate) stop_signal: Signal,
    /// After this long the process is killed.
    #[serde(default = "ten_seconds", with = "humantime_serde")]
    pub(crate) stop_timeout: Duration,
    /// What a SIGHUP to boxd becomes for this process. Without it the process is not told, as a
    /// SIGHUP ends software that does not know it.
    #[serde(default, deserialize_with = "some_signal")]
    pub(crate) reload_signal: Option<Signal>,
    /// Who reports the figures that the process itself keeps.
    pub(crate) figures: Option<ReporterConfig>,
}

/// A program that runs beside a ready process. Each time it reads `ask` and a line feed, it writes
/// figures as Prometheus reads them, and then the line `# EOF`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReporterConfig {
    pub(crate) command: CommandLine,
    pub(crate) ask: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ready {
    pub(crate) at: Endpoint,
    /// A process that is not ready by then is stopped and started anew.
    #[serde(with = "humantime_serde")]
    pub(crate) deadline: Duration,
}

/// Something a ready process accepts connections on: `tcp:127.0.0.1:5432` or `unix:/run/app.sock`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl TryFrom<String> for Endpoint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let expected = r#"expected "tcp:ADDRESS:PORT" or "unix:/PATH""#;
        if let Some(address) = text.strip_prefix("tcp:") {
            address.parse().map(Self::Tcp).map_err(|_| expected)
        } else if let Some(path) = text.strip_prefix("unix:/") {
            Ok(Self::Unix(Path::new("/").join(path)))
        } else {
            Err(expected)
        }
    }
}

/// A program and its arguments, as one list.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(crate) struct CommandLine {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
}

impl TryFrom<Vec<String>> for CommandLine {
    type Error = String;

    fn try_from(mut words: Vec<String>) -> Result<Self, Self::Error> {
        if words.is_empty() {
            return Err("expected a list that begins with a program".to_owned());
        }
        let program = words.remove(0);
        if program.starts_with('/') && !Path::new(&program).is_file() {
            return Err(format!("expected a program, found no file {program}"));
        }
        Ok(Self {
            program,
            args: words,
        })
    }
}

/// A mistake in the box's file, as one line: file, key, expectation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Mistake {
    #[error("{}: expected a readable file: {error}", file.display())]
    Unreadable {
        file: PathBuf,
        error: std::io::Error,
    },
    #[error("{}:{line}: {expected}", file.display())]
    Syntax {
        file: PathBuf,
        line: usize,
        expected: OneLine,
    },
    #[error("{}: {key}: {expected}", file.display())]
    Value {
        file: PathBuf,
        key: String,
        expected: OneLine,
    },
}

/// A message of the TOML parser, which may span lines.
#[derive(Debug)]
pub(crate) struct OneLine(String);

impl fmt::Display for OneLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.replace('\n', ", "))
    }
}

impl BoxConfig {
    /// Reads a box's file; unknown keys are mistakes.
    pub(crate) fn load(file: &Path) -> Result<Self, Mistake> {
        let text = std::fs::read_to_string(file).map_err(|error| Mistake::Unreadable {
            file: file.to_owned(),
            error,
        })?;
        let document = toml::Deserializer::parse(&text).map_err(|error| Mistake::Syntax {
            file: file.to_owned(),
            line: line_of(&text, &error),
            expected: OneLine(error.message().to_owned()),
        })?;
        let config: Self =
            serde_path_to_error::deserialize(document).map_err(|error| Mistake::Value {
                file: file.to_owned(),
                key: error.path().to_string(),
                expected: OneLine(error.inner().message().to_owned()),
            })?;
        config.check().map_err(|(key, expected)| Mistake::Value {
            file: file.to_owned(),
            key,
            expected: OneLine(expected.to_owned()),
        })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), (String, &'static str)> {
        if self.processes.is_empty() {
            return Err(("process".to_owned(), "expected at least one process"));
        }
        let mut names = HashSet::new();
        for (i, process) in self.processes.iter().enumerate() {
            if !names.insert(&process.name) {
                let expected = "expected a name no earlier process has";
                return Err((format!("process[{i}].name"), expected));
            }
        }
        Ok(())
    }
}

fn line_of(text: &str, error: &toml::de::Error) -> usize {
    let offset = error.span().map_or(0, |span| span.start);
    1 + text
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
}

fn sigterm() -> Signal {
    Signal::SIGTERM
}

/// What Docker, too, gives a container by default.
fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn signal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Signal, D::Error> {
    let name = String::deserialize(deserializer)?;
    Signal::from_str(&name).map_err(|_| {
        D::Error::custom(format!(
            r#"expected a signal such as "SIGTERM", not {name:?}"#
        ))
    })
}

fn some_signal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Signal>, D::Error> {
    signal(deserializer).map(Some)
}
