//! The program as it ships: `users`, its binary.

use testkit::{Database, Process};

const BINARY: &str = env!("CARGO_BIN_EXE_users");

#[tokio::test]
async fn it_starts_answers_and_ends_when_asked() {
    let database = Database::create().await;

    let config = database.section("users");
    let mut users = Process::start(BINARY, &config);
    users.wait_until_ready();
    assert_eq!(users.get("/api/v1/users/me"), Some(401));
    assert_eq!(users.terminate().code(), Some(0));
}

#[test]
fn a_mistake_in_the_configuration_is_one_line() {
    let output = Process::refused(BINARY, "[http]\nlisen = \"0.0.0.0:8080\"\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("config.toml") && said.contains("lisen"),
        "{said}"
    );
}
