//! A configured node, on a real Postgres and behind a network that goes silent.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, Instant};

use contract::{Ctx, Fault};
use db::{DatabaseConfig, Db, Error};
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{PgPool, Row};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

fn configured(server: &PgConnectOptions, host: &str, port: u16) -> Db {
    let mut password = tempfile::NamedTempFile::new().unwrap();
    writeln!(password, "postgres").unwrap();
    let config: DatabaseConfig = serde_json::from_value(json!({
        "name": server.get_database().unwrap(),
        "user": server.get_username(),
        "password_file": password.path(),
        "shards": [{ "nodes": [format!("{host}:{port}")] }],
        "pool": { "max_connections": 2, "wait": "2s", "statement_timeout": "5s" },
    }))
    .unwrap();
    Db::new(&config).unwrap()
}

async fn ask(db: &Db, patience: Duration) -> Result<String, Error> {
    let mut conn = db.read(&Ctx::background("test", patience), "ask").await?;
    let row = sqlx::query("select current_setting('application_name')");
    let row = tokio::time::timeout(patience, row.fetch_one(&mut *conn)).await;
    Ok(row.map_err(|_| Error::DeadlineExceeded)??.get(0))
}

#[sqlx::test(migrations = false)]
async fn postgres_knows_who_asks(pool: PgPool) {
    let server = pool.connect_options();
    let db = configured(&server, server.get_host(), server.get_port());
    let name = ask(&db, Duration::from_secs(30)).await.unwrap();
    let user = server.get_username();
    assert!(name.starts_with(&format!("{user}@node-")), "{name}");
}

/// A network that carries everything, until it carries nothing and says nothing.
struct Network {
    port: u16,
    is_silent: watch::Sender<bool>,
}

impl Network {
    async fn before(host: &str, port: u16) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (is_silent, silence) = watch::channel(false);
        let host = host.to_owned();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect((host.as_str(), port)).await.unwrap();
                tokio::spawn(carry(near, far, silence.clone()));
            }
        });
        Network {
            port: own,
            is_silent,
        }
    }
}

async fn carry(mut near: TcpStream, mut far: TcpStream, mut silence: watch::Receiver<bool>) {
    // What was silenced once stays so, though the network comes back for others.
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
        _ = silence.wait_for(|silent| *silent) => {}
    }
    std::future::pending::<()>().await;
}

#[sqlx::test(migrations = false)]
async fn silent_connections_leave_the_pool_within_seconds(pool: PgPool) {
    let server = pool.connect_options();
    let network = Network::before(server.get_host(), server.get_port()).await;
    let db = configured(&server, "127.0.0.1", network.port);
    let second = Duration::from_secs(1);
    tokio::try_join!(ask(&db, 30 * second), ask(&db, 30 * second)).unwrap();

    network.is_silent.send_replace(true);
    let (one, other) = tokio::join!(ask(&db, second), ask(&db, second));
    assert!(one.is_err() && other.is_err(), "{one:?} {other:?}");
    network.is_silent.send_replace(false);

    let mended = Instant::now();
    while let Err(error) = ask(&db, 2 * second).await {
        let error = Fault::from(error);
        assert!(mended.elapsed() < 30 * second, "the pool is empty: {error}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_warm_pool_has_made_all_its_connections(pool: PgPool) {
    let server = pool.connect_options();
    let db = configured(&server, server.get_host(), server.get_port());
    let ctx = Ctx::background("test", Duration::from_secs(30));
    let mut backends = BTreeSet::new();
    for mut conn in db.warm_up(&ctx).await {
        let row = sqlx::query("select pg_backend_pid()").fetch_one(&mut *conn);
        backends.insert(row.await.unwrap().get::<i32, _>(0));
    }
    assert_eq!(backends.len(), 2);
}
