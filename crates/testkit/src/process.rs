//! A program of ours as it ships: its binary, a configuration file, two ports, signals.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::database::Database;

/// For anything that a process is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    listen: u16,
    admin: u16,
    _folder: TempDir,
}

impl Process {
    /// Starts this binary with a configuration file, to which its ports are added.
    pub fn start(binary: &str, config: &str) -> Process {
        let [listen, admin] = free_ports();
        let config = format!(
            "{config}\n[http]\nlisten = \"127.0.0.1:{listen}\"\nadmin = \"127.0.0.1:{admin}\"\n"
        );
        let folder = tempfile::tempdir().expect("a folder");
        let file = write(folder.path(), "config.toml", &config);
        let child = command(binary, &file).spawn().expect("it starts");
        Process {
            child,
            listen,
            admin,
            _folder: folder,
        }
    }

    /// Runs this binary with a configuration that it must refuse.
    pub fn refused(binary: &str, config: &str) -> Output {
        let folder = tempfile::tempdir().expect("a folder");
        let file = write(folder.path(), "config.toml", config);
        let mut command = command(binary, &file);
        command.stderr(Stdio::piped());
        command.output().expect("it runs")
    }

    /// Until `/readyz` says so.
    pub fn wait_until_ready(&mut self) {
        let started = Instant::now();
        while get(self.admin, "/readyz") != Some(200) {
            let ended = self.child.try_wait().expect("a process");
            assert!(ended.is_none(), "it ended: {ended:?}");
            assert!(started.elapsed() < PATIENCE, "it is never ready");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The status of this path on its public port.
    pub fn get(&self, path: &str) -> Option<u16> {
        get(self.listen, path)
    }

    /// Asks it to end, and waits.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("kill").success());
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a process") {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Database {
    /// `[databases.<domain>]` with this as its only node. The server trusts everybody: any file will
    /// do for a password.
    pub fn section(&self, domain: &str) -> String {
        format!(
            "[databases.{domain}]\nname = \"{}\"\nuser = \"{}\"\npassword_file = \"{}\"\n\
             shards = [{{ nodes = [\"{}:{}\"] }}]\n",
            self.name(),
            self.user(),
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            self.host(),
            self.port(),
        )
    }
}

fn command(binary: &str, config: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .env("APP_CONFIG_FILES", config)
        .env("APP__LOG__FILTER", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file");
    path
}

/// Nobody's at this moment.
fn free_ports() -> [u16; 2] {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    [bind(), bind()].map(|listener| listener.local_addr().expect("an address").port())
}

/// The status of an answer, if there is one.
fn get(port: u16, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}
