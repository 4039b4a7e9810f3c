//! A folder in which boxd runs, and waiting for what its processes write there.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Far longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Sandbox(TempDir);

pub(crate) struct Boxd(Child);

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Starts boxd on this configuration, in which `$DIR` stands for the sandbox.
    pub(crate) fn boxd(&self, config: &str) -> Boxd {
        let file = self.path("box.toml");
        fs::write(
            &file,
            config.replace("$DIR", self.0.path().to_str().unwrap()),
        )
        .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_boxd"))
            .arg(file)
            .stdout(Stdio::null())
            .stderr(File::create(self.path("log")).unwrap())
            .spawn()
            .unwrap();
        Boxd(child)
    }

    pub(crate) fn lines(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn append(&self, file: &str, line: &str) {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path(file));
        writeln!(file.unwrap(), "{line}").unwrap();
    }

    pub(crate) fn listen(&self, socket: &str) -> UnixListener {
        UnixListener::bind(self.path(socket)).unwrap()
    }

    pub(crate) fn await_lines(&self, file: &str, expected: &[&str]) {
        self.wait_for(&format!("{file} to hold {expected:?}"), || {
            self.lines(file) == expected
        });
    }

    pub(crate) fn await_line(&self, file: &str) -> String {
        self.wait_for(&format!("a line in {file}"), || {
            !self.lines(file).is_empty()
        });
        self.lines(file).remove(0)
    }

    pub(crate) fn await_log(&self, event: &str) {
        let event = format!("boxd: {event}");
        self.wait_for(&event, || self.lines("log").contains(&event));
    }

    /// Where boxd answers for its figures, once it says so.
    pub(crate) fn figures_address(&self) -> SocketAddr {
        let prefix = "boxd: figures: listening on ";
        let address = || {
            let log = self.lines("log");
            log.iter()
                .find_map(|line| line.strip_prefix(prefix)?.parse().ok())
        };
        self.wait_for(prefix, || address().is_some());
        address().unwrap()
    }

    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            let log = || self.lines("log").join("\n");
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain for {what}; the log:\n{}",
                log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }
}

impl Boxd {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
    }

    pub(crate) fn exit_code(&mut self) -> i32 {
        self.0.wait().unwrap().code().expect("boxd was killed")
    }
}

impl Drop for Boxd {
    /// A test that failed leaves nothing running.
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            self.signal(Signal::SIGTERM);
            self.signal(Signal::SIGINT);
            let _ = self.0.wait();
        }
    }
}

/// The parent's process id; none once the process is gone, reaped included.
pub(crate) fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name, in parentheses, may hold spaces.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Sends these bytes and returns all that comes back.
pub(crate) fn talk(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    // A connection that boxd cut off has no answer.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// The lines of `GET /metrics` that begin with this name.
pub(crate) fn metric(address: SocketAddr, name: &str) -> Vec<String> {
    let answer = talk(address, b"GET /metrics HTTP/1.1\r\nHost: box\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let lines = answer.lines().filter(|line| line.starts_with(name));
    lines.map(str::to_owned).collect()
}
