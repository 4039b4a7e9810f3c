//! `deploy/bootstrap/k6-in-docker`, with a `docker` that only writes down what it is asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// `docker run` stays until `docker stop`.
const DOCKER: &str = r#"#!/bin/sh
cd "${0%/*}"
echo "$*" >>asked
case $1 in
  stop) touch stopped ;;
  run)
    case "$*" in *" version") exit 99 ;; esac
    touch running
    until [ -e stopped ] || [ ! -e running ]; do sleep 0.05; done ;;
esac
"#;

fn start(folder: &Path, args: &[&str]) -> Child {
    let docker = folder.join("docker");
    fs::write(&docker, DOCKER).expect("a docker");
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).expect("a program");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/bootstrap/k6-in-docker");
    let path = std::env::var("PATH").expect("a PATH");
    Command::new(script)
        .args(args)
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("DATABASE_PASSWORD", "secret")
        .env("BASE_URL", "http://127.0.0.1:8080")
        .env("K6_WEB_DASHBOARD", "true")
        .spawn()
        .expect("it starts")
}

#[test]
fn only_what_load_tests_read_goes_in_and_the_outcome_comes_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut k6 = start(folder.path(), &["version"]);
    assert_eq!(k6.wait().expect("an end").code(), Some(99));
    let asked = fs::read_to_string(folder.path().join("asked")).expect("a question");
    assert!(asked.contains("--env BASE_URL"), "{asked}");
    assert!(asked.contains("--env K6_WEB_DASHBOARD"), "{asked}");
    assert!(!asked.contains("DATABASE_PASSWORD"), "{asked}");
}

#[test]
fn its_container_ends_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut k6 = start(folder.path(), &["run", "smoke.js"]);
    let started = Instant::now();
    while !folder.path().join("running").exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "it never runs");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = k6.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(sent.expect("kill").success());
    assert_eq!(k6.wait().expect("an end").code(), Some(143));
    let asked = fs::read_to_string(folder.path().join("asked")).expect("questions");
    let stop = format!("stop --time 5 stagecraft-k6-{pid}");
    assert!(asked.lines().any(|line| line == stop), "{asked}");
}
