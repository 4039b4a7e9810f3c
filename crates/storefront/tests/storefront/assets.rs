use std::fs;

use axum::Router;
use axum::body::Body;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use storefront::{Assets, AssetsError};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::browser::router;
use crate::fakes::World;

const HERO: &str = "/assets/hero.0123456789abcdef.jpg";
const ETAG_OF_HERO: &str = "\"0123456789abcdef\"";

/// A folder as the asset builder leaves it, and a file in it that is nobody's business.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| fs::write(folder.path().join(name), content).unwrap();
    write("hero.0123456789abcdef.jpg", "0123456789");
    write("shop.fedcba9876543210.css", "body {}");
    write("shop.fedcba9876543210.css.br", "brotli");
    write("shop.fedcba9876543210.css.gz", "gzipped css");
    write("shop.00000000000000ff.js", "let cart = 1;");
    write("mug.8888888888888888.jpg", "a mug");
    write("secret.txt", "secret");
    write(
        "manifest.json",
        r#"{
            "hero.jpg": "hero.0123456789abcdef.jpg",
            "shop.css": "shop.fedcba9876543210.css",
            "shop.js": "shop.00000000000000ff.js",
            "product/MUG-0008.jpg": "mug.8888888888888888.jpg"
        }"#,
    );
    folder
}

pub(crate) async fn shop(folder: &TempDir) -> Router {
    let assets = Assets::load(Some(folder.path()), "").unwrap();
    router(&World::seeded(10), assets).await
}

