//! References inside style sheets: `url(hero.jpg)` must name what is served.

use std::{borrow::Cow, collections::BTreeMap};

/// Replaces each `url(…)` that names an asset by its served name; both are relative to the style
/// sheet, as all assets lie in one folder. Leaves absolute, `data:` and `#fragment` references.
/// Gives back the first reference to an asset that does not exist.
pub(crate) fn rewrite<'a>(
    css: &'a str,
    served: &BTreeMap<String, String>,
) -> Result<String, &'a str> {
    let mut rewritten = String::with_capacity(css.len() + 64);
    let mut rest = css;
    while let Some((before, after)) = rest.split_once("url(") {
        let (inside, after) = after.split_once(')').unwrap_or((after, ""));
        let reference = inside.trim().trim_matches(['"', '\'']);
        rewritten.push_str(before);
        rewritten.push_str(&format!(
            "url({})",
            resolve(reference, served).ok_or(reference)?
        ));
        rest = after;
    }
    Ok(rewritten + rest)
}

fn resolve<'a>(reference: &'a str, served: &BTreeMap<String, String>) -> Option<Cow<'a, str>> {
    let elsewhere = reference.starts_with(['#', '/']) || reference.contains(':');
    if elsewhere {
        return Some(Cow::Owned(format!("\"{reference}\"")));
    }
    let name = reference.strip_prefix("./").unwrap_or(reference);
    served
        .get(name)
        .map(|hashed| Cow::Owned(format!("\"{hashed}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served() -> BTreeMap<String, String> {
        [
            ("hero.jpg", "hero.1f.jpg"),
            ("fonts/serif.woff2", "fonts-serif.2e.woff2"),
        ]
        .map(|(name, hashed)| (name.to_owned(), hashed.to_owned()))
        .into()
    }

    #[test]
    fn names_the_served_asset_whatever_the_quotes() {
        let css = "a { b: url(hero.jpg) } @font-face { src: url('./fonts/serif.woff2') format(\"woff2\") }";
        assert_eq!(
            rewrite(css, &served()).unwrap(),
            "a { b: url(\"hero.1f.jpg\") } @font-face { src: url(\"fonts-serif.2e.woff2\") format(\"woff2\") }"
        );
    }

    #[test]
    fn leaves_references_to_elsewhere() {
        let css =
            "a { b: url(\"#dots\"); c: url(\"data:image/png;base64,AA==\"); d: url(\"/x.png\") }";
        assert_eq!(rewrite(css, &served()).unwrap(), css);
    }

    #[test]
    fn reports_an_asset_that_does_not_exist() {
        assert_eq!(
            rewrite("a { b: url(gone.png) }", &served()),
            Err("gone.png")
        );
    }
}
