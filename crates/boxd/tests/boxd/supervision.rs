//! boxd with real processes: small shell scripts that write down what happens to them.

use nix::sys::signal::Signal;

use crate::sandbox::{Sandbox, parent_of};

#[test]
fn starts_each_process_when_the_one_before_is_ready() {
    let sandbox = Sandbox::new();
    let mut boxd = sandbox.boxd(
        r#"
        [[process]]
        name = "database"
        prepare = ["sh", "-c", "echo prepared >> $DIR/events"]
        command = ["sh", "-c", "echo started >> $DIR/events; exec sleep 1000"]
        ready = { at = "unix:$DIR/socket", deadline = "60s" }

        [[process]]
        name = "shop"
        env = { GREETING = "open" }
        command = ["sh", "-c", "echo shop $GREETING >> $DIR/events; exec sleep 1000"]
        "#,
    );
    sandbox.await_lines("events", &["prepared", "started"]);
    sandbox.append("events", "listening");
    let _socket = sandbox.listen("socket");
    sandbox.await_lines("events", &["prepared", "started", "listening", "shop open"]);
    boxd.signal(Signal::SIGTERM);
    assert_eq!(boxd.exit_code(), 0);
}

#[test]
fn restarts_what_dies_with_growing_pauses_and_leaves_the_others_alone() {
    let sandbox = Sandbox::new();
    let mut boxd = sandbox.boxd(
        r#"
        [[process]]
        name = "flaky"
        prepare = ["sh", "-c", "echo prepared >> $DIR/events"]
        command = ["sh", "-c", "echo flaky >> $DIR/events; exit 3"]

        [[process]]
        name = "steady"
        command = ["sh", "-c", "echo steady >> $DIR/steady; exec sleep 1000"]
        "#,
    );
    sandbox.await_log("flaky: exited with status 3, starting again in 250 ms");
    sandbox.await_log("flaky: exited with status 3, starting again in 500 ms");
    sandbox.await_log("flaky: exited with status 3, starting again in 1000 ms");
    assert_eq!(
        sandbox.lines("events"),
        ["prepared", "flaky", "flaky", "flaky"]
    );
    assert_eq!(sandbox.lines("steady"), ["steady"]);
    boxd.signal(Signal::SIGTERM);
    assert_eq!(boxd.exit_code(), 0);
}

#[test]
fn repeats_a_preparation_that_failed() {
    let sandbox = Sandbox::new();
    let mut boxd = sandbox.boxd(
        r#"
        [[process]]
        name = "database"
        prepare = ["sh", "-c", "test -e $DIR/again || { touch $DIR/again; exit 7; }"]
        command = ["sh", "-c", "echo started >> $DIR/events; exec sleep 1000"]
        "#,
    );
    sandbox.await_log("database: preparation exited with status 7, starting again in 250 ms");
    sandbox.await_lines("events", &["started"]);
    boxd.signal(Signal::SIGTERM);
    assert_eq!(boxd.exit_code(), 0);
}

#[test]
fn starts_anew_what_is_not_ready_in_time() {
    let sandbox = Sandbox::new();
    let mut boxd = sandbox.boxd(
        r#"
        [[process]]
        name = "deaf"
        command = ["sleep", "1000"]
        ready = { at = "tcp:127.0.0.1:1", deadline = "100ms" }

        [[process]]
        name = "next"
        command = ["sh", "-c", "echo next >> $DIR/events; exec sleep 1000"]
        "#,
    );
    sandbox.await_log("deaf: not ready within 100 ms");
    sandbox.await_log("deaf: ended by SIGTERM, starting again in 500 ms");
    boxd.signal(Signal::SIGTERM);
    assert_eq!(boxd.exit_code(), 0);
    assert!(sandbox.lines("events").is_empty());
}

