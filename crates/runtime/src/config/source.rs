//! Where each key came from, so that a mistake can be shown to whoever made it.

use std::fmt;

use toml::{Table, Value};

use super::{ConfigError, FILES_VARIABLE, VARIABLE_PREFIX, set};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    File(String),
    Variable(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => f.write_str(path),
            Source::Variable(name) => write!(f, "environment {name}"),
        }
    }
}

/// All layers in one table, and the source of each of its values.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) table: Table,
    /// In the order of layers.
    sources: Vec<(String, Source)>,
    files: Vec<String>,
    /// Keys whose text has been read as TOML.
    typed: Vec<String>,
}

impl Layers {
    pub(super) fn add_file(&mut self, path: &str) -> Result<(), ConfigError> {
        let failed = |expected| ConfigError {
            place: path.to_owned(),
            key: None,
            expected,
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| failed(format!("expected a readable file: {error}")))?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.unwrap_or_default().matches('\n').count() + 1;
            failed(format!(
                "line {line}: {}",
                error.message().replace('\n', " ")
            ))
        })?;
        let mut leaves = Vec::new();
        collect_leaves(&table, &mut Vec::new(), &mut leaves);
        for (keys, value) in leaves {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            self.put(&keys, value, Source::File(path.to_owned()));
        }
        self.files.push(path.to_owned());
        Ok(())
    }

    pub(super) fn add_variables(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        for (name, text) in variables {
            let Some(path) = name.strip_prefix(VARIABLE_PREFIX) else {
                continue;
            };
            let path = path.to_ascii_lowercase();
            let keys: Vec<&str> = path.split("__").collect();
            let source = Source::Variable(name.clone());
            if keys.iter().any(|key| key.is_empty()) {
                return Err(ConfigError {
                    place: source.to_string(),
                    key: None,
                    expected: format!("expected {VARIABLE_PREFIX}SECTION__KEY"),
                });
            }
            self.put(&keys, Value::String(text), source);
        }
        Ok(())
    }

    fn put(&mut self, keys: &[&str], value: Value, source: Source) {
        set(&mut self.table, keys, value);
        self.sources.push((keys.join("."), source));
    }

    /// Replaces the text of a variable by what it means in TOML. False if this changes nothing.
    pub(super) fn read_text_as_toml(&mut self, path: &str) -> bool {
        let Some((key, Source::Variable(_))) = self.entry(path) else {
            return false;
        };
        let key = key.to_owned();
        let keys: Vec<&str> = key.split('.').collect();
        let Some(Value::String(text)) = get(&self.table, &keys) else {
            return false;
        };
        let typed = format!("v = {text}").parse::<Table>().ok();
        let Some(value) = typed.and_then(|mut table| table.remove("v")) else {
            return false;
        };
        if value.is_str() || self.typed.contains(&key) {
            return false;
        }
        set(&mut self.table, &keys, value);
        self.typed.push(key);
        true
    }

    /// Who set this key, something in it or, if it is missing, something beside it.
    pub(super) fn source_of(&self, path: &str) -> Option<&Source> {
        let within = |section: &str| {
            let prefix = format!("{section}.");
            self.last(|key| key.starts_with(&prefix))
        };
        let beside = || within(path.rsplit_once('.')?.0);
        let entry = self.entry(path).or_else(|| within(path)).or_else(beside);
        entry.map(|(_, source)| source)
    }

    /// The value that holds this path: itself, or the list it is in.
    fn entry(&self, path: &str) -> Option<(&str, &Source)> {
        self.last(|key| {
            let rest = path.strip_prefix(key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    fn last(&self, is_meant: impl Fn(&str) -> bool) -> Option<(&str, &Source)> {
        let found = self.sources.iter().rev().find(|(key, _)| is_meant(key));
        found.map(|(key, source)| (key.as_str(), source))
    }

    /// All files, for what none of them says.
    pub(super) fn names(&self) -> String {
        match &self.files[..] {
            [] => format!("no file in {FILES_VARIABLE}"),
            files => files.join(":"),
        }
    }
}

fn get<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a Value> {
    let (first, rest) = keys.split_first()?;
    rest.iter()
        .try_fold(table.get(*first)?, |value, key| value.get(key))
}

fn collect_leaves(table: &Table, above: &mut Vec<String>, leaves: &mut Vec<(Vec<String>, Value)>) {
    for (key, value) in table {
        above.push(key.clone());
        match value {
            Value::Table(inner) if !inner.is_empty() => collect_leaves(inner, above, leaves),
            leaf => leaves.push((above.clone(), leaf.clone())),
        }
        above.pop();
    }
}
