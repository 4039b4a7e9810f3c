//! The monolith, whole, in a test: on a real Postgres, behind a real port.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use ::shop::{App, AppDatabases, SeedConfig, Starting};
use axum::Router;
use db::Db;
use orders::MailFolder;
use runtime::{HttpConfig, LayerConfig};
use sqlx::PgPool;
use storefront::Assets;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::database::Database;

/// Small, but with more than a page of everything.
pub(crate) const SIZES: SeedConfig = SeedConfig {
    products: 60,
    users: 20,
    orders: 200,
};

/// Stops when dropped, and its database with it.
pub struct Shop {
    app: App,
    router: Router,
    addr: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
    mail: TempDir,
    // Last: dropped when nobody uses it any more.
    database: Database,
}

impl Shop {
    /// A shop on a fresh database, seeded, with web and jobs.
    pub async fn start() -> Shop {
        let database = Database::create().await;
        let pool = database.connect();
        Shop::start_on(database, pool).await
    }

    /// The same, with the assets of this folder: pictures and all.
    pub async fn start_with_assets(folder: &Path) -> Shop {
        let database = Database::create().await;
        let pool = database.connect();
        let assets = Assets::load(Some(folder), "").expect("a folder of assets");
        Shop::start_as(database, pool, assets).await
    }

    /// A shop on a database that is reached by this pool.
    pub async fn start_on(database: Database, pool: PgPool) -> Shop {
        let assets = Assets::load(None, "").expect("the embedded assets");
        Shop::start_as(database, pool, assets).await
    }

    async fn start_as(database: Database, pool: PgPool, assets: Assets) -> Shop {
        let db = Db::from_pool(pool);
        let databases = AppDatabases {
            users: db.clone(),
            inventory: db.clone(),
            orders: db,
        };
        let app = App::with(
            databases,
            None,
            &users::Config::default(),
            inventory::Config::default(),
        );
        app.set_up(&SIZES, &Starting::begin())
            .await
            .expect("a fresh database can be filled");

        let storefront = app.storefront(assets, "web-test");
        // A thousand at once are a test, not an overload.
        let http = HttpConfig {
            max_in_flight: 4_096,
            ..HttpConfig::default()
        };
        let router =
            runtime::layers::public(app.routes(&storefront), &LayerConfig::new("web", &http));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let addr = listener.local_addr().expect("an address");
        let mail = tempfile::tempdir().expect("a folder");
        let folder = MailFolder::open(mail.path()).expect("the folder");
        let served = router.clone();
        let jobs = app.clone();
        let tasks = vec![
            tokio::spawn(async move {
                runtime::server::serve(listener, served, &http, CancellationToken::new()).await;
            }),
            tokio::spawn(async move { jobs.run_jobs(folder).await }),
            tokio::spawn(storefront.keep_departments_fresh()),
        ];
        Shop {
            app,
            router,
            addr,
            tasks,
            mail,
            database,
        }
    }

    /// `http://127.0.0.1:41234`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whoever asks, without a socket in between.
    pub fn client(&self) -> Client {
        Client::new(self.router.clone())
    }

    pub fn app(&self) -> &App {
        &self.app
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The folder in which its mail arrives.
    pub fn mail(&self) -> &Path {
        self.mail.path()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
