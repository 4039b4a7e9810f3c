//! The folder of finished assets: hashed names, the manifest, and all or nothing.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::Error;

pub(crate) const MANIFEST: &str = "manifest.json";

/// Assets are written beside the target and take its place at the end, so that a build that dies
/// leaves the last complete folder, or none.
pub(crate) struct Output {
    target: PathBuf,
    partial: PathBuf,
    retired: PathBuf,
}

impl Output {
    /// Refuses a target that holds anything but assets: it is going to be replaced.
    pub(crate) fn create(target: &Path) -> Result<Self, Error> {
        let foreign = target.exists()
            && !target.join(MANIFEST).exists()
            && fs::read_dir(target).at(target)?.next().is_some();
        if foreign {
            return Err(Error::ForeignFolder {
                folder: target.into(),
            });
        }
        let beside = |suffix: &str| {
            let mut name = target.file_name().unwrap_or_default().to_owned();
            name.push(suffix);
            target.with_file_name(name)
        };
        let output = Self {
            partial: beside(".partial"),
            retired: beside(".retired"),
            target: target.into(),
        };
        remove_folder(&output.partial)?;
        fs::create_dir_all(&output.partial).at(&output.partial)?;
        Ok(output)
    }

    /// Writes one asset and returns the name it is served by: `product/MUG-0042.jpg` becomes
    /// `product-MUG-0042.{hash}.jpg`.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<String, Error> {
        let hashed = hashed_name(name, content);
        self.write_beside(&hashed, "", content)?;
        Ok(hashed)
    }

    /// Writes another form of an asset: its served name, and what follows it.
    pub(crate) fn write_beside(
        &self,
        hashed: &str,
        ending: &str,
        content: &[u8],
    ) -> Result<(), Error> {
        let path = self.partial.join(format!("{hashed}{ending}"));
        fs::write(&path, content).at(&path)
    }

    /// Writes the manifest and puts the folder in its place.
    pub(crate) fn publish(self, manifest: &BTreeMap<String, String>) -> Result<(), Error> {
        let path = self.partial.join(MANIFEST);
        let json = serde_json::to_vec_pretty(manifest).expect("strings are always valid JSON");
        fs::write(&path, json).at(&path)?;

        remove_folder(&self.retired)?;
        if self.target.exists() {
            fs::rename(&self.target, &self.retired).at(&self.target)?;
        }
        fs::rename(&self.partial, &self.target).at(&self.target)?;
        remove_folder(&self.retired)
    }
}

/// The first 16 hexadecimal digits of the content's SHA-256, before the extension.
fn hashed_name(name: &str, content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let hash: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let flat = name.replace('/', "-");
    match flat.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}.{hash}.{extension}"),
        None => format!("{flat}.{hash}"),
    }
}

fn remove_folder(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at(folder),
        _ => Ok(()),
    }
}

/// Names the path in the error of a file operation.
pub(crate) trait At<T> {
    fn at(self, path: &Path) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::File {
            path: path.into(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_an_asset_by_its_content() {
        // sha256("") = e3b0c442 98fc1c14 …
        assert_eq!(
            hashed_name("product/MUG-0042.jpg", b""),
            "product-MUG-0042.e3b0c44298fc1c14.jpg"
        );
        assert_eq!(hashed_name("LICENCE", b""), "LICENCE.e3b0c44298fc1c14");
    }
}
