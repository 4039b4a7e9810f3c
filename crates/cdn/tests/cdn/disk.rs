//! What is stored on disk: more than memory holds, and across a restart.

use std::fs;
use std::path::Path;

use testkit::Process;

use crate::support::{Act, Backend, answer, ask, cdn, fetch, numbering, purge, said, wait_for};

const FRESH: &str = "cache-control: max-age=60\ncache-groups: \"g\"\netag: \"a\"";

/// A CDN that keeps what it has in this folder. Killed when it is dropped, as all are.
fn keeping(origin: &Backend, folder: &Path, more: &str) -> Process {
    let disk = format!(
        "{more}\n[cache.disk]\nfolder = \"{}\"\nmax_bytes = 300_000\n",
        folder.display()
    );
    cdn(origin, &disk)
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(folder).expect("a folder").flatten();
    let paths = files.map(|file| file.path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == "stored"))
        .collect()
}

fn wait_for_files(folder: &Path, count: usize) {
    wait_for("the files", || files(folder).len() == count);
}

#[test]
fn what_is_stored_outlives_the_process() {
    let (origin, folder) = (numbering(FRESH), tempfile::tempdir().unwrap());
    let first = keeping(&origin, folder.path(), "");
    fetch(&first, "/a");
    wait_for_files(folder.path(), 1);
    drop(first);
    let second = keeping(&origin, folder.path(), "");
    let answer = fetch(&second, "/a");
    assert!(answer.is_hit() && answer.body == "1", "{answer:?}");
    assert_eq!(answer.field("etag"), Some("\"a\""));
    let part = ask(&second, "GET", "/a", "if-none-match: \"a\"");
    assert_eq!(part.status, 304);
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn variants_stay_apart_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Backend::start(|request| {
        let who = request
            .lines()
            .find_map(|line| line.strip_prefix("x-who: "));
        answer(
            "cache-control: max-age=60\nvary: x-who",
            who.unwrap_or("nobody"),
        )
    });
    let first = keeping(&origin, folder.path(), "");
    for who in ["x-who: one", "x-who: two", ""] {
        ask(&first, "GET", "/a", who);
    }
    wait_for_files(folder.path(), 3);
    drop(first);
    let second = keeping(&origin, folder.path(), "");
    for (who, expected) in [("x-who: two", "two"), ("", "nobody"), ("x-who: one", "one")] {
        let answer = ask(&second, "GET", "/a", who);
        assert!(
            answer.is_hit() && answer.body == expected,
            "{who}: {answer:?}"
        );
    }
    assert!(!ask(&second, "GET", "/a", "x-who: three").is_hit());
}

#[test]
fn what_memory_does_not_hold_is_served_from_disk_and_that_is_bounded_too() {
    let folder = tempfile::tempdir().unwrap();
    const BODY: usize = 51_000;
    let origin = Backend::start(|_| answer(FRESH, &"x".repeat(BODY)));
    // A quarter is enough for such a body on its way, and too little for one that is stored.
    let cdn = keeping(
        &origin,
        folder.path(),
        "max_bytes = 210_000\nmax_object_bytes = 52_000",
    );
    fetch(&cdn, "/0");
    wait_for_files(folder.path(), 1);
    for _ in 0..3 {
        let answer = fetch(&cdn, "/0");
        assert!(
            answer.is_hit() && answer.body.len() == BODY,
            "{}",
            answer.cache()
        );
    }
    assert_eq!(origin.seen().len(), 1);
    for path in 1..20 {
        fetch(&cdn, &format!("/{path}"));
    }
    let bytes = || {
        files(folder.path())
            .iter()
            .flat_map(fs::metadata)
            .map(|m| m.len())
            .sum::<u64>()
    };
    wait_for("the last is written", || bytes() > 200_000);
    wait_for("the first are gone", || bytes() <= 300_000);
}

#[test]
fn what_was_purged_does_not_come_back_with_a_restart() {
    for what in [
        "{\"url\": \"http://shop/a\"}",
        "{\"url\": \"http://shop/a\", \"soft\": true}",
        "{\"key\": \"g\"}",
        "{\"key\": \"g\", \"soft\": true}",
        "{\"all\": true}",
    ] {
        let (origin, folder) = (numbering(FRESH), tempfile::tempdir().unwrap());
        let first = keeping(&origin, folder.path(), "");
        fetch(&first, "/a");
        wait_for_files(folder.path(), 1);
        assert_eq!(purge(&first, what).status, 200);
        drop(first);
        let second = keeping(&origin, folder.path(), "");
        let answer = fetch(&second, "/a");
        assert!(!answer.is_hit() && answer.body == "2", "{what}: {answer:?}");
        wait_for_files(folder.path(), 1);
        drop(second);
        let third = keeping(&origin, folder.path(), "");
        assert_eq!(
            fetch(&third, "/a").body,
            "2",
            "{what}: a purge is over once"
        );
    }
}

