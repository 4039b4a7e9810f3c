//! Rotel, a collector that others wrote and run: it prints each span that it understood.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use runtime::Origin;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};

/// For anything that it is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ends when dropped.
pub(crate) struct Rotel {
    port: u16,
    said: Lines<BufReader<ChildStdout>>,
    _process: Child,
    _folder: tempfile::TempDir,
}

/// Of a span and its process, by the names that are printed.
pub(crate) type Printed = BTreeMap<String, String>;

impl Rotel {
    /// None where nobody said where it is. `./stage test` installs it, and always does.
    pub(crate) async fn start() -> Option<Rotel> {
        let Ok(program) = std::env::var("STAGECRAFT_OTLP_RECEIVER") else {
            eprintln!("skipped: STAGECRAFT_OTLP_RECEIVER names no receiver; ./stage test has one");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let [http, grpc] = [free_port().await, free_port().await];
        let mut process = Command::new(program)
            .arg("start")
            .arg(format!("--otlp-http-endpoint=127.0.0.1:{http}"))
            .arg(format!("--otlp-grpc-endpoint=127.0.0.1:{grpc}"))
            .args(["--exporter=blackhole", "--debug-log=traces"])
            .arg("--debug-log-verbosity=detailed")
            .arg("--pid-file")
            .arg(folder.path().join("pid"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a receiver of OTLP");
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        let listens = async {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, http))
                .await
                .is_err()
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let listens = tokio::time::timeout(PATIENCE, listens).await;
        listens.expect("it listens");
        Some(Rotel {
            port: http,
            said,
            _process: process,
            _folder: folder,
        })
    }

    pub(crate) fn origin(&self) -> Origin {
        format!("http://127.0.0.1:{}", self.port)
            .try_into()
            .unwrap()
    }

    /// Waits until it has printed so many spans with these attributes.
    pub(crate) async fn spans(mut self, count: usize, attributes: &[&str]) -> Vec<Printed> {
        let mut spans = Vec::new();
        let mut process = Printed::new();
        let mut span: Option<Printed> = None;
        let read = async {
            while spans.len() < count {
                let line = self.said.next_line().await.unwrap().expect("a next line");
                if line.starts_with("ResourceSpans") {
                    process.clear();
                } else if line.starts_with("Span #") {
                    span = Some(process.clone());
                }
                let Some((key, value)) = line.split_once(':') else {
                    continue;
                };
                let key = key.trim().trim_start_matches("-> ").to_owned();
                let about = span.as_mut().unwrap_or(&mut process);
                about.insert(key, value.trim().to_owned());
                if attributes.iter().all(|name| about.contains_key(*name)) {
                    spans.extend(span.take());
                }
            }
        };
        let read = tokio::time::timeout(PATIENCE, read).await;
        read.expect("it prints the spans");
        spans
    }
}

async fn free_port() -> u16 {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    free.local_addr().unwrap().port()
}
