//! Where to go after logging in.

use std::fmt;

/// A path in this shop, safe to redirect to: it can lead to no other host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalPath(String);

impl LocalPath {
    /// Anything else leads to `/`.
    pub(crate) fn parse(text: &str) -> LocalPath {
        // Browsers read `\` as `/`, drop tabs and line breaks, and take `//host` for another host.
        let plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        let local = text.starts_with('/') && !text.starts_with("//");
        if plain && local && text.len() <= 2_000 {
            LocalPath(text.to_owned())
        } else {
            LocalPath("/".to_owned())
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LocalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_paths_of_the_shop() {
        for path in [
            "/",
            "/cart",
            "/products?q=mug&category=kitchen",
            "/products?q=%2F%2F",
        ] {
            assert_eq!(LocalPath::parse(path).as_str(), path);
        }
    }

    #[test]
    fn leads_to_no_other_host() {
        for elsewhere in [
            "",
            "cart",
            "https://evil.test/",
            "//evil.test",
            "///evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/\t/evil.test",
            "/\r\nSet-Cookie: a=b",
            "/ü",
            "javascript:alert(1)",
        ] {
            assert_eq!(LocalPath::parse(elsewhere).as_str(), "/", "{elsewhere:?}");
        }
    }
}
