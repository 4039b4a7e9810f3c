//! Running it: configuration, reload, figures, what it serves at all.

use crate::support::{
    Backend, ask, cdn, configuration, exchange, fetch, figure, numbering, purge, refused,
};

#[test]
fn only_what_it_is_there_for_is_served() {
    let origin = numbering("cache-control: max-age=60");
    let cdn = cdn(&origin, "paths = [\"/assets/\"]");
    assert_eq!(fetch(&cdn, "/assets/a.css").status, 200);
    for path in [
        "/",
        "/cart",
        "/assets",
        "/Assets/a",
        "//assets/a",
        "/assets/../cart",
        "/assets/%2E%2e/cart",
        "/assets/.%2e%2fcart",
        "/assets/..\\cart",
    ] {
        assert_eq!(fetch(&cdn, path).status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(
            ask(&cdn, method, "/assets/a.css", "").status,
            404,
            "{method}"
        );
    }
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_its_key() {
    let with = |cache: &str| configuration(&Backend::content(), cache);
    for (cache, key) in [
        ("max_bytes = 0", "max_bytes"),
        ("max_bytes = 1000", "max_object_bytes"),
        ("size = 3", "size"),
        ("negative = \"soon\"", "negative"),
        ("paths = \"/assets/\"", "paths"),
    ] {
        let (code, said) = refused(&with(cache));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(key) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn a_reload_changes_the_rules_and_keeps_what_is_stored() {
    let origin = numbering("cache-control: max-age=60");
    let cdn = cdn(&origin, "");
    fetch(&cdn, "/a");
    cdn.configure(&configuration(&origin, "paths = [\"/a\"]"));
    assert!(cdn.run("reload").status.success());
    assert!(fetch(&cdn, "/a").is_hit());
    assert_eq!(fetch(&cdn, "/b").status, 404);
    cdn.configure(&configuration(&origin, "max_bytes = 100_000_000"));
    let output = cdn.run("reload");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("max_bytes"),
        "{said}"
    );
}

#[test]
fn it_is_ready_without_an_origin() {
    let mut nobody = Backend::content();
    nobody.address = testkit::free_address();
    let mut cdn = testkit::Process::start(env!("CARGO_BIN_EXE_cdn"), &configuration(&nobody, ""));
    cdn.wait_until_ready();
    assert_eq!(fetch(&cdn, "/a").status, 503);
}

#[test]
fn what_it_does_is_counted() {
    let origin = numbering("cache-control: max-age=60");
    let cdn = cdn(&origin, "");
    for _ in 0..3 {
        fetch(&cdn, "/a");
    }
    exchange(
        &cdn,
        "POST /b HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n",
    );
    purge(&cdn, "{\"url\": \"http://shop/b\"}");
    for (name, value) in [
        ("cache_requests_total{cache=\"cdn\",outcome=\"hit\"}", 2.0),
        ("cache_requests_total{cache=\"cdn\",outcome=\"miss\"}", 1.0),
        ("cache_requests_total{cache=\"cdn\",outcome=\"pass\"}", 1.0),
        // The fourth passed.
        ("cache_sent_bytes_total{cache=\"cdn\"}", 4.0),
        ("cache_fetched_bytes_total{cache=\"cdn\"}", 2.0),
        ("cache_waiting_requests{cache=\"cdn\"}", 0.0),
        ("cache_purges_total{cache=\"cdn\"}", 1.0),
        ("cache_stored_objects{cache=\"cdn\"}", 1.0),
    ] {
        assert_eq!(figure(&cdn, name), Some(value), "{name}");
    }
}
