//! The shop as stage 8 wires it, in a test: three services with a database each, that know each other
//! by their addresses alone, and a front that has no domain of its own.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ::shop::{App, AppDatabases, Starting};
use axum::Router;
use contract::remote::{HttpInventory, HttpOrders, HttpUsers};
use contract::{Inventory, Orders, Users};
use db::Db;
use orders::{MailFolder, Worker};
use runtime::{HttpConfig, LayerConfig, auth, layers};
use storefront::{Assets, Storefront};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::database::Database;
use crate::shop::SIZES;

/// Stops when dropped, and its databases with it.
pub struct Services {
    front: Router,
    databases: AppDatabases,
    tasks: Vec<JoinHandle<()>>,
    _mail: TempDir,
    // Last: dropped when nobody uses them any more.
    _servers: [Database; 3],
}

impl Services {
    /// Three seeded services on ports of their own, and what a browser sees in front of them.
    pub async fn start() -> Services {
        let servers = [
            Database::create().await,
            Database::create().await,
            Database::create().await,
        ];
        let [users, inventory, orders] = servers
            .each_ref()
            .map(|server| Db::from_pool(server.connect()));
        let databases = AppDatabases {
            users,
            inventory,
            orders,
        };
        App::with(
            databases.clone(),
            None,
            &users::Config::default(),
            inventory::Config::default(),
        )
        .set_up(&SIZES, &Starting::begin())
        .await
        .expect("fresh databases can be filled");

        let mut tasks = Vec::new();
        let client = runtime::client();
        let users: Arc<dyn Users> = Arc::new(users::Service::new(
            databases.users.clone(),
            None,
            &users::Config::default(),
        ));
        let router = users::http::routes(users.clone())
            .merge(users::http::internal(users.clone()))
            .layer(auth::layer(users));
        let url = serve("users", router, &mut tasks).await;
        let users: Arc<dyn Users> = Arc::new(HttpUsers::new(client.clone(), url));

        let inventory: Arc<dyn Inventory> = Arc::new(inventory::Service::new(
            databases.inventory.clone(),
            None,
            inventory::Config::default(),
        ));
        let router = inventory::http::routes(inventory.clone())
            .layer(auth::layer(users.clone()))
            .merge(inventory::http::internal(inventory));
        let url = serve("inventory", router, &mut tasks).await;
        let inventory: Arc<dyn Inventory> = Arc::new(HttpInventory::new(client.clone(), url));

        let service = orders::Service::new(databases.orders.clone(), inventory.clone());
        let mail = tempfile::tempdir().expect("a folder");
        let folder = MailFolder::open(mail.path()).expect("the folder");
        let worker = Worker::new(service.clone(), folder);
        tasks.push(tokio::spawn(async move { worker.run().await }));
        let orders: Arc<dyn Orders> = Arc::new(service);
        let router = orders::http::routes(orders.clone())
            .layer(auth::layer(users.clone()))
            .merge(orders::http::internal(orders));
        let url = serve("orders", router, &mut tasks).await;
        let orders: Arc<dyn Orders> = Arc::new(HttpOrders::new(client, url));

        let assets = Assets::load(None, "").expect("the embedded assets");
        let (u, i, o) = (users.clone(), inventory.clone(), orders.clone());
        let storefront = Storefront::new(u, i, o, assets, "web-test");
        let front = users::http::routes(users.clone())
            .merge(inventory::http::routes(inventory))
            .merge(orders::http::routes(orders))
            .merge(storefront.routes())
            .layer(auth::layer(users));
        Services {
            front: layers::public(front, &LayerConfig::new("web", &HttpConfig::default())),
            databases,
            tasks,
            _mail: mail,
            _servers: servers,
        }
    }

    /// Whoever asks the front.
    pub fn client(&self) -> Client {
        Client::new(self.front.clone())
    }

    pub fn databases(&self) -> &AppDatabases {
        &self.databases
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Serves this behind the layers that every service has; gives its address.
async fn serve(name: &str, router: Router, tasks: &mut Vec<JoinHandle<()>>) -> String {
    let http = HttpConfig::default();
    let router = layers::public(router, &LayerConfig::new(name, &http));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("a port");
    let addr = listener.local_addr().expect("an address");
    tasks.push(tokio::spawn(async move {
        runtime::server::serve(listener, router, &http, CancellationToken::new()).await;
    }));
    format!("http://{addr}")
}
