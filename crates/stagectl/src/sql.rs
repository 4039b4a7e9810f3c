//! The database that tests use, and the check that every query in the code fits the schema.
//!
//! `sqlx::query!` reads its types from `.sqlx/`, so that nobody needs a database to build. That folder
//! is made here, by compiling against a real Postgres that has all migrations.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::compose::Compose;
use crate::console;
use crate::test::cargo;

const PROJECT: &str = "stagecraft-test-db";

fn file(compose: &Compose) -> PathBuf {
    compose.root().join("docker-compose/test-db.yml")
}

async fn docker_compose(compose: &Compose, args: &[&str]) -> anyhow::Result<()> {
    let file = file(compose);
    let mut all = vec![
        "compose",
        "--project-name",
        PROJECT,
        "--file",
        file.to_str().context("path")?,
    ];
    all.extend(args);
    compose.stream(&all, Duration::from_secs(1800)).await
}

/// Starts it, empty, and gives its address, without a database's name.
pub(crate) async fn start_database(compose: &Compose) -> anyhow::Result<String> {
    console::step("starting the tests' database");
    docker_compose(compose, &["up", "--detach", "--wait"]).await?;
    let port = std::env::var("TEST_DB_PORT").unwrap_or_else(|_| "5434".to_owned());
    Ok(format!("postgres://postgres@127.0.0.1:{port}"))
}

pub(crate) async fn stop_database(compose: &Compose) -> anyhow::Result<()> {
    docker_compose(compose, &["down", "--volumes"]).await
}

/// Whether `.sqlx/` says what this schema says.
pub(crate) async fn check_queries(compose: &Compose, database: &str) -> anyhow::Result<()> {
    let fresh = compose.root().join("target/sqlx");
    describe_queries(compose, database, &fresh).await?;
    let (kept, fresh) = (read(&compose.root().join(".sqlx"))?, read(&fresh)?);
    if kept != fresh {
        let differs = |name: &&String| kept.get(*name) != fresh.get(*name);
        let names: Vec<_> = kept.keys().chain(fresh.keys()).filter(differs).collect();
        bail!(
            ".sqlx is not what the queries and the schema are now ({} differ): ./stage prepare",
            names.len()
        );
    }
    console::say(&format!("{} queries fit the schema", kept.len()));
    Ok(())
}

/// Writes `.sqlx/` anew.
pub(crate) async fn prepare(compose: &Compose) -> anyhow::Result<bool> {
    let database = start_database(compose).await?;
    let described = describe_queries(compose, &database, &compose.root().join(".sqlx")).await;
    stop_database(compose).await?;
    described?;
    Ok(true)
}

/// Compiles the crates that have SQL against a database with all migrations; the macros write what they
/// learned into `folder`.
async fn describe_queries(compose: &Compose, database: &str, folder: &Path) -> anyhow::Result<()> {
    let root = compose.root();
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder)?;
    for domain in DOMAINS {
        // The macros speak only when their crate is compiled.
        fs::File::open(root.join(format!("crates/{domain}/src/lib.rs")))?
            .set_modified(std::time::SystemTime::now())?;
    }
    let folder = folder.to_str().context("path")?;
    create_schemas(compose).await?;
    let database = format!("{database}/queries");
    let mut args = vec!["check", "--quiet", "--locked", "--all-targets"];
    for domain in DOMAINS {
        args.extend(["-p", domain]);
    }
    cargo(
        root,
        &args,
        &[
            ("SQLX_OFFLINE", "false"),
            ("DATABASE_URL", &database),
            ("SQLX_OFFLINE_DIR", folder),
        ],
    )
    .await
}

/// A database `queries` that has the migrations of all domains.
async fn create_schemas(compose: &Compose) -> anyhow::Result<()> {
    psql(
        compose,
        "postgres",
        "drop database if exists queries; create database queries;",
    )
    .await?;
    for domain in DOMAINS {
        let folder = compose.root().join("migrations").join(domain);
        let mut sql = format!("create schema {domain};\n");
        for migration in read(&folder)?.into_values() {
            sql.push_str(&migration);
        }
        psql(compose, "queries", &sql)
            .await
            .with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

async fn psql(compose: &Compose, database: &str, sql: &str) -> anyhow::Result<()> {
    let file = file(compose);
    let file = file.to_str().context("path")?;
    let args = [
        "compose",
        "--project-name",
        PROJECT,
        "--file",
        file,
        "exec",
        "-T",
        "test-db",
    ];
    let psql = [
        "psql",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--username=postgres",
        "--dbname",
        database,
    ];
    compose
        .feed(&[&args[..], &psql[..]].concat(), sql.as_bytes().to_vec())
        .await
}

const DOMAINS: [&str; 3] = ["users", "inventory", "orders"];

fn read(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    entries
        .map(|entry| {
            let entry = entry?;
            Ok((
                entry.file_name().to_string_lossy().into_owned(),
                fs::read_to_string(entry.path())?,
            ))
        })
        .collect()
}