pub(crate) async fn ask(
    router: &Router,
    method: Method,
    path: &str,
    headers: &[(HeaderName, &str)],
) -> (Response<()>, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let (head, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    (Response::from_parts(head, ()), body)
}

#[tokio::test]
async fn pages_refer_to_the_names_of_the_manifest() {
    let folder = folder();
    let router = shop(&folder).await;
    let (_, page) = ask(&router, Method::GET, "/products/MUG-0008", &[]).await;
    assert!(page.contains("href=\"/assets/shop.fedcba9876543210.css\""));
    assert!(page.contains("src=\"/assets/mug.8888888888888888.jpg\""));
    let (_, page) = ask(&router, Method::GET, "/products/YRN-0001", &[]).await;
    assert!(page.contains("src=\"/assets/placeholder."));
}

#[tokio::test]
async fn an_asset_may_be_kept_for_ever() {
    let folder = folder();
    let router = shop(&folder).await;
    let (response, body) = ask(&router, Method::GET, HERO, &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(body, "0123456789");
    let headers = response.headers();
    assert_eq!(headers[CONTENT_TYPE], "image/jpeg");
    assert_eq!(headers[CONTENT_LENGTH], "10");
    assert_eq!(headers[ETAG], ETAG_OF_HERO);
    assert_eq!(
        headers[CACHE_CONTROL],
        "public, max-age=31536000, immutable"
    );
    assert_eq!(headers[ACCEPT_RANGES], "bytes");
    assert!(!headers.contains_key(LAST_MODIFIED));
}

#[tokio::test]
async fn a_known_asset_is_not_sent_again() {
    let folder = folder();
    let router = shop(&folder).await;
    for tag in [
        ETAG_OF_HERO,
        "W/\"0123456789abcdef\"",
        "\"other\", \"0123456789abcdef\"",
        "*",
    ] {
        let (response, body) = ask(&router, Method::GET, HERO, &[(IF_NONE_MATCH, tag)]).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{tag}");
        assert_eq!(response.headers()[ETAG], ETAG_OF_HERO);
        assert!(response.headers().contains_key(CACHE_CONTROL));
        assert_eq!(body, "");
    }
    let (response, _) = ask(&router, Method::GET, HERO, &[(IF_NONE_MATCH, "\"other\"")]).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn head_says_what_get_would() {
    let folder = folder();
    let router = shop(&folder).await;
    let (response, body) = ask(&router, Method::HEAD, HERO, &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[CONTENT_LENGTH], "10");
    assert_eq!(body, "");
}

#[tokio::test]
async fn a_range_is_served_alone_and_several_as_the_whole() {
    let folder = folder();
    let router = shop(&folder).await;
    let (response, body) = ask(&router, Method::GET, HERO, &[(RANGE, "bytes=2-4")]).await;
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(response.headers()[CONTENT_RANGE], "bytes 2-4/10");
    assert_eq!(body, "234");
    let (response, body) = ask(&router, Method::GET, HERO, &[(RANGE, "bytes=0-1,4-5")]).await;
    assert_eq!((response.status(), &*body), (StatusCode::OK, "0123456789"));
    let (response, _) = ask(&router, Method::GET, HERO, &[(RANGE, "bytes=10-")]).await;
    assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn a_range_of_another_version_is_not_mixed_with_this_one() {
    let folder = folder();
    let router = shop(&folder).await;
    let same = [(RANGE, "bytes=2-4"), (IF_RANGE, ETAG_OF_HERO)];
    let (response, _) = ask(&router, Method::GET, HERO, &same).await;
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    let other = [(RANGE, "bytes=2-4"), (IF_RANGE, "\"other\"")];
    let (response, _) = ask(&router, Method::GET, HERO, &other).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn nothing_beyond_the_manifest_is_served() {
    let folder = folder();
    let router = shop(&folder).await;
    for path in [
        "/assets/secret.txt",
        "/assets/manifest.json",
        "/assets/shop.fedcba9876543210.css.br",
        "/assets/..%2Fsecret.txt",
        "/assets/%2e%2e/secret.txt",
        "/assets/hero.jpg",
        "/assets/",
        "/assets/%2Fetc%2Fpasswd",
    ] {
        let (response, body) = ask(&router, Method::GET, path, &[]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(
            !body.contains("secret\n") && !body.contains("root:"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn assets_of_a_kind_can_be_purged_together() {
    let folder = folder();
    let router = shop(&folder).await;
    let (_, page) = ask(&router, Method::GET, "/products", &[]).await;
    let embedded = page.split('"').find(|part| part.contains("/favicon."));
    for (path, groups) in [
        (HERO, r#""assets", "hero""#),
        (
            "/assets/mug.8888888888888888.jpg",
            r#""assets", "pictures""#,
        ),
        ("/assets/shop.fedcba9876543210.css", r#""assets", "styles""#),
        ("/assets/shop.00000000000000ff.js", r#""assets", "scripts""#),
        (embedded.unwrap(), r#""assets", "drawings""#),
    ] {
        for condition in [&[][..], &[(IF_NONE_MATCH, "*")], &[(RANGE, "bytes=0-1")]] {
            let (response, _) = ask(&router, Method::GET, path, condition).await;
            assert_eq!(response.headers()["cache-groups"], groups, "{path}");
        }
    }
    let (response, _) = ask(&router, Method::GET, "/assets/gone.css", &[]).await;
    assert!(!response.headers().contains_key("cache-groups"));
}

#[tokio::test]
async fn an_asset_that_vanished_is_not_missed_for_ever() {
    let folder = folder();
    let router = shop(&folder).await;
    fs::remove_file(folder.path().join("hero.0123456789abcdef.jpg")).unwrap();
    let (response, _) = ask(&router, Method::GET, HERO, &[]).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(!response.headers().contains_key(CACHE_CONTROL));
}

#[tokio::test]
async fn without_a_folder_the_shop_still_has_its_looks() {
    let router = router(&World::seeded(10), Assets::load(None, "").unwrap()).await;
    let (_, page) = ask(&router, Method::GET, "/products", &[]).await;
    for (name, content_type) in [
        ("shop.", "text/css"),
        ("shop.", "text/javascript"),
        ("favicon.", "image/svg+xml"),
        ("placeholder.", "image/svg+xml"),
    ] {
        let addresses = page
            .split('"')
            .filter(|part| part.starts_with(&format!("/assets/{name}")));
        let mut found = false;
        for address in addresses {
            let (response, body) = ask(&router, Method::GET, address, &[]).await;
            assert_eq!(response.status(), StatusCode::OK, "{address}");
            assert!(!body.is_empty());
            found |= response.headers()[CONTENT_TYPE] == content_type;
        }
        assert!(found, "{name} {content_type}");
    }
}

#[test]
fn a_broken_folder_is_told_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let load = || Assets::load(Some(folder.path()), "").unwrap_err();
    assert!(matches!(load(), AssetsError::Unreadable { .. }));
    fs::write(folder.path().join("manifest.json"), "[]").unwrap();
    assert!(
        load()
            .to_string()
            .contains("manifest.json: expected a JSON object")
    );
    for bad in [
        "../../etc/passwd.0.css",
        "shop.css/../x.0.css",
        "nohash",
        "a..b.c",
    ] {
        let manifest = format!("{{\"shop.css\": \"{bad}\"}}");
        fs::write(folder.path().join("manifest.json"), manifest).unwrap();
        assert!(matches!(load(), AssetsError::BadName { .. }), "{bad}");
    }
}
