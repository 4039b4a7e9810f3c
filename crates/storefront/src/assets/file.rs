//! One asset: the forms it may be sent in, and what a cache should know of it.

use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderValue};

use super::coding::{Coding, choose};

#[derive(Debug)]
pub(super) struct File {
    /// The asset as it is, last, and what of it lies packed beside it.
    forms: Vec<Form>,
    /// For `Cache-Groups`.
    pub(super) groups: HeaderValue,
}

/// The bytes that are sent for one coding.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) coding: Coding,
    /// Strong, and so of this form only: bytes 100 to 199 of another are others.
    pub(super) etag: HeaderValue,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Embedded(&'static [u8]),
    OnDisk(PathBuf),
}

impl File {
    pub(super) fn embedded(name: &str, hash: &str, content: &'static [u8]) -> File {
        File {
            forms: vec![Form::new(
                hash,
                Coding::Identity,
                Content::Embedded(content),
            )],
            groups: groups(name),
        }
    }

    /// The asset at `path`, in all codings that are there now.
    pub(super) fn on_disk(name: &str, hash: &str, path: &Path) -> File {
        let packed = Coding::PACKED.into_iter().filter_map(|coding| {
            let mut beside = path.as_os_str().to_owned();
            beside.push(coding.ending());
            let beside = PathBuf::from(beside);
            beside
                .is_file()
                .then(|| Form::new(hash, coding, Content::OnDisk(beside)))
        });
        let plain = Form::new(hash, Coding::Identity, Content::OnDisk(path.to_owned()));
        File {
            forms: packed.chain([plain]).collect(),
            groups: groups(name),
        }
    }

    /// Whether the answer depends on `Accept-Encoding`.
    pub(super) fn varies(&self) -> bool {
        self.forms.len() > 1
    }

    /// The form that suits the client best.
    pub(super) fn form(&self, headers: &HeaderMap) -> &Form {
        let chosen = if self.varies() {
            choose(headers, self.forms.iter().map(|form| form.coding))
        } else {
            Coding::Identity
        };
        let mut forms = self.forms.iter();
        forms
            .find(|form| form.coding == chosen)
            .expect("there is always the asset as it is")
    }
}

impl Form {
    fn new(hash: &str, coding: Coding, content: Content) -> Form {
        let tag = match coding {
            Coding::Identity => format!("\"{hash}\""),
            _ => format!("\"{hash}-{}\"", coding.name()),
        };
        Form {
            coding,
            etag: HeaderValue::try_from(tag).expect("names are plain"),
            content,
        }
    }
}

/// What may be purged together (RFC 9875): all assets, and those of a kind.
fn groups(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit('.').next() {
        _ if name.starts_with("product/") => r#""assets", "pictures""#,
        _ if name.starts_with("hero.") => r#""assets", "hero""#,
        Some("css") => r#""assets", "styles""#,
        Some("js") => r#""assets", "scripts""#,
        Some("svg") => r#""assets", "drawings""#,
        _ => r#""assets""#,
    })
}
