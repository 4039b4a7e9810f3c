use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::*;
use crate::server::Listen;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Http {
    listen: Listen,
    #[serde(with = "humantime_serde")]
    idle: Duration,
    max_connections: usize,
}

impl Default for Http {
    fn default() -> Http {
        Http {
            listen: Listen(SocketAddr::from(([0, 0, 0, 0], 8080))),
            idle: Duration::from_secs(75),
            max_connections: 10,
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    http: Http,
    #[serde(default)]
    databases: BTreeMap<String, Database>,
    #[serde(default)]
    roles: Vec<Role>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Database {
    name: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Web,
    Worker,
}

struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// What is wrong with this file, its own name shortened to `f`.
    fn mistake(&self, text: &str) -> String {
        let file = self.write("f", text);
        let error = load_from::<Config>([file.as_str()], []).unwrap_err();
        error.to_string().replace(&file, "f")
    }
}

fn variable(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn mistake_in_variable(name: &str, value: &str) -> String {
    let error = load_from::<Config>([], [variable(name, value)]).unwrap_err();
    error.to_string()
}

#[test]
fn later_layers_win_key_by_key() {
    let files = Files::new();
    let base = files.write("base", "[http]\nidle = '5s'\nmax_connections = 20");
    let stage = files.write(
        "stage",
        "roles = ['web']\n[http]\nmax_connections = 30\n[databases]",
    );
    let config: Config = load_from(
        [base.as_str(), stage.as_str()],
        [
            variable("APP__HTTP__LISTEN", "127.0.0.1:1"),
            variable("APP__DATABASES__USERS__NAME", "42"),
            variable("APP__ROLES", "['worker']"),
            variable("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(
        config,
        Config {
            http: Http {
                listen: Listen(SocketAddr::from(([127, 0, 0, 1], 1))),
                idle: Duration::from_secs(5),
                max_connections: 30,
            },
            databases: [("users".to_owned(), Database { name: "42".into() })].into(),
            roles: vec![Role::Worker],
        }
    );
    assert_eq!(
        effective(&config),
        r#"{"http":{"listen":"127.0.0.1:1","idle":"5s","max_connections":30},"databases":{"users":{"name":"42"}},"roles":["worker"]}"#
    );
}

#[test]
fn a_mistake_in_a_file_is_one_line_with_file_key_and_expectation() {
    let files = Files::new();
    for (text, expected) in [
        (
            "http.listen = 'x'",
            r#"f: http.listen: expected an address like 0.0.0.0:8080, got "x""#,
        ),
        (
            "http.listen = 8080",
            "f: http.listen: expected an address like 0.0.0.0:8080, got integer `8080`",
        ),
        (
            "http.idle = 'soon'",
            r#"f: http.idle: expected a duration, got "soon""#,
        ),
        (
            "http.max_connections = -1",
            "f: http.max_connections: expected usize, got integer `-1`",
        ),
        (
            "[http]\nport = 1",
            "f: http.port: unknown key, expected one of `listen`, `idle`, `max_connections`",
        ),
        (
            "roles = ['web', 'cook']",
            "f: roles[1]: unknown value, expected `web` or `worker`",
        ),
        (
            "[databases.users]",
            "f: databases.users.name: expected, but missing",
        ),
        ("http = 1", "f: http: expected struct Http, got integer `1`"),
        ("a = 1\nb = = 2", "f: line 2: extra `=`, expected nothing"),
    ] {
        assert_eq!(files.mistake(text), expected);
    }
}

#[test]
fn a_mistake_is_laid_at_the_door_of_the_layer_that_made_it() {
    let files = Files::new();
    let base = files.write("base", "[http]\nidle = 'soon'");
    let stage = files.write("stage", "[http]\nmax_connections = 1");
    let error = load_from::<Config>([base.as_str(), stage.as_str()], []).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(r#"{base}: http.idle: expected a duration, got "soon""#)
    );
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    for (name, value, expected) in [
        (
            "APP__HTTP__MAX_CONNECTIONS",
            "many",
            r#"environment APP__HTTP__MAX_CONNECTIONS: http.max_connections: expected usize, got "many""#,
        ),
        (
            "APP__HTTP__LISTEN",
            "7",
            "environment APP__HTTP__LISTEN: http.listen: expected an address like 0.0.0.0:8080, got integer `7`",
        ),
        (
            "APP__HTP__LISTEN",
            "x",
            "environment APP__HTP__LISTEN: htp: unknown key, expected one of `http`, `databases`, `roles`",
        ),
        (
            "APP__HTTP__",
            "x",
            "environment APP__HTTP__: expected APP__SECTION__KEY",
        ),
    ] {
        assert_eq!(mistake_in_variable(name, value), expected);
    }
}

#[test]
fn a_file_that_is_not_there_is_a_mistake() {
    let error = load_from::<Config>(["/nowhere.toml"], []).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nowhere.toml: expected a readable file: No such file or directory (os error 2)"
    );
}
