//! Text is sent packed to whoever can unpack it.

use std::fs;

use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, IF_NONE_MATCH, IF_RANGE, RANGE, VARY,
};
use http::{HeaderName, Method, StatusCode};

use crate::assets::{ask, folder, shop};

const CSS: &str = "/assets/shop.fedcba9876543210.css";
const ETAG_OF_CSS: &str = "\"fedcba9876543210\"";
const ETAG_OF_BROTLI: &str = "\"fedcba9876543210-br\"";
const BROTLI: (HeaderName, &str) = (ACCEPT_ENCODING, "gzip, deflate, br, zstd");

#[tokio::test]
async fn text_is_sent_as_the_client_likes_it_best() {
    let folder = folder();
    let router = shop(&folder).await;
    for (accept, coding, tag, content) in [
        (BROTLI.1, "br", ETAG_OF_BROTLI, "brotli"),
        (
            "gzip, deflate",
            "gzip",
            "\"fedcba9876543210-gzip\"",
            "gzipped css",
        ),
        (
            "br;q=0, gzip;q=0.1",
            "gzip",
            "\"fedcba9876543210-gzip\"",
            "gzipped css",
        ),
        ("br;q=0, gzip;q=0", "", ETAG_OF_CSS, "body {}"),
        ("", "", ETAG_OF_CSS, "body {}"),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let is_head = method == Method::HEAD;
            let (response, body) = ask(&router, method, CSS, &[(ACCEPT_ENCODING, accept)]).await;
            assert_eq!(response.status(), StatusCode::OK, "{accept}");
            let header = |name| {
                response
                    .headers()
                    .get(name)
                    .map_or("", |v| v.to_str().unwrap())
            };
            assert_eq!(header(CONTENT_ENCODING), coding, "{accept}");
            assert_eq!(header(ETAG), tag, "{accept}");
            assert_eq!(header(CONTENT_TYPE), "text/css", "{accept}");
            assert_eq!(
                header(CONTENT_LENGTH),
                content.len().to_string(),
                "{accept}"
            );
            assert_eq!(header(VARY), "Accept-Encoding", "{accept}");
            assert_eq!(header(CACHE_CONTROL), "public, max-age=31536000, immutable");
            assert_eq!(body, if is_head { "" } else { content }, "{accept}");
        }
    }
    let (response, body) = ask(&router, Method::GET, CSS, &[]).await;
    assert_eq!(response.headers()[VARY], "Accept-Encoding");
    assert_eq!(body, "body {}");
}

#[tokio::test]
async fn what_comes_in_one_form_does_not_vary() {
    let folder = folder();
    let router = shop(&folder).await;
    for path in [
        "/assets/hero.0123456789abcdef.jpg",
        "/assets/shop.00000000000000ff.js",
    ] {
        let (response, _) = ask(&router, Method::GET, path, &[BROTLI]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key(VARY), "{path}");
        assert!(!response.headers().contains_key(CONTENT_ENCODING), "{path}");
    }
}

#[tokio::test]
async fn only_the_form_that_is_known_is_not_sent_again() {
    let folder = folder();
    let router = shop(&folder).await;
    let both = format!("{ETAG_OF_CSS}, {ETAG_OF_BROTLI}");
    for tags in [ETAG_OF_BROTLI, &both, "*"] {
        let conditions = [BROTLI, (IF_NONE_MATCH, tags)];
        let (response, body) = ask(&router, Method::GET, CSS, &conditions).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{tags}");
        assert_eq!(response.headers()[ETAG], ETAG_OF_BROTLI);
        assert_eq!(response.headers()[VARY], "Accept-Encoding");
        assert!(!response.headers().contains_key(CONTENT_ENCODING));
        assert_eq!(body, "");
    }
    let plain_is_known = [BROTLI, (IF_NONE_MATCH, ETAG_OF_CSS)];
    let (response, body) = ask(&router, Method::GET, CSS, &plain_is_known).await;
    assert_eq!((response.status(), &*body), (StatusCode::OK, "brotli"));
    let brotli_is_known = [(IF_NONE_MATCH, ETAG_OF_BROTLI)];
    let (response, body) = ask(&router, Method::GET, CSS, &brotli_is_known).await;
    assert_eq!((response.status(), &*body), (StatusCode::OK, "body {}"));
}

#[tokio::test]
async fn a_range_is_one_of_packed_bytes() {
    let folder = folder();
    let router = shop(&folder).await;
    let range = [BROTLI, (RANGE, "bytes=2-4"), (IF_RANGE, ETAG_OF_BROTLI)];
    let (response, body) = ask(&router, Method::GET, CSS, &range).await;
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(body, "otl");
    let headers = response.headers();
    assert_eq!(headers[CONTENT_RANGE], "bytes 2-4/6");
    assert_eq!(headers[CONTENT_ENCODING], "br");
    assert_eq!(headers[CONTENT_TYPE], "text/css");
    assert_eq!(headers[ETAG], ETAG_OF_BROTLI);
    assert_eq!(headers[VARY], "Accept-Encoding");

    // The rest of another form would not fit.
    let range = [BROTLI, (RANGE, "bytes=2-4"), (IF_RANGE, ETAG_OF_CSS)];
    let (response, body) = ask(&router, Method::GET, CSS, &range).await;
    assert_eq!((response.status(), &*body), (StatusCode::OK, "brotli"));

    let beyond = [BROTLI, (RANGE, "bytes=6-")];
    let (response, _) = ask(&router, Method::GET, CSS, &beyond).await;
    assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(response.headers()[VARY], "Accept-Encoding");
    assert!(!response.headers().contains_key(CONTENT_ENCODING));
}

#[tokio::test]
async fn a_coding_that_is_not_there_is_not_offered() {
    let folder = folder();
    fs::remove_file(folder.path().join("shop.fedcba9876543210.css.br")).unwrap();
    let router = shop(&folder).await;
    let (response, body) = ask(&router, Method::GET, CSS, &[BROTLI]).await;
    assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
    assert_eq!(body, "gzipped css");
}
