//! The program as it ships: `orders`, its binary.

use testkit::{Database, Process};

const BINARY: &str = env!("CARGO_BIN_EXE_orders");

#[tokio::test]
async fn it_starts_answers_and_ends_when_asked() {
    let database = Database::create().await;
    let mail = tempfile::tempdir().expect("a folder");
    let config = format!(
        "{}[domains]\nusers = \"http://127.0.0.1:9\"\ninventory = \"http://127.0.0.1:9\"\n[mail]\ndir = \"{}\"\n",
        database.section("orders"),
        mail.path().display()
    );
    let mut orders = Process::start(BINARY, &config);
    orders.wait_until_ready();
    assert_eq!(orders.get("/api/v1/orders"), Some(401));
    assert_eq!(orders.terminate().code(), Some(0));
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