#[test]
fn stops_the_last_process_fully_before_the_one_it_needs() {
    let sandbox = Sandbox::new();
    let mut boxd = sandbox.boxd(
        r#"
        [[process]]
        name = "database"
        stop_signal = "SIGINT"
        command = ["sh", "-c", """
            trap 'echo database got SIGINT >> $DIR/events; exit' INT
            trap 'echo database got SIGTERM >> $DIR/events; exit' TERM
            echo database >> $DIR/events
            while :; do sleep 0.02; done"""]

        [[process]]
        name = "shop"
        command = ["sh", "-c", """
            trap 'while ! test -e $DIR/drained; do sleep 0.02; done; echo shop drained >> $DIR/events; exit' TERM
            while ! test -e $DIR/events; do sleep 0.02; done
            echo shop >> $DIR/events
            while :; do sleep 0.02; done"""]
        "#,
    );
    sandbox.await_lines("events", &["database", "shop"]);
    boxd.signal(Signal::SIGTERM);
    sandbox.await_log("shop: stopping with SIGTERM");
    sandbox.append("drained", "");
    assert_eq!(boxd.exit_code(), 0);
    assert_eq!(
        sandbox.lines("events"),
        ["database", "shop", "shop drained", "database got SIGINT"]
    );
}

#[test]
fn kills_what_does_not_stop_in_time() {
    let sandbox = Sandbox::new();
    let mut boxd = sandbox.boxd(
        r#"
        [[process]]
        name = "stubborn"
        stop_timeout = "100ms"
        command = ["sh", "-c", "trap '' TERM; echo up >> $DIR/events; while :; do sleep 0.02; done"]
        "#,
    );
    sandbox.await_lines("events", &["up"]);
    boxd.signal(Signal::SIGTERM);
    sandbox.await_log("stubborn: ended by SIGKILL");
    assert_eq!(boxd.exit_code(), 1);
}

#[test]
fn a_second_signal_kills_at_once() {
    let sandbox = Sandbox::new();
    let mut boxd = sandbox.boxd(
        r#"
        [[process]]
        name = "stubborn"
        stop_timeout = "1h"
        command = ["sh", "-c", "trap '' TERM; echo up >> $DIR/events; while :; do sleep 0.02; done"]
        "#,
    );
    sandbox.await_lines("events", &["up"]);
    boxd.signal(Signal::SIGTERM);
    sandbox.await_log("stubborn: stopping with SIGTERM");
    boxd.signal(Signal::SIGINT);
    assert_eq!(boxd.exit_code(), 1);
}

#[test]
fn stops_a_preparation_with_all_it_started() {
    let sandbox = Sandbox::new();
    let mut boxd = sandbox.boxd(
        r#"
        [[process]]
        name = "database"
        stop_timeout = "1h"
        prepare = ["sh", "-c", "echo preparing >> $DIR/events; sleep 1000; echo survived >> $DIR/events"]
        command = ["sleep", "1000"]
        "#,
    );
    sandbox.await_lines("events", &["preparing"]);
    boxd.signal(Signal::SIGTERM);
    assert_eq!(boxd.exit_code(), 0);
    assert_eq!(sandbox.lines("events"), ["preparing"]);
}

#[test]
fn reaps_orphans() {
    let sandbox = Sandbox::new();
    let mut boxd = sandbox.boxd(
        r#"
        [[process]]
        name = "parent"
        command = ["sh", "-c", """
            sh -c 'sh -c "echo \\$\\$ > $DIR/orphan; while ! test -e $DIR/end; do sleep 0.02; done" &'
            exec sleep 1000"""]
        "#,
    );
    let orphan: u32 = sandbox.await_line("orphan").parse().unwrap();
    sandbox.wait_for("boxd to inherit the orphan", || {
        parent_of(orphan) == Some(boxd.pid())
    });
    sandbox.append("end", "");
    sandbox.wait_for("boxd to reap the orphan", || parent_of(orphan).is_none());
    boxd.signal(Signal::SIGTERM);
    assert_eq!(boxd.exit_code(), 0);
}

#[test]
fn passes_a_reload_on_to_those_that_know_it() {
    let sandbox = Sandbox::new();
    let mut boxd = sandbox.boxd(
        r#"
        [[process]]
        name = "database"
        reload_signal = "SIGHUP"
        command = ["sh", "-c", """
            trap 'echo reloaded >> $DIR/events' HUP
            echo database >> $DIR/events
            while :; do sleep 0.02; done"""]

        [[process]]
        name = "shop"
        command = ["sh", "-c", "echo shop >> $DIR/shop; exec sleep 1000"]
        "#,
    );
    sandbox.await_lines("events", &["database"]);
    sandbox.await_lines("shop", &["shop"]);
    boxd.signal(Signal::SIGHUP);
    sandbox.await_lines("events", &["database", "reloaded"]);
    boxd.signal(Signal::SIGTERM);
    assert_eq!(boxd.exit_code(), 0);
    assert_eq!(sandbox.lines("shop"), ["shop"]);
}
