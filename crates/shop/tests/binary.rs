//! The program as it ships: `shop`, its binary.

use testkit::{Database, Process};

const BINARY: &str = env!("CARGO_BIN_EXE_shop");

#[tokio::test]
async fn it_starts_answers_and_ends_when_asked() {
    let database = Database::create().await;
    let mail = tempfile::tempdir().expect("a folder");
    let config = format!(
        "{}{}{}[shop]\nroles = [\"web\", \"worker\"]\n[mail]\ndir = \"{}\"\n[seed]\nproducts = 60\nusers = 20\norders = 200\n",
        database.section("users"),
        database.section("inventory"),
        database.section("orders"),
        mail.path().display()
    );
    let mut shop = Process::start(BINARY, &config);
    shop.wait_until_ready();
    assert_eq!(shop.get("/products"), Some(200));
    assert_eq!(shop.get("/api/v1/products"), Some(200));
    assert_eq!(shop.terminate().code(), Some(0));
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
