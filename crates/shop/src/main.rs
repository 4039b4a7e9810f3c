//! The shop: `shop` serves, `shop audit` looks at the books, `shop health` asks a running one, `shop
//! fault` breaks it on purpose.

use std::io::Read;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use contract::OrderId;
use runtime::{BoxError, Fault, Service};
use shop::{App, Config, Role, Starting};

#[derive(Debug, Parser)]
#[command(about = "The shop; configured by the files of APP_CONFIG_FILES and by APP__ variables")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Looks at the books and prints what does not balance, as JSON. Reads the ids of acknowledged
    /// orders from standard input, one a line.
    Audit,
    /// Succeeds when the shop on this box is ready.
    Health,
    /// Breaks the shop on this box on purpose, from now on; without a value mends it. Where
    /// `http.faults` allows it.
    Fault {
        /// Part of its requests that fail: 0 to 1.
        #[arg(long, default_value_t)]
        fail_ratio: f64,
        /// Milliseconds by which it answers late.
        #[arg(long, default_value_t)]
        delay_ms: u64,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    runtime::main(async || match cli.command {
        None => serve().await,
        Some(Command::Audit) => audit().await,
        Some(Command::Health) => health().await,
        Some(Command::Fault {
            fail_ratio,
            delay_ms,
        }) => {
            break_it(Fault {
                fail_ratio,
                delay_ms,
            })
            .await
        }
    })
}

async fn serve() -> Result<(), BoxError> {
    let config: Config = runtime::config::load()?;
    runtime::telemetry::init(&config.log);
    tracing::info!(config = %runtime::config::effective(&config), "starting");
    // First: what is counted before there is somebody who counts is lost.
    let mut service = Service::start("web", &config.http, &config.shutdown).await?;
    let app = App::new(&config)?;

    let starting = Starting::begin();
    service.health().require("set-up", {
        let starting = starting.clone();
        move || {
            let open = starting.is_open();
            async move { open.then_some(()).ok_or("not done") }
        }
    });
    shop::require_databases(service.health(), app.databases());
    service.spawn("set-up", {
        let (app, starting, sizes) = (app.clone(), starting.clone(), config.seed.clone());
        move |stop| async move {
            match app.set_up(&sizes, &starting).await {
                Ok(()) => {
                    starting.open();
                    stop.cancelled().await;
                }
                // The end of this task ends the process.
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, "cannot set up the database");
                }
            }
        }
    });
    if config.shop.roles.contains(&Role::Worker) {
        let mail = config.mail.open()?;
        let (app, starting) = (app.clone(), starting.clone());
        service.spawn("jobs", async move |stop| {
            let jobs = async {
                starting.opened().await;
                app.run_jobs(mail).await;
            };
            stop.run_until_cancelled(jobs).await;
        });
    }
    if !config.shop.roles.contains(&Role::Web) {
        return service.run().await;
    }
    service.spawn("stand-by", {
        let (app, starting) = (app.clone(), starting.clone());
        async move |stop| {
            let standing_by = async {
                starting.opened().await;
                app.stand_by().await;
            };
            stop.run_until_cancelled(standing_by).await;
        }
    });
    let assets = config.assets.load()?;
    let storefront = app.storefront(assets, service.instance());
    let router = starting.guard(app.routes(&storefront));
    service.spawn("departments", async move |stop| {
        let keeping = async {
            starting.opened().await;
            storefront.keep_departments_fresh().await;
        };
        stop.run_until_cancelled(keeping).await;
    });
    service.serve(router).await
}

async fn audit() -> Result<(), BoxError> {
    let config: Config = runtime::config::load()?;
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let acknowledged: Vec<OrderId> = input.lines().map(str::parse).collect::<Result<_, _>>()?;
    let app = App::new(&config)?;
    let books = shop::audit(app.databases(), &acknowledged).await?;
    println!("{}", serde_json::to_string(&books)?);
    Ok(())
}

async fn health() -> Result<(), BoxError> {
    let config: Config = runtime::config::load()?;
    shop::health(config.http.admin.0).await
}

async fn break_it(fault: Fault) -> Result<(), BoxError> {
    let config: Config = runtime::config::load()?;
    if !config.http.faults {
        return Err("this shop takes no faults: http.faults is off".into());
    }
    shop::set_fault(config.http.admin.0, fault).await
}
