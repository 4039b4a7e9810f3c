//! Secrets are configured as paths: values in files can have owners and modes.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A secret, read from the file that the configuration names when it is loaded. The newline at its
/// end, which editors add, is not part of it. Shows its path, never itself.
#[derive(Clone)]
pub struct Secret {
    file: PathBuf,
    value: SecretString,
}

impl Secret {
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        let file = PathBuf::deserialize(deserializer)?;
        let text = std::fs::read_to_string(&file).map_err(|error| {
            let file = file.display();
            D::Error::custom(format!(
                "expected a file with a secret, got {file}: {error}"
            ))
        })?;
        let value = text.strip_suffix('\n').unwrap_or(&text);
        let value = value.strip_suffix('\r').unwrap_or(value);
        if value.is_empty() {
            let file = file.display();
            return Err(D::Error::custom(format!(
                "expected a file with a secret, got {file}: it is empty"
            )));
        }
        let value = value.into();
        Ok(Secret { file, value })
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.file.serialize(serializer)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.file.display())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_read_from_its_file_and_never_shown() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "horse").unwrap();
        let secret: Secret = serde_json::from_value(json!(file.path())).unwrap();
        assert_eq!(secret.expose(), "horse");
        let shown = format!("{secret:?} {}", serde_json::to_string(&secret).unwrap());
        assert!(!shown.contains("horse"), "{shown}");
    }

    #[test]
    fn a_file_without_a_secret_is_named() {
        for text in ["", "\n", "\r\n"] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let error = serde_json::from_value::<Secret>(json!(file.path())).unwrap_err();
            let file = file.path().display();
            let expected = format!("expected a file with a secret, got {file}: it is empty");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = serde_json::from_value::<Secret>(json!("/run/secrets/x")).unwrap_err();
        let expected =
            "expected a file with a secret, got /run/secrets/x: No such file or directory";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
