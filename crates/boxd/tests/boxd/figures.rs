//! boxd's port for figures, asked by plain sockets. Outside a container boxd is not PID 1, so that
//! the box's own figures are missing here; `boxstat` has their tests.

use std::io::Write;
use std::net::TcpStream;

use nix::sys::signal::Signal;

use crate::sandbox::{Sandbox, metric, talk};

#[test]
fn counts_the_cpu_of_a_process_with_all_it_starts() {
    let sandbox = Sandbox::new();
    let _boxd = sandbox.boxd(
        r#"
        figures = "127.0.0.1:0"

        [[process]]
        name = "idle"
        command = ["sleep", "1000"]

        [[process]]
        name = "busy"
        command = ["sh", "-c", """
            sh -c 'i=0; while test $i -lt 100000; do i=$((i + 1)); done'
            sh -c 'echo >> $DIR/grandchild; while :; do :; done' & wait"""]
        "#,
    );
    let address = sandbox.figures_address();
    let seconds = |process: &str| -> f64 {
        let label = format!("process=\"{process}\"");
        let lines = metric(address, "box_process_cpu_seconds_total");
        let line = lines.iter().find(|line| line.contains(&label)).unwrap();
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    sandbox.await_line("grandchild");
    let reaped = seconds("busy");
    assert!(reaped > 0.0);
    sandbox.wait_for("the grandchild to be counted", || {
        seconds("busy") > reaped + 0.2
    });
    assert!(seconds("idle") < 0.1);
}

#[test]
fn passes_on_what_a_reporter_tells() {
    let sandbox = Sandbox::new();
    let _boxd = sandbox.boxd(
        r##"
        figures = "127.0.0.1:0"

        [[process]]
        name = "database"
        command = ["sleep", "1000"]

        [process.figures]
        ask = "figures please"
        command = ["sh", "-c", """
            while read question; do
              printf '# TYPE questions counter\nquestions{asked="%s"} 1\n# EOF\n' "$question"
            done"""]
        "##,
    );
    let address = sandbox.figures_address();
    assert!(metric(address, "box_process_cpu_seconds_total").is_empty());
    sandbox.wait_for("the database to run", || {
        !metric(address, "questions").is_empty()
    });
    let lines = metric(address, "questions");
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert!(line.starts_with("questions{box=\""), "{line}");
    assert!(line.ends_with("\",asked=\"figures please\"} 1"), "{line}");
}

#[test]
fn a_reporter_that_is_silent_or_dies_costs_only_its_own_figures() {
    let sandbox = Sandbox::new();
    let mut boxd = sandbox.boxd(
        r##"
        figures = "127.0.0.1:0"

        [[process]]
        name = "shop"
        command = ["sleep", "1000"]

        [[process]]
        name = "database"
        command = ["sleep", "1000"]

        [process.figures]
        ask = "figures please"
        command = ["sh", "-c", """
            echo started >> $DIR/reporters
            read question
            echo asked >> $DIR/reporters
            while ! test -e $DIR/answer; do sleep 0.02; done
            printf 'late 1\n# EOF\n'"""]
        "##,
    );
    let address = sandbox.figures_address();
    let others = || metric(address, "box_process_cpu_seconds_total").len();
    sandbox.wait_for("the silent reporter to be asked", || {
        assert_eq!(others(), 3);
        sandbox.lines("reporters") == ["started", "asked"]
    });
    assert_eq!(others(), 3);
    assert_eq!(sandbox.lines("reporters"), ["started", "asked"]);

    sandbox.append("answer", "");
    sandbox.wait_for("the late answer", || !metric(address, "late").is_empty());
    sandbox.wait_for("a new reporter", || {
        assert_eq!(others(), 3);
        sandbox.lines("reporters").len() >= 4
    });
    boxd.signal(Signal::SIGTERM);
    assert_eq!(boxd.exit_code(), 0);
}

#[test]
fn stands_bad_askers() {
    let sandbox = Sandbox::new();
    let mut boxd = sandbox.boxd(
        r#"
        figures = "127.0.0.1:0"

        [[process]]
        name = "database"
        command = ["sleep", "1000"]

        [[process]]
        name = "shop"
        command = ["sleep", "1000"]
        "#,
    );
    let address = sandbox.figures_address();
    let status = |request: &[u8]| {
        talk(address, request)
            .lines()
            .next()
            .unwrap_or("")
            .to_owned()
    };
    assert_eq!(
        status(b"GET /secret HTTP/1.1\r\n\r\n"),
        "HTTP/1.1 404 Not Found"
    );
    assert_eq!(
        status(b"PUT /metrics HTTP/1.1\r\n\r\n"),
        "HTTP/1.1 405 Method Not Allowed"
    );
    assert_eq!(status(b"\x16\x03\x01\r\n\r\n"), "HTTP/1.1 400 Bad Request");
    assert_eq!(status(&[b'a'; 10_000]), "");

    let silent = TcpStream::connect(address).unwrap();
    let mut dripping = TcpStream::connect(address).unwrap();
    dripping.write_all(b"GET /met").unwrap();
    assert_eq!(metric(address, "box_process_cpu_seconds_total").len(), 3);
    drop((silent, dripping));

    boxd.signal(Signal::SIGTERM);
    assert_eq!(boxd.exit_code(), 0);
}

#[test]
fn does_not_start_where_it_cannot_listen() {
    let sandbox = Sandbox::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut boxd = sandbox.boxd(&format!(
        "figures = '{address}'\n[[process]]\nname = 'a'\ncommand = ['true']"
    ));
    assert_eq!(boxd.exit_code(), 1);
    let log = sandbox.lines("log").join("\n");
    let expected = format!("boxd: figures: cannot listen on {address}: ");
    assert!(log.starts_with(&expected), "{log}");
}
