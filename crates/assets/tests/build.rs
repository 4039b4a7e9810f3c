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
        .flat_map(|product| {
            [".jpg", ".webp", "-240.webp"].map(|form| format!("product/{}{form}", product.sku))
        })
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
    let css = fs::read_to_string(out.join(&manifest["shop.css"])).unwrap();
    assert!(css.contains(&manifest["hero.jpg"]) && css.contains(&manifest["fonts/serif.woff2"]));
}

#[test]
fn packs_text_beside_itself_once_its_references_are_served_names() {
    let scratch = tempfile::tempdir().unwrap();
    let (source, out) = (scratch.path().join("static"), scratch.path().join("assets"));
    write_sources(&source, &"i { background: url(hero.jpg) } ".repeat(50));
    fs::write(source.join("mark.svg"), "<svg/>".repeat(50)).unwrap();
    fs::write(source.join("hints.json"), "[1, 2, 3, 4] ".repeat(50)).unwrap();

    let summary = build(&source, &out, 1, |_| {}).unwrap();

    let manifest = read_manifest(&out);
    let packed_names = |name: &str| [".br", ".gz"].map(|end| format!("{}{end}", manifest[name]));
    // All assets, what is packed of them, the manifest, and nothing else.
    let mut expected: Vec<String> = manifest.values().cloned().collect();
    for name in ["shop.css", "mark.svg", "hints.json"] {
        expected.extend(packed_names(name));
        let [brotli, gzip] = packed_names(name).map(|file| fs::read(out.join(file)).unwrap());
        let (mut from_brotli, mut from_gzip) = (Vec::new(), Vec::new());
        brotli::BrotliDecompress(&mut &brotli[..], &mut from_brotli).unwrap();
        let mut gzip = flate2::read::GzDecoder::new(&gzip[..]);
        std::io::copy(&mut gzip, &mut from_gzip).unwrap();
        let plain = fs::read(out.join(&manifest[name])).unwrap();
        assert!(from_brotli == plain && from_gzip == plain, "{name}");
    }
    expected.push("manifest.json".to_owned());
    expected.sort_unstable();
    let mut files = Vec::new();
    let mut bytes = 0;
    for entry in fs::read_dir(&out).unwrap() {
        let entry = entry.unwrap();
        files.push(entry.file_name().into_string().unwrap());
        bytes += entry.metadata().unwrap().len();
    }
    files.sort_unstable();
    assert_eq!(files, expected);
    let of_manifest = fs::metadata(out.join("manifest.json")).unwrap().len();
    assert_eq!(summary.bytes, bytes - of_manifest);
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

    // The hero, and each picture in three forms.
    assert_eq!((first.len(), second.len()), (7, 4));
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
    assert_eq!(read_manifest(&out).len(), 4);
}

#[test]
fn refuses_a_folder_that_holds_something_else() {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("thesis.txt"), "the only copy").unwrap();

    let error = build(Path::new("absent"), scratch.path(), 1, |_| {}).unwrap_err();

    assert!(matches!(error, Error::ForeignFolder { .. }), "{error}");
    assert!(scratch.path().join("thesis.txt").exists());
}
