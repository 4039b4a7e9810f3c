//! Pictures on pages: which forms a browser may choose from.

use std::fs;

use http::Method;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use storefront::Assets;
use tempfile::TempDir;

use crate::assets::{ask, folder, shop};
use crate::browser::Browser;
use crate::fakes::{SHOPPER, World};

/// What the asset builder makes of this shop and these many products.
fn built(products: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/static").as_ref();
    assets::build(source, folder.path(), products, |_| {}).unwrap();
    folder
}

/// The value of an attribute, in each element that has it.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let before = format!(" {name}=\"");
    let values = page.split(&before).skip(1);
    values.map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn every_form_that_the_builder_makes_is_served() {
    let folder = built(8);
    let router = shop(&folder).await;
    let (_, page) = ask(&router, Method::GET, "/products/MUG-0008", &[]).await;
    let [srcset] = attributes(&page, "srcset")[..] else {
        panic!("{page}");
    };
    let mut sizes = Vec::new();
    for (candidate, width) in srcset.split(", ").zip(["240w", "480w"]) {
        let (address, is_wide) = candidate.split_once(' ').unwrap();
        assert_eq!(is_wide, width);
        let (response, _) = ask(&router, Method::GET, address, &[]).await;
        assert_eq!(response.headers()[CONTENT_TYPE], "image/webp");
        assert!(!response.headers().contains_key(VARY));
        sizes.push(
            response.headers()[CONTENT_LENGTH]
                .to_str()
                .unwrap()
                .parse::<u32>()
                .unwrap(),
        );
    }
    assert!(sizes.len() == 2 && sizes[0] < sizes[1], "{sizes:?}");

    let style_sheet = attributes(&page, "href")
        .into_iter()
        .find(|address| address.ends_with(".css"))
        .unwrap();
    let (_, plain) = ask(&router, Method::GET, style_sheet, &[]).await;
    for coding in ["br", "gzip"] {
        let accept = [(ACCEPT_ENCODING, coding)];
        let (response, packed) = ask(&router, Method::GET, style_sheet, &accept).await;
        assert_eq!(response.headers()[CONTENT_ENCODING], coding);
        assert!(packed.len() < plain.len() / 2);
    }
}

#[tokio::test]
async fn a_browser_chooses_a_format_and_a_width_wherever_there_is_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let files = [".jpg", "-240.webp", ".webp"].map(|form| {
        let file = format!("mug.8888888888888888{form}");
        fs::write(folder.path().join(&file), form).unwrap();
        (form, file)
    });
    let name = |(form, file): &(&str, String)| format!("\"product/MUG-0008{form}\": \"{file}\"");
    let manifest = format!("{{{}}}", files.each_ref().map(name).join(","));
    fs::write(folder.path().join("manifest.json"), manifest).unwrap();
    let load = || Assets::load(Some(folder.path()), "//cdn.test");

    let world = World::seeded(10);
    let browser = Browser::logged_in_with_assets(&world, SHOPPER, load().unwrap()).await;
    let add = [("sku", "MUG-0008"), ("action", "add")];
    browser.post("/cart/items", &add).await.see_other();
    let source = "<picture>\n<source type=\"image/webp\" \
        srcset=\"//cdn.test/assets/mug.8888888888888888-240.webp 240w, \
        //cdn.test/assets/mug.8888888888888888.webp 480w\" sizes=\"";
    let img = " src=\"//cdn.test/assets/mug.8888888888888888.jpg\" alt=\"";
    for (path, widest, how) in [
        (
            "/products",
            "16rem",
            "width=\"480\" height=\"480\" loading=\"lazy\"",
        ),
        (
            "/products/MUG-0008",
            "33rem",
            "width=\"480\" height=\"480\" fetchpriority=\"high\"",
        ),
        (
            "/cart",
            "5rem",
            "width=\"96\" height=\"96\" loading=\"lazy\"",
        ),
    ] {
        let page = browser.get(path).await;
        let widest = format!(", {widest}\">\n<img ");
        let how = format!("\" {how}>\n</picture>");
        page.assert_shows(&[source, &widest, img, &how]);
        assert_eq!(page.body.matches("<picture>").count(), 1, "{path}");
    }
}

#[tokio::test]
async fn without_webp_a_picture_is_a_plain_one() {
    let folder = folder();
    let router = shop(&folder).await;
    for path in ["/products", "/products/MUG-0008", "/products/YRN-0001"] {
        let (_, page) = ask(&router, Method::GET, path, &[]).await;
        assert!(
            page.contains("<img ") && !page.contains("<picture>"),
            "{path}"
        );
        assert!(!page.contains("srcset"), "{path}");
    }
}

#[tokio::test]
async fn the_hero_is_asked_for_before_the_page_is_read() {
    let folder = folder();
    let load = |host| Assets::load(Some(folder.path()), host).unwrap();
    let world = World::seeded(10);
    for host in ["", "http://cdn.test:8085"] {
        let browser = Browser::with_assets(&world, load(host)).await;
        let page = browser.get("/").await;
        let (head, body) = page.body.split_once("</head>").unwrap();
        let hero = format!("{host}/assets/hero.0123456789abcdef.jpg\"");
        assert!(head.contains(&format!("<link rel=\"preload\" as=\"image\" href=\"{hero}")));
        assert!(body.contains(&format!("<img src=\"{hero}")));
        assert_eq!(head.contains("preconnect"), !host.is_empty());
        let list = browser.get("/products").await;
        assert!(!list.body.contains("preload"), "only where it is shown");
    }
    let page = Browser::guest(&world).await.get("/").await;
    assert!(!page.body.contains("preload"), "there is none");
}
