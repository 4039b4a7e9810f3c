//! The database and the Redis that tests use, and the check that every query in the code fits the schema.
//!
//! `sqlx::query!` reads its types from `.sqlx/`, so that nobody needs a database to build. That folder
//! is made here, by compiling against a real Postgres that has all migrations.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::compose::Compose;
use crate::test::cargo;
use crate::{console, docker, images, ports};

/// Its compose file.
const FILE: &str = "test-db";

/// A Postgres that is there for a test, and a Redis beside it; both forget all when they stop.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    compose: Compose,
    port: String,
    redis_port: String,
}

impl TestDatabase {
    /// This checkout's. Not started yet.
    pub(crate) fn of(compose: &Compose) -> anyhow::Result<TestDatabase> {
        Ok(TestDatabase {
            compose: compose.database(),
            port: ports::for_database()?.to_string(),
            redis_port: ports::for_redis()?.to_string(),
        })
    }

    /// Starts it, empty: without what a test that was killed left in it.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        self.stop().await?;
        images::ensure(&self.compose, FILE, false).await?;
        console::step("starting the tests' database");
        let mut up = self.compose.command(FILE);
        up.args(["up", "--detach", "--wait"])
            .env("TEST_DB_PORT", &self.port)
            .env("TEST_REDIS_PORT", &self.redis_port)
            .stdout(std::io::stderr());
        docker::finish(up, "docker compose up", Duration::from_secs(300)).await
    }

    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        if !self.compose.is_there().await? {
            return Ok(());
        }
        console::step("removing the tests' database");
        self.compose.down_file(FILE, true).await
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    pub(crate) fn redis_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.redis_port)
    }

    /// Runs SQL in it, by its own psql.
    async fn run(&self, name: &str, sql: &str) -> anyhow::Result<()> {
        let mut command = self.compose.command(FILE);
        command.args(["exec", "-T", "test-db", "psql", "--quiet"]);
        command.args(["--set", "ON_ERROR_STOP=1", "--username", "postgres"]);
        command.args(["--dbname", name]);
        docker::feed(command, sql.as_bytes().to_vec()).await
    }
}

/// Whether `.sqlx/` says what this schema says.
pub(crate) async fn check_queries(root: &Path, database: &TestDatabase) -> anyhow::Result<()> {
    let fresh = root.join("target/sqlx");
    describe_queries(root, database, &fresh).await?;
    let (kept, fresh) = (read(&root.join(".sqlx"))?, read(&fresh)?);
    if kept != fresh {
        let differs = |name: &&String| kept.get(*name) != fresh.get(*name);
        let names: BTreeSet<_> = kept.keys().chain(fresh.keys()).filter(differs).collect();
        bail!(
            ".sqlx is not what the queries and the schema are now ({} differ): ./stage prepare",
            names.len()
        );
    }
    console::say(&format!("{} queries fit the schema", kept.len()));
    Ok(())
}

/// Writes `.sqlx/` anew; leaves it as it is when the queries do not fit.
pub(crate) async fn prepare(compose: &Compose) -> anyhow::Result<bool> {
    let database = TestDatabase::of(compose)?;
    let (root, fresh) = (compose.root(), compose.root().join("target/sqlx"));
    let described = async {
        database.start().await?;
        describe_queries(root, &database, &fresh).await
    };
    let described = described.await;
    described.and(database.stop().await)?;
    replace(&root.join(".sqlx"), &fresh)?;
    Ok(true)
}

/// Makes the files of `folder` those of `fresh`. Whoever reads it meanwhile finds each query.
fn replace(folder: &Path, fresh: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let (old, new) = (read(folder)?, read(fresh)?);
    for (name, text) in &new {
        if old.get(name) != Some(text) {
            fs::write(folder.join(name), text)?;
        }
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        fs::remove_file(folder.join(name))?;
    }
    Ok(())
}

/// Compiles the crates that have SQL against a database with all migrations; the macros write what they
/// learned into `folder`.
async fn describe_queries(
    root: &Path,
    database: &TestDatabase,
    folder: &Path,
) -> anyhow::Result<()> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder)?;
    for domain in DOMAINS {
        // The macros speak only when their crate is compiled.
        fs::File::open(root.join(format!("crates/{domain}/src/lib.rs")))?
            .set_modified(std::time::SystemTime::now())?;
    }
    let folder = folder.to_str().context("path")?;
    create_schemas(root, database).await?;
    let url = database.url("queries");
    let mut args = vec!["check", "--quiet", "--locked", "--all-targets"];
    for domain in DOMAINS {
        args.extend(["-p", domain]);
    }
    cargo(
        root,
        &args,
        &[
            ("SQLX_OFFLINE", "false"),
            ("DATABASE_URL", &url),
            ("SQLX_OFFLINE_DIR", folder),
        ],
    )
    .await
}

/// A database `queries` that has the migrations of all domains.
async fn create_schemas(root: &Path, database: &TestDatabase) -> anyhow::Result<()> {
    database.run("postgres", "create database queries;").await?;
    for domain in DOMAINS {
        let folder = root.join("migrations").join(domain);
        let mut sql = format!("create schema {domain};\n");
        for migration in read(&folder)?.into_values() {
            sql.push_str(&migration);
        }
        let created = database.run("queries", &sql).await;
        created.with_context(|| folder.display().to_string())?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_replaced_file_by_file() {
        let root = tempfile::tempdir().expect("a folder");
        let (folder, fresh) = (root.path().join("kept"), root.path().join("fresh"));
        for (name, text) in [
            ("kept/a", "old"),
            ("kept/gone", ""),
            ("fresh/a", "new"),
            ("fresh/b", "b"),
        ] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        replace(&folder, &fresh).expect("replaced");
        assert_eq!(read(&folder).expect("kept"), read(&fresh).expect("fresh"));
        assert_eq!(read(&folder).expect("kept").len(), 2);
    }
}
