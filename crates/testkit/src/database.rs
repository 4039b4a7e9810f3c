//! A database for one test, on the server that `DATABASE_URL` names.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

/// Empty at first, deleted when dropped.
#[derive(Debug)]
pub struct Database {
    name: String,
    options: PgConnectOptions,
}

impl Database {
    /// # Panics
    /// When there is no server: `./stage test` starts one.
    pub async fn create() -> Database {
        let url = std::env::var("DATABASE_URL")
            .expect("DATABASE_URL: a Postgres for tests, see docker-compose/test-db.yml");
        let options: PgConnectOptions = url.parse().expect("DATABASE_URL: a Postgres URL");
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        let mut server = PgConnection::connect_with(&options)
            .await
            .expect("a Postgres at DATABASE_URL");
        let create = sqlx::AssertSqlSafe(format!("create database {name}"));
        sqlx::raw_sql(create)
            .execute(&mut server)
            .await
            .expect("a new database");
        Database {
            options: options.clone().database(&name),
            name,
        }
    }

    /// The same database at another address, for a proxy in between.
    pub fn at(&self, port: u16) -> PgPool {
        self.pool(self.options.clone().host("127.0.0.1").port(port))
    }

    pub fn connect(&self) -> PgPool {
        self.pool(self.options.clone())
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn user(&self) -> &str {
        self.options.get_username()
    }

    pub fn host(&self) -> &str {
        self.options.get_host()
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        self.options.get_port()
    }

    fn pool(&self, options: PgConnectOptions) -> PgPool {
        PgPoolOptions::new()
            .max_connections(20)
            .connect_lazy_with(options)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop_it = sqlx::AssertSqlSafe(format!(
            "drop database if exists {} with (force)",
            self.name
        ));
        let options = self.options.clone().database("postgres");
        // Dropping is not async, and the test's own runtime may be going down.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let mut server = PgConnection::connect_with(&options)
                    .await
                    .map_err(std::io::Error::other)?;
                sqlx::raw_sql(drop_it)
                    .execute(&mut server)
                    .await
                    .map_err(std::io::Error::other)
            })
        });
        if let Ok(Err(error)) = dropping.join() {
            eprintln!("{} is left behind: {error}", self.name);
        }
    }
}
