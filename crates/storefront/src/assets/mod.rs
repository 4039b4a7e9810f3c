//! Style sheet, script and pictures: their addresses on pages, and their bytes.
//!
//! Every name carries a hash of its content, so an address never changes its meaning and may be kept
//! for ever by whoever likes to. Only names of the manifest are served: no path of a request ever
//! reaches the disk.

mod response;

mod coding;
mod file;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use contract::Sku;
use http::HeaderValue;
use sha2::{Digest, Sha256};

pub(crate) use response::serve;

use file::File;

/// All assets of the shop: those compiled in, and over them those of a folder.
#[derive(Debug)]
pub struct Assets {
    /// Logical name (`shop.css`) to address (`/assets/shop.3f0c9a….css`).
    urls: HashMap<String, String>,
    /// Served name to what is sent.
    files: HashMap<String, File>,
    /// Logical names that were asked for in vain, so that each is logged once.
    missing: Mutex<HashSet<String>>,
    /// What goes before every address; empty for our own host.
    host: String,
    /// What pages may load, if they load from another host.
    policy: Option<HeaderValue>,
}

#[derive(Debug, thiserror::Error)]
pub enum AssetsError {
    #[error("{}: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: expected a JSON object of logical names to file names: {source}", path.display())]
    BadManifest {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("expected an origin like http://localhost:8085 or //cdn.example, got {0:?}")]
    BadHost(String),
    #[error("{}: {file:?} is not the plain name of a file with a hash, like shop.0123abcd.css", path.display())]
    BadName { path: PathBuf, file: String },
}

/// What pages cannot do without, so that the shop runs from a bare checkout.
const EMBEDDED: [(&str, &[u8]); 4] = [
    ("shop.css", include_bytes!("../../static/shop.css")),
    ("shop.js", include_bytes!("../../static/shop.js")),
    ("favicon.svg", include_bytes!("../../static/favicon.svg")),
    (PLACEHOLDER, include_bytes!("../../static/placeholder.svg")),
];

/// Shown where a product has no picture.
const PLACEHOLDER: &str = "placeholder.svg";

impl Assets {
    /// Reads `manifest.json` of `folder`, if there is one: logical names to names of files in it.
    /// `host` goes before every address, such as `http://localhost:8085` or `//cdn.example`; empty
    /// for our own.
    pub fn load(folder: Option<&Path>, host: &str) -> Result<Assets, AssetsError> {
        let mut assets = Assets {
            urls: HashMap::new(),
            files: HashMap::new(),
            missing: Mutex::default(),
            host: host.to_owned(),
            policy: policy(host)?,
        };
        for (name, content) in EMBEDDED {
            let hash = hash(content);
            let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
            let served = format!("{stem}.{hash}.{extension}");
            assets.add(name, served, File::embedded(name, &hash, content));
        }
        if let Some(folder) = folder {
            let path = folder.join("manifest.json");
            for (name, served) in read_manifest(&path)? {
                let hash = served.rsplit('.').nth(1).filter(|_| is_plain(&served));
                let Some(hash) = hash else {
                    return Err(AssetsError::BadName { path, file: served });
                };
                let file = File::on_disk(&name, hash, &folder.join(&served));
                assets.add(&name, served, file);
            }
        }
        Ok(assets)
    }

    fn add(&mut self, name: &str, served: String, file: File) {
        let url = format!("{}/assets/{served}", self.host);
        self.urls.insert(name.to_owned(), url);
        self.files.insert(served, file);
    }

    /// The address of an asset by its logical name, if there is such an asset.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.urls.get(name).map(String::as_str)
    }

    /// The address of an asset that should be there. If it is not, the page is no worse than with a
    /// picture missing: an address that leads nowhere, and a line in the log.
    pub(crate) fn url(&self, name: &str) -> Cow<'_, str> {
        if let Some(url) = self.find(name) {
            return url.into();
        }
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.insert(name.to_owned()) {
            tracing::warn!(asset = name, "no such asset: was the folder built?");
        }
        format!("/assets/{name}").into()
    }

    /// The origin of all assets, if it is not that of the pages.
    pub(crate) fn host(&self) -> Option<&str> {
        (!self.host.is_empty()).then_some(&*self.host)
    }

    /// The `Content-Security-Policy` of pages; `None` where that of all answers will do.
    pub(crate) fn policy(&self) -> Option<&HeaderValue> {
        self.policy.as_ref()
    }

    /// The picture of a product, or the placeholder.
    pub(crate) fn picture(&self, sku: &Sku) -> Cow<'_, str> {
        match self.find(&format!("product/{sku}.jpg")) {
            Some(url) => url.into(),
            None => self.url(PLACEHOLDER),
        }
    }

    /// The same picture in lighter forms, as a `srcset`; `None` unless both widths are there.
    pub(crate) fn srcset(&self, sku: &Sku) -> Option<String> {
        let small = self.find(&format!("product/{sku}-240.webp"))?;
        let large = self.find(&format!("product/{sku}.webp"))?;
        Some(format!("{small} 240w, {large} 480w"))
    }
}

/// As strict as that of all answers (see `runtime::layers`), but for the assets' host.
fn policy(host: &str) -> Result<Option<HeaderValue>, AssetsError> {
    if host.is_empty() {
        return Ok(None);
    }
    let bad_host = || AssetsError::BadHost(host.to_owned());
    let (scheme, name) = host.split_once("//").ok_or_else(bad_host)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
    let is_origin = matches!(scheme, "http:" | "https:" | "") && !name.is_empty();
    if !is_origin || !name.bytes().all(plain) {
        return Err(bad_host());
    }
    // `//host` means the page's own scheme; a policy says the same by naming none.
    let source = if scheme.is_empty() { name } else { host };
    let policy = HeaderValue::try_from(format!(
        "default-src 'self' {source}; img-src 'self' {source} data:; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ));
    policy.map(Some).map_err(|_| bad_host())
}

fn read_manifest(path: &Path) -> Result<HashMap<String, String>, AssetsError> {
    let manifest = std::fs::read(path).map_err(|source| AssetsError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&manifest).map_err(|source| AssetsError::BadManifest {
        path: path.to_owned(),
        source,
    })
}

fn is_plain(file: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    file.bytes().all(plain) && !file.contains("..") && !file.starts_with('.')
}

/// As the asset builder does it: the first 16 hexadecimal digits of SHA-256.
fn hash(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
