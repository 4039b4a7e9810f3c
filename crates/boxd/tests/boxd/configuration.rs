//! Every mistake in a box's file gives one line (file, key, expectation) and exit code 2.

use std::fs;
use std::process::Command;

#[track_caller]
fn assert_mistake(config: &str, expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("box.toml");
    fs::write(&file, config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_boxd"))
        .arg(&file)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, format!("boxd: {}{expected}\n", file.display()));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn rejects_an_unknown_key() {
    assert_mistake(
        "[[process]]\nname = 'a'\ncommand = ['true']\nstop_signla = 'SIGINT'",
        ": process[0].stop_signla: unknown field `stop_signla`, expected one of `name`, `command`, \
         `prepare`, `env`, `ready`, `stop_signal`, `stop_timeout`, `reload_signal`, `figures`",
    );
}

#[test]
fn rejects_a_missing_key() {
    assert_mistake(
        "[[process]]\nname = 'a'",
        ": process[0]: missing field `command`",
    );
}

#[test]
fn rejects_no_process() {
    assert_mistake("process = []", ": process: expected at least one process");
}

#[test]
fn rejects_two_processes_of_one_name() {
    assert_mistake(
        "process = [{ name = 'a', command = ['true'] }, { name = 'a', command = ['true'] }]",
        ": process[1].name: expected a name no earlier process has",
    );
}

#[test]
fn rejects_a_program_that_is_not_there() {
    assert_mistake(
        "[[process]]\nname = 'a'\ncommand = ['/nowhere/redis-server']",
        ": process[0].command: expected a program, found no file /nowhere/redis-server",
    );
}

#[test]
fn rejects_an_empty_command() {
    assert_mistake(
        "[[process]]\nname = 'a'\ncommand = []",
        ": process[0].command: expected a list that begins with a program",
    );
}

#[test]
fn rejects_an_unknown_signal() {
    assert_mistake(
        "[[process]]\nname = 'a'\ncommand = ['true']\nstop_signal = 'INT'",
        r#": process[0].stop_signal: expected a signal such as "SIGTERM", not "INT""#,
    );
}

#[test]
fn rejects_a_time_without_a_unit() {
    assert_mistake(
        "[[process]]\nname = 'a'\ncommand = ['true']\nstop_timeout = 30",
        ": process[0].stop_timeout: invalid type: integer `30`, expected a duration",
    );
}

#[test]
fn rejects_an_endpoint_of_no_known_kind() {
    assert_mistake(
        "[[process]]\nname = 'a'\ncommand = ['true']\n\
         ready = { at = 'localhost:5432', deadline = '1s' }",
        r#": process[0].ready.at: expected "tcp:ADDRESS:PORT" or "unix:/PATH""#,
    );
}

#[test]
fn names_the_line_of_a_syntax_error() {
    assert_mistake(
        "[[process]]\nname = a",
        ":2: string values must be quoted, expected literal string",
    );
}

#[test]
fn names_a_file_that_is_not_there() {
    let output = Command::new(env!("CARGO_BIN_EXE_boxd"))
        .arg("/nowhere/box.toml")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let expected = "boxd: /nowhere/box.toml: expected a readable file: No such file or directory";
    assert!(stderr.starts_with(expected), "{stderr}");
    assert_eq!(output.status.code(), Some(2));
}
