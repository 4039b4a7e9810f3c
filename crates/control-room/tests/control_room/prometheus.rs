//! A real Prometheus, that can be stopped and started again.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

use control_room::Config;

use crate::boxes::Boxes;

pub(crate) struct Server {
    port: u16,
    folder: tempfile::TempDir,
    process: Option<Child>,
}

/// Scrapes and evaluates ten times as often as in the stages, so that tests are short.
const INTERVAL: &str = "200ms";

const TRIGGERS: &str = r#"
groups:
  - name: triggers
    rules:
      - alert: Stage2Trigger
        expr: max by (box) (rate(box_cpu_seconds_total{box="box"}[12s])) > 0.2
        annotations: { signal: "{{ $labels.box }} is full", add: "db", not_yet: "cache", over_engineering: "services" }
      - alert: Stage3Trigger
        expr: max(rate(box_cpu_seconds_total{box="web"}[12s])) > 0.2
        annotations: { signal: "web is full", add: "lb", not_yet: "shards", over_engineering: "kubernetes" }
      - alert: Stage4Trigger
        expr: max(rate(box_cpu_seconds_total{box="web"}[12s])) > 0.1
        annotations: { signal: "bytes", add: "cdn", not_yet: "regions", over_engineering: "edge" }
"#;

impl Server {
    pub(crate) fn start(boxes: &Boxes) -> Server {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("triggers.yml"), TRIGGERS).unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut server = Server {
            port: free.local_addr().unwrap().port(),
            folder,
            process: None,
        };
        drop(free);
        server.scrape(boxes);
        server.resume();
        server
    }

    /// From its next start on it scrapes these.
    pub(crate) fn scrape(&self, boxes: &Boxes) {
        let mut config = format!(
            "global: {{ scrape_interval: {INTERVAL}, evaluation_interval: {INTERVAL} }}\nrule_files: [triggers.yml]\nscrape_configs:\n"
        );
        for (at, name) in boxes.names().iter().enumerate() {
            let (target, host) = (boxes.addr, at + 2);
            config += &format!(
                "  - job_name: {name}\n    metrics_path: /{name}\n    static_configs:\n      - targets: ['{target}']\n        labels: {{ service: {name}, instance: '10.0.0.{host}:9100' }}\n"
            );
        }
        std::fs::write(self.folder.path().join("prometheus.yml"), config).unwrap();
    }

    pub(crate) fn resume(&mut self) {
        let process = Command::new("prometheus")
            .current_dir(self.folder.path())
            .args([
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                "--log.level=error",
            ])
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .stdout(Stdio::null())
            .spawn();
        self.process = Some(process.expect("prometheus: ./stage test installs it"));
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// The configuration of a control room that asks this server.
    pub(crate) fn config(&self) -> Config {
        let url = format!("http://127.0.0.1:{}", self.port);
        runtime::config::load_from([], [("APP__PROMETHEUS__URL".to_owned(), url)]).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
