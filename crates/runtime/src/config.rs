//! Configuration from layers: built-in defaults < TOML files < environment; and every mistake as
//! one line that names where, which key, and what was expected.
//!
//! Invariant: unknown keys are errors. Every configuration struct says `deny_unknown_fields`.

pub mod positive;
mod source;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use source::Layers;

/// Names the TOML files to read, separated by colons; later ones win.
pub const FILES_VARIABLE: &str = "APP_CONFIG_FILES";

/// Sets single keys: `APP__HTTP__LISTEN` is `http.listen`.
pub const VARIABLE_PREFIX: &str = "APP__";

/// A mistake in the configuration, on one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// A file, or a variable of the environment.
    place: String,
    key: Option<String>,
    expected: String,
}

impl ConfigError {
    /// A mistake that only shows when the value is used, such as a file that is not there. `key` is
    /// the section; the error's own text goes on from there.
    pub fn in_use(key: &str, error: impl fmt::Display) -> ConfigError {
        ConfigError {
            place: std::env::var(FILES_VARIABLE).unwrap_or_else(|_| FILES_VARIABLE.to_owned()),
            key: None,
            expected: format!("{key}.{error}"),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.expected)
    }
}

/// Reads the configuration of this process.
pub fn load<T: DeserializeOwned>() -> Result<T, ConfigError> {
    let files = std::env::var(FILES_VARIABLE).unwrap_or_default();
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into()))
    });
    load_from(files.split(':').filter(|f| !f.is_empty()), variables)
}

/// Reads a configuration from these files, later ones winning, and these variables.
pub fn load_from<'a, T: DeserializeOwned>(
    files: impl IntoIterator<Item = &'a str>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let mut layers = Layers::default();
    for file in files {
        layers.add_file(file)?;
    }
    layers.add_variables(variables)?;
    loop {
        let table = Value::Table(layers.table.clone());
        let error = match serde_path_to_error::deserialize(table) {
            Ok(config) => return Ok(config),
            Err(error) => error,
        };
        let path = error.path().to_string();
        // The environment knows text only. What does not fit as text is read as TOML: a number, a list.
        if !layers.read_text_as_toml(&path) {
            return Err(mistake(&layers, &path, error.inner().message()));
        }
    }
}

/// The configuration in effect as one line, for the log. Secrets show the paths of their files.
pub fn effective<T: Serialize>(config: &T) -> String {
    serde_json::to_string(config).unwrap_or_else(|error| error.to_string())
}

fn mistake(layers: &Layers, path: &str, message: &str) -> ConfigError {
    let (key, expected) = match quoted(message, "missing field ") {
        // The path ends at the section that lacks it.
        Some(field) if path == "." => (field.to_owned(), "expected, but missing".to_owned()),
        Some(field) => (
            format!("{path}.{field}"),
            "expected, but missing".to_owned(),
        ),
        None => (path.to_owned(), expectation(message)),
    };
    let place = match layers.source_of(&key) {
        Some(source) => source.to_string(),
        None => layers.names(),
    };
    ConfigError {
        place,
        key: Some(key),
        expected,
    }
}

/// serde's messages say what came, then what was expected; people want it the other way round.
fn expectation(message: &str) -> String {
    let told = ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .find_map(|kind| message.strip_prefix(kind))
        .and_then(|rest| rest.rsplit_once(", expected "));
    if let Some((got, expected)) = told {
        let got = got.strip_prefix("string ").unwrap_or(got);
        return format!("expected {expected}, got {got}");
    }
    for (kind, what) in [("unknown field ", "key"), ("unknown variant ", "value")] {
        if let (Some(_), Some((_, expected))) =
            (quoted(message, kind), message.split_once(", expected "))
        {
            return format!("unknown {what}, expected {expected}");
        }
    }
    message.lines().next().unwrap_or_default().to_owned()
}

/// The `name` in "missing field `name`".
fn quoted<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = message.strip_prefix(prefix)?.strip_prefix('`')?;
    rest.split_once('`').map(|(name, _)| name)
}

/// Sets `path` in a table, making the sections on the way.
fn set(table: &mut Table, path: &[&str], value: Value) {
    let [section, rest @ ..] = path else { return };
    let entry = table
        .entry(*section)
        .or_insert_with(|| Value::Table(Table::new()));
    match (rest, &mut *entry) {
        // An empty section takes nothing away from an earlier one.
        ([], Value::Table(_)) if value.as_table().is_some_and(Table::is_empty) => {}
        ([], _) => *entry = value,
        (_, Value::Table(inner)) => set(inner, rest, value),
        (_, _) => {
            let mut inner = Table::new();
            set(&mut inner, rest, value);
            *entry = Value::Table(inner);
        }
    }
}

#[cfg(test)]
mod tests;