#[test]
fn a_file_that_is_not_what_was_written_is_no_answer() {
    let spoilt: [fn(&mut Vec<u8>); 5] = [
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        |bytes| bytes.truncate(bytes.len() - 1),
        |bytes| bytes.push(b'x'),
        |bytes| bytes.clear(),
        // In what it says of itself: the address.
        |bytes| {
            let at = bytes.windows(6).position(|six| six == b"shop/a").unwrap();
            bytes[at + 5] = b'b';
        },
    ];
    for spoil in spoilt {
        let (origin, folder) = (numbering(FRESH), tempfile::tempdir().unwrap());
        let first = keeping(&origin, folder.path(), "");
        fetch(&first, "/a");
        wait_for_files(folder.path(), 1);
        drop(first);
        let path = &files(folder.path())[0];
        let mut bytes = fs::read(path).unwrap();
        spoil(&mut bytes);
        fs::write(path, bytes).unwrap();
        fs::write(path.with_extension("partial"), "half").unwrap();
        let second = keeping(&origin, folder.path(), "");
        assert_eq!(fetch(&second, "/a").body, "2");
        assert!(fetch(&second, "/a").is_hit());
        assert!(!path.with_extension("partial").exists());
    }
}

#[test]
fn what_is_stale_on_disk_is_validated() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Backend::start(|request| match request.contains("if-none-match: \"a\"") {
        true => Act::Send(said(304, "x-now: confirmed\netag: \"a\"", "")),
        false => answer("cache-control: max-age=60\nage: 60\netag: \"a\"", "body"),
    });
    let first = keeping(&origin, folder.path(), "");
    fetch(&first, "/a");
    wait_for_files(folder.path(), 1);
    drop(first);
    let second = keeping(&origin, folder.path(), "");
    let answer = fetch(&second, "/a");
    assert!(answer.cache().contains("fwd-status=304"), "{answer:?}");
    assert_eq!(answer.body, "body");
    // And what the 304 said is on disk.
    wait_for("it is written", || {
        let texts = files(folder.path())
            .iter()
            .flat_map(fs::read)
            .collect::<Vec<_>>();
        texts.len() == 1 && String::from_utf8_lossy(&texts[0]).contains("confirmed")
    });
    drop(second);
    let third = keeping(&origin, folder.path(), "");
    assert!(fetch(&third, "/a").is_hit());
}

#[test]
fn what_is_not_worth_a_file_gets_none() {
    let (origin, folder) = (
        numbering("cache-control: max-age=5"),
        tempfile::tempdir().unwrap(),
    );
    let cdn = keeping(&origin, folder.path(), "");
    assert_eq!(fetch(&cdn, "/a").body, fetch(&cdn, "/a").body);
    let origin = Backend::start(|_| Act::Send(said(404, "cache-control: max-age=600", "")));
    let other = keeping(&origin, folder.path(), "");
    fetch(&other, "/b");
    assert!(fetch(&other, "/b").is_hit());
    assert_eq!(files(folder.path()).len(), 0);
}

#[test]
fn answers_that_set_cookies_do_not_outlive_the_rule_that_stored_them() {
    let origin = numbering("cache-control: public, max-age=600\nset-cookie: a=b");
    let folder = tempfile::tempdir().unwrap();
    let first = keeping(&origin, folder.path(), "store_set_cookie = true");
    fetch(&first, "/a");
    wait_for_files(folder.path(), 1);
    drop(first);
    let second = keeping(&origin, folder.path(), "");
    assert_eq!(fetch(&second, "/a").body, "2");
}

#[test]
fn a_folder_that_cannot_be_written_is_a_mistake_in_the_configuration() {
    let config = crate::support::configuration(
        &Backend::content(),
        "[cache.disk]\nfolder = \"/dev/null/x\"\nmax_bytes = 1000",
    );
    let (code, said) = crate::support::refused(&config);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("disk.folder") && said.lines().count() == 1,
        "{said}"
    );
}
