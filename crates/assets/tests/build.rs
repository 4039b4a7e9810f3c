//! Whole builds into a folder of their own.

use std::{collections::BTreeMap, fs, path::Path};

use assets::{Error, build};
use sha2::{Digest, Sha256};

fn read_manifest(out: &Path) -> BTreeMap<String, String> {
    serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap()
}

fn write_sources(folder: &Path, css: &str) {
    fs::create_dir_all(folder.join("fonts")).unwrap();
    fs::write(folder.join("shop.css"), css).unwrap();
    fs::write(folder.join("shop.js"), "let cart = 1;").unwrap();
    fs::write(folder.join("fonts/serif.woff2"), "not really").unwrap();
}

#[test]
fn serves_every_asset_under_the_hash_of_its_content() {
    let scratch = tempfile::tempdir().unwrap();
    let (source, out) = (
        scratch.path().join("static"),
        scratch.path().join("deep/assets"),
    );
    write_sources(
        &source,
        "body { background: url(hero.jpg) } i { src: url(fonts/serif.woff2) }",
    );

    let summary = build(&source, &out, 3, |_| {}).unwrap();

    let manifest = read_manifest(&out);
    let names: Vec<&str> = manifest.keys().map(String::as_str).collect();
    let pictures: Vec<String> = catalogue::products(3)
        .map(|product| format!("product/{}.jpg", product.sku))
        .collect();
    let mut expected = vec!["fonts/serif.woff2", "hero.jpg", "shop.css", "shop.js"];
    expected.extend(pictures.iter().map(String::as_str));
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(summary.assets, expected.len());

    for (name, served) in &manifest {
        let digest = Sha256::digest(fs::read(out.join(served)).unwrap());
        let hash: String = digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert!(
            served.contains(&format!(".{hash}.")),
            "{name} is served as {served}"
        );
    }
    // All of them, the manifest, and nothing else.
    assert_eq!(fs::read_dir(&out).unwrap().count(), manifest.len() + 1);

    let css = fs::read_to_string(out.join(&manifest["shop.css"])).unwrap();
    assert!(css.contains(&manifest["hero.jpg"]) && css.contains(&manifest["fonts/serif.woff2"]));
}

#[test]
fn replaces_an_earlier_build_and_leaves_nothing_beside_it() {
    let scratch = tempfile::tempdir().unwrap();
    let (absent, out) = (scratch.path().join("static"), scratch.path().join("assets"));
    fs::create_dir(scratch.path().join("assets.partial")).unwrap();
    build(&absent, &out, 2, |_| {}).unwrap();
    let first = read_manifest(&out);
    build(&absent, &out, 1, |_| {}).unwrap();
    let second = read_manifest(&out);

    assert_eq!((first.len(), second.len()), (3, 2));
    assert!(
        second
            .iter()
            .all(|asset| first.get_key_value(asset.0) == Some(asset))
    );
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
}

#[test]
fn keeps_the_last_build_when_the_sources_are_wrong() {
    let scratch = tempfile::tempdir().unwrap();
    let (source, out) = (scratch.path().join("static"), scratch.path().join("assets"));
    build(&source, &out, 1, |_| {}).unwrap();
    write_sources(&source, "body { background: url(gone.png) }");

    let error = build(&source, &out, 1, |_| {}).unwrap_err();

    assert_eq!(
        error.to_string(),
        "shop.css refers to \"gone.png\", which is no asset"
    );
    assert_eq!(read_manifest(&out).len(), 2);
}

#[test]
fn refuses_a_folder_that_holds_something_else() {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("thesis.txt"), "the only copy").unwrap();

    let error = build(Path::new("absent"), scratch.path(), 1, |_| {}).unwrap_err();

    assert!(matches!(error, Error::ForeignFolder { .. }), "{error}");
    assert!(scratch.path().join("thesis.txt").exists());
}
