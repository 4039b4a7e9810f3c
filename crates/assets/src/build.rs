use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use crate::{
    coding, css,
    hero::paint_hero,
    output::{At, Output},
    picture::paint_product,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} holds files that are not assets; name an empty or a new folder", folder.display())]
    ForeignFolder { folder: PathBuf },
    #[error("{style_sheet} refers to {reference:?}, which is no asset")]
    DanglingReference {
        style_sheet: String,
        reference: String,
    },
    #[error("{style_sheet} is not UTF-8")]
    NotText { style_sheet: String },
}

/// How far the painting is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub painted: u32,
    pub of: u32,
}

/// What was built.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    pub assets: usize,
    /// Of all files but the manifest.
    pub bytes: u64,
}

/// Logical name to served name.
type Manifest = BTreeMap<String, String>;

/// Builds all assets of a shop with `products` products and puts them in place of the folder `out`.
/// The static sources lie in `source`; a folder that is absent counts as an empty one. `report` is
/// called after each picture, from several threads.
pub fn build(
    source: &Path,
    out: &Path,
    products: u32,
    report: impl Fn(Progress) + Sync,
) -> Result<Summary, Error> {
    let output = Output::create(out)?;
    let mut built = paint_all(&output, products, report)?;

    // Style sheets last: they refer to the others.
    let (style_sheets, others): (Vec<_>, Vec<_>) = read_sources(source)?
        .into_iter()
        .partition(|(name, _)| name.ends_with(".css"));
    for (name, content) in others {
        built.add(&output, name, &content)?;
    }
    let served = built.manifest.clone();
    for (name, content) in style_sheets {
        let content = link(&name, content, &served)?;
        built.add(&output, name, content.as_bytes())?;
    }

    let summary = Summary {
        assets: built.manifest.len(),
        bytes: built.bytes,
    };
    output.publish(&built.manifest)?;
    Ok(summary)
}

#[derive(Default)]
struct Built {
    manifest: Manifest,
    bytes: u64,
}

impl Built {
    fn add(&mut self, output: &Output, name: String, content: &[u8]) -> Result<(), Error> {
        let hashed = output.write(&name, content)?;
        self.bytes += content.len() as u64;
        for (ending, packed) in coding::pack(&name, content) {
            output.write_beside(&hashed, ending, &packed)?;
            self.bytes += packed.len() as u64;
        }
        self.manifest.insert(name, hashed);
        Ok(())
    }

    fn merge(mut self, other: Self) -> Self {
        self.manifest.extend(other.manifest);
        self.bytes += other.bytes;
        self
    }
}

/// Paints the hero and the products, on every core.
fn paint_all(
    output: &Output,
    products: u32,
    report: impl Fn(Progress) + Sync,
) -> Result<Built, Error> {
    let next = AtomicU32::new(0);
    let painted = AtomicU32::new(0);
    let of = products + 1;
    let painter = || -> Result<Built, Error> {
        let mut built = Built::default();
        loop {
            // The hero is picture 0 and takes longest, so it comes first.
            match next.fetch_add(1, Ordering::Relaxed) {
                0 => built.add(output, "hero.jpg".into(), &paint_hero())?,
                index if index <= products => {
                    let product = catalogue::product(index);
                    for (ending, picture) in paint_product(&product) {
                        let name = format!("product/{}{ending}", product.sku);
                        built.add(output, name, &picture)?;
                    }
                }
                _ => return Ok(built),
            }
            report(Progress {
                painted: painted.fetch_add(1, Ordering::Relaxed) + 1,
                of,
            });
        }
    };

    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let painters: Vec<_> = (0..cores).map(|_| scope.spawn(painter)).collect();
        painters
            .into_iter()
            .try_fold(Built::default(), |all, painter| {
                Ok(all.merge(painter.join().expect("painters do not panic")?))
            })
    })
}

/// Every file below `folder`, by its path in it (with `/`), in order.
fn read_sources(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut found = Vec::new();
    if folder.exists() {
        collect(folder, "", &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<(String, Vec<u8>)>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), found)?;
        } else {
            found.push((name, fs::read(&path).at(&path)?));
        }
    }
    Ok(())
}

/// The style sheet with its references to served names.
fn link(name: &str, content: Vec<u8>, served: &Manifest) -> Result<String, Error> {
    let css = String::from_utf8(content).map_err(|_| Error::NotText {
        style_sheet: name.to_owned(),
    })?;
    css::rewrite(&css, served).map_err(|reference| Error::DanglingReference {
        style_sheet: name.to_owned(),
        reference: reference.to_owned(),
    })
}
