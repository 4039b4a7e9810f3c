//! Images, and whether they are what the sources are now.
//!
//! Their tags do not tell: they are the same for every state of every checkout. So each build leaves a
//! note in `target/images/`, of the sources it read and the image it made. An image that is another one
//! now, or was built of other sources, is built again; where nothing changed, that is quick.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use sha2::{Digest, Sha256};

use crate::compose::Compose;
use crate::{console, docker};

/// The first build compiles everything: about 10 minutes on two cores.
const BUILD: Duration = Duration::from_secs(3600);

/// Builds the images of a compose file, unless they are there and up to date.
pub(crate) async fn ensure(compose: &Compose, file: &str, anyway: bool) -> anyhow::Result<()> {
    let sources = sources(compose.root())?;
    let note = note(compose.root(), file);
    let built = fs::read_to_string(&note).unwrap_or_default();
    let ids_now = ids(compose, file).await?;
    let Some(why) = reason(anyway, &built, &sources, ids_now.as_ref()) else {
        return Ok(());
    };
    console::step(&format!("building the images of {file}: {why}"));
    compose.run(file, &["build"], BUILD).await?;
    let ids = ids(compose, file)
        .await?
        .context("an image is missing after its build")?;
    fs::create_dir_all(note.parent().unwrap_or(compose.root()))?;
    fs::write(&note, text(&sources, &ids)).with_context(|| note.display().to_string())
}

/// Why to build, if there is a reason. `built` is the note of the last build.
fn reason(
    anyway: bool,
    built: &str,
    sources: &str,
    ids: Option<&BTreeMap<String, String>>,
) -> Option<&'static str> {
    match ids {
        None => Some("the first time takes about 10 minutes"),
        _ if anyway => Some("as told"),
        _ if !built.starts_with(sources) => Some("the sources are not those they were built of"),
        Some(ids) if built != text(sources, ids) => Some("they are not those that were built here"),
        Some(_) => None,
    }
}

fn note(root: &Path, file: &str) -> PathBuf {
    root.join("target/images").join(file)
}

fn text(sources: &str, ids: &BTreeMap<String, String>) -> String {
    let ids = ids.iter().map(|(image, id)| format!("{image} {id}\n"));
    format!("{sources}\n{}", ids.collect::<String>())
}

/// The id of each image that a compose file names; `None` if one is not there.
async fn ids(compose: &Compose, file: &str) -> anyhow::Result<Option<BTreeMap<String, String>>> {
    let mut command = compose.command(file);
    command.args(["config", "--images"]);
    let names = docker::answer(command, "docker compose config").await?;
    let mut ids = BTreeMap::new();
    for image in names.lines() {
        match docker::ask(&["image", "inspect", "--format", "{{.Id}}", image]).await {
            Ok(id) => ids.insert(image.to_owned(), id.trim().to_owned()),
            Err(_) => return Ok(None),
        };
    }
    Ok(Some(ids))
}

/// A hash of everything that a build may read: what `.dockerignore` lets through, and the Dockerfile.
fn sources(root: &Path) -> anyhow::Result<String> {
    let ignore = root.join(".dockerignore");
    let ignore = fs::read_to_string(&ignore).with_context(|| ignore.display().to_string())?;
    let mut hash = Sha256::new();
    let read = ignore.lines().filter_map(|line| line.strip_prefix('!'));
    for path in read.chain(["deploy/Dockerfile"]) {
        add(&mut hash, root, Path::new(path)).with_context(|| path.to_owned())?;
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn add(hash: &mut Sha256, root: &Path, path: &Path) -> anyhow::Result<()> {
    let full = root.join(path);
    if full.is_dir() {
        let entries = fs::read_dir(&full)?.map(|entry| Ok(entry?.file_name()));
        let mut names = entries.collect::<std::io::Result<Vec<_>>>()?;
        names.sort();
        return names
            .iter()
            .try_for_each(|name| add(hash, root, &path.join(name)));
    }
    let content = fs::read(&full)?;
    let name = path.as_os_str().as_encoded_bytes();
    // With both lengths, so that no two trees read alike.
    for part in [name, &content] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_built_when_they_are_not_what_the_sources_are() {
        let ids = |id: &str| BTreeMap::from([("shop:dev".to_owned(), id.to_owned())]);
        let built = text("abc", &ids("1"));
        let builds = |anyway, built: &str, sources, ids: Option<_>| {
            reason(anyway, built, sources, ids.as_ref()).is_some()
        };
        assert!(!builds(false, &built, "abc", Some(ids("1"))));
        assert!(builds(true, &built, "abc", Some(ids("1"))));
        assert!(
            builds(false, &built, "abd", Some(ids("1"))),
            "other sources"
        );
        assert!(
            builds(false, &built, "abc", Some(ids("2"))),
            "another checkout's"
        );
        assert!(builds(false, &built, "abc", None), "an image is gone");
        assert!(
            builds(false, "", "abc", Some(ids("1"))),
            "nobody knows of what"
        );
    }

    #[test]
    fn sources_are_what_a_build_may_read_and_nothing_else() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        let now = || sources(root.path()).expect("sources");
        write(".dockerignore", "# why\n*\n!crates\n!Cargo.toml\n");
        write("Cargo.toml", "");
        write("crates/shop/main.rs", "one");
        write("deploy/Dockerfile", "FROM");
        let first = now();
        assert_eq!(first, now());

        write("README.md", "words");
        write("deploy/other", "words");
        assert_eq!(first, now());

        let changes: [(&str, &str); 4] = [
            ("crates/shop/main.rs", "two"),
            ("crates/shop/new.rs", ""),
            ("Cargo.toml", "[workspace]"),
            ("deploy/Dockerfile", "FROM other"),
        ];
        let mut seen = vec![first];
        for (path, text) in changes {
            write(path, text);
            let hash = now();
            assert!(!seen.contains(&hash), "{path} goes unseen");
            seen.push(hash);
        }
        fs::rename(
            root.path().join("crates/shop/new.rs"),
            root.path().join("crates/shop/old.rs"),
        )
        .expect("renamed");
        assert!(!seen.contains(&now()), "a new name goes unseen");
    }
}
