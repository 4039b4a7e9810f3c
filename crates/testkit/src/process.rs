//! A program of ours as it ships: its binary, a configuration file, two ports, signals.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::database::Database;

/// For anything that a process is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    binary: PathBuf,
    listen: SocketAddr,
    admin: SocketAddr,
    folder: TempDir,
}

const CONFIG: &str = "config.toml";
/// Apart from the test's own words, so that those may have a `[http]`, too.
const PORTS: &str = "ports.toml";
const LOG: &str = "log";

impl Process {
    /// Starts this binary with a configuration file, to which its ports are added.
    pub fn start(binary: &str, config: &str) -> Process {
        Process::start_with(binary, config, |_, _| {})
    }

    /// The same, with everything logged that there is to say, for [`Process::log`].
    pub fn start_verbose(binary: &str, config: &str) -> Process {
        Process::start_with(binary, config, |command, folder| {
            let log = File::create(folder.join(LOG)).expect("a file");
            command.env("APP__LOG__FILTER", "trace").stderr(log);
        })
    }

    fn start_with(binary: &str, config: &str, change: impl FnOnce(&mut Command, &Path)) -> Process {
        let [listen, admin] = [(); 2].map(|()| free_address());
        let folder = tempfile::tempdir().expect("a folder");
        let ports = format!("[http]\nlisten = \"{listen}\"\nadmin = \"{admin}\"\n");
        write(folder.path(), PORTS, &ports);
        write(folder.path(), CONFIG, config);
        let mut command = command(binary, &files(folder.path()));
        change(&mut command, folder.path());
        let child = command.spawn().expect("it starts");
        Process {
            child,
            binary: binary.into(),
            listen,
            admin,
            folder,
        }
    }

    /// Where it serves.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.folder.path().join(LOG)).expect("it was started to be verbose");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Changes its configuration, of which it has yet to be told.
    pub fn configure(&self, config: &str) {
        write(self.folder.path(), CONFIG, config);
    }

    /// Runs the same program with the same configuration for one of its other commands.
    pub fn run(&self, argument: &str) -> Output {
        let binary = self.binary.to_str().expect("a path in UTF-8");
        let mut command = command(binary, &files(self.folder.path()));
        command.arg(argument);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        output(command)
    }

    /// Runs this binary with a configuration that it must refuse.
    pub fn refused(binary: &str, config: &str) -> Output {
        let folder = tempfile::tempdir().expect("a folder");
        let file = write(folder.path(), CONFIG, config);
        let mut command = command(binary, &file.to_string_lossy());
        command.stderr(Stdio::piped());
        output(command)
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

    /// Asks it to end.
    pub fn ask_to_end(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("kill").success());
    }

    /// Asks it to end, and waits.
    pub fn terminate(&mut self) -> ExitStatus {
        self.ask_to_end();
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
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

fn command(binary: &str, files: &str) -> Command {
    let mut command = Command::new(binary);
    command
        .env("APP_CONFIG_FILES", files)
        .env("APP__LOG__FILTER", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// Of a process that ends soon and says little.
fn output(mut command: Command) -> Output {
    let mut child = command.spawn().expect("it starts");
    let started = Instant::now();
    while child.try_wait().expect("a process").is_none() {
        if started.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("it does not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("it ended")
}

/// The test's words before ours: the last one wins.
fn files(folder: &Path) -> String {
    let path = |name| folder.join(name).display().to_string();
    format!("{}:{}", path(CONFIG), path(PORTS))
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file");
    path
}

/// Nobody's at this moment, and nobody's soon: below the ports that the kernel hands out, which others
/// could be given before we use them, and never the same twice.
pub fn free_address() -> SocketAddr {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    static NEXT: LazyLock<AtomicU16> =
        LazyLock::new(|| AtomicU16::new((std::process::id() * 61 % u32::from(COUNT)) as u16));
    loop {
        let port = FIRST + NEXT.fetch_add(1, Relaxed) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// The status of an answer, if there is one.
fn get(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}
