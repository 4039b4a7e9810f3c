//! Certificates that come new while connections are open, and files that are none.

use std::fs;

use rcgen::KeyPair;
use testkit::Process;

use crate::authority::{Tls, ask_again};
use crate::support::{BINARY, Backend, balancer, configuration, started};

#[test]
fn a_reload_shows_newcomers_the_new_certificate_and_drops_nobody() {
    let (tls, backend) = (Tls::new(), Backend::content());
    let lb = balancer(&[&backend], &tls.section());
    let mut open = tls.connect(&["http/1.1"]).expect("a handshake");
    assert_eq!(ask_again(&mut open), 200);
    let (new, _) = tls.issue();
    assert_ne!(tls.shown(), new, "it has yet to be told");
    let reload = lb.run("reload");
    assert!(reload.status.success(), "{reload:?}");
    // Some of them come to either worker.
    for _ in 0..8 {
        assert_eq!(tls.shown(), new);
    }
    // Twice: the first answer might be the last one.
    for _ in 0..2 {
        assert_eq!(ask_again(&mut open), 200);
    }
}

/// Certificates and keys that will not do: how they come about, which file is to blame, and what is
/// said of it.
type Mistake = (fn(&Tls), &'static str, &'static str);
const MISTAKES: [Mistake; 8] = [
    (
        |tls| tls.put("certificate", ""),
        "certificate",
        "there is none",
    ),
    (|tls| tls.put("key", ""), "key", "there is none"),
    (
        |tls| fs::remove_file(tls.path("certificate")).expect("a file"),
        "certificate",
        "No such file",
    ),
    (
        |tls| fs::remove_file(tls.path("key")).expect("a file"),
        "key",
        "No such file",
    ),
    (|tls| tls.put("key", &other_key()), "key", "got another one"),
    // As where a variable of the environment swallowed the line breaks.
    (
        |tls| tls.put("key", &other_key().replace('\n', " ")),
        "key",
        "lines",
    ),
    (
        |tls| tls.put("key", other_key().replace('\n', "").trim_end_matches('-')),
        "key",
        "lines",
    ),
    (
        |tls| {
            tls.put(
                "certificate",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            )
        },
        "certificate",
        "invalid peer certificate",
    ),
];

fn other_key() -> String {
    KeyPair::generate().expect("a key").serialize_pem()
}

/// One line that names the key, the path and what is wrong, and nothing that was in the files.
fn assert_told(said: &[u8], tls: &Tls, (_, file, what): Mistake) {
    let said = String::from_utf8_lossy(said);
    let place = format!("tls.{file}: expected ");
    let path = tls.path(file).display().to_string();
    assert_eq!(said.lines().count(), 1, "{said}");
    for part in [&place, &path, what] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for secret in ["BEGIN", "45, 45"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
}

#[test]
fn what_will_not_do_is_told_on_reload_and_the_old_certificate_stays() {
    let (tls, backend) = (Tls::new(), Backend::content());
    let (old, key) = tls.issue();
    let lb = balancer(&[&backend], &tls.section());
    let certificate = fs::read_to_string(tls.path("certificate")).expect("a file");
    for mistake in MISTAKES {
        tls.put("certificate", &certificate);
        tls.put("key", &key.serialize_pem());
        mistake.0(&tls);
        let reload = lb.run("reload");
        assert_eq!(reload.status.code(), Some(1), "{reload:?}");
        assert_told(&reload.stderr, &tls, mistake);
        assert_eq!(tls.shown(), old);
    }
    let (new, _) = tls.issue();
    assert!(lb.run("reload").status.success(), "none of them lasts");
    assert_eq!(tls.shown(), new);
}

#[test]
fn what_will_not_do_is_told_at_the_start() {
    let (tls, backend) = (Tls::new(), Backend::content());
    for mistake in MISTAKES {
        tls.issue();
        mistake.0(&tls);
        let refused = Process::refused(BINARY, &configuration(&[&backend], &tls.section()));
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert_told(&refused.stderr, &tls, mistake);
    }
}

#[test]
fn the_two_ports_are_two_and_free() {
    let (tls, backend) = (Tls::new(), Backend::content());
    tls.issue();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address");
    let admin = testkit::free_address();
    for (plain, secure, told) in [
        (
            tls.listen,
            tls.listen,
            "tls.listen: expected another address",
        ),
        (tls.listen, taken, "tls.listen: expected a free address"),
        (taken, tls.listen, "http.listen: expected a free address"),
    ] {
        let section = tls
            .section()
            .replace(&tls.listen.to_string(), &secure.to_string());
        let ports = format!("[http]\nlisten = \"{plain}\"\nadmin = \"{admin}\"\n");
        let config = configuration(&[&backend], &format!("{section}{ports}"));
        let refused = Process::refused(BINARY, &config);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        let is_one = said.lines().count() == 1;
        assert!(is_one && said.contains(told), "{told}: {said}");
    }
}

#[test]
fn the_key_is_in_no_log() {
    let (tls, backend) = (Tls::new(), Backend::content());
    let (_, key) = tls.issue();
    let config = configuration(&[&backend], &tls.section());
    let lb = started(Process::start_verbose(BINARY, &config));
    let mut stream = tls.connect(&[]).expect("a handshake");
    assert_eq!(ask_again(&mut stream), 200);
    let pem = key.serialize_pem();
    for damaged in [
        pem.replace('\n', " "),
        pem.replace('\n', ""),
        pem[..pem.len() / 2].to_owned(),
    ] {
        tls.put("key", &damaged);
        assert!(!lb.run("reload").status.success());
    }
    let log = lb.log();
    assert!(
        log.contains("not reloaded") && log.contains("TRACE rustls"),
        "it is verbose"
    );
    for line in pem.lines() {
        assert!(!log.contains(line), "{line}");
        let bytes = format!("{:?}", line.as_bytes());
        assert!(!log.contains(bytes.trim_matches(['[', ']'])), "{bytes}");
    }
}
