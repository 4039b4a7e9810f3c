//! From stage 4 on: assets have a host of their own.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use reqwest::{Method, header};

use super::Report;
use crate::cdn;
use crate::compose::Compose;
use crate::shopper::{Answer, Shopper};

pub(super) async fn check(report: &mut Report, compose: &Compose) {
    let host = match Host::open(compose) {
        Ok(host) => host,
        Err(error) => {
            let told = async { Err(error) };
            return report.check("assets have a host of their own", told).await;
        }
    };
    report
        .check(
            "pages point to the assets' own host",
            host.pages_point_there(),
        )
        .await;
    report
        .check(
            "assets are stored there, under names that never change",
            host.assets_are_stored(),
        )
        .await;
    report
        .check(
            "who has an asset hears only that, who wants a part gets it",
            host.parts(),
        )
        .await;
    report
        .check("nothing but assets is served there", host.nothing_else())
        .await;
    report
        .check(
            "many who ask for the same at once ask the origin once",
            host.collapses(),
        )
        .await;
}

struct Host<'a> {
    compose: &'a Compose,
    shop: Shopper,
    cdn: Shopper,
}

/// Who ask at once.
const AT_ONCE: usize = 100;

impl Host<'_> {
    fn open(compose: &Compose) -> anyhow::Result<Host<'_>> {
        Ok(Host {
            shop: Shopper::guest(&compose.front_url())?,
            cdn: Shopper::guest(&compose.cdn_url())?,
            compose,
        })
    }

    /// The assets of the front page, as addresses.
    async fn addresses(&self) -> anyhow::Result<BTreeSet<String>> {
        let page = self.shop.page("/").await?;
        page.expect(200)?;
        Ok(cdn::assets_of(&page.text).collect())
    }

    /// One of them, without its host.
    async fn path(&self, ending: &str) -> anyhow::Result<String> {
        let addresses = self.addresses().await?;
        let found = addresses.iter().find(|address| address.ends_with(ending));
        let found = found.with_context(|| format!("no {ending} on the front page"))?;
        let at = found.find("/assets/").unwrap_or_default();
        Ok(found[at..].to_owned())
    }

    async fn pages_point_there(&self) -> anyhow::Result<String> {
        let addresses = self.addresses().await?;
        let host = self.compose.cdn_url();
        let elsewhere: Vec<_> = addresses.iter().filter(|a| !a.starts_with(&host)).collect();
        ensure!(elsewhere.is_empty(), "expected {host}, got {elsewhere:?}");
        ensure!(!addresses.is_empty(), "no assets on the front page");
        Ok(format!(
            "all {} assets of the front page are at {host}",
            addresses.len()
        ))
    }

    async fn ask(
        &self,
        path: &str,
        fields: &[(header::HeaderName, &str)],
    ) -> anyhow::Result<Answer> {
        let mut request = self.cdn.request(Method::GET, path);
        for (name, value) in fields {
            request = request.header(name, *value);
        }
        Answer::of(request).await
    }

    async fn assets_are_stored(&self) -> anyhow::Result<String> {
        let path = self.path(".css").await?;
        self.ask(&path, &[]).await?.expect(200)?;
        let answer = self.ask(&path, &[]).await?;
        answer.expect(200)?;
        let (status, timing) = (
            answer.header("cache-status"),
            answer.header("server-timing"),
        );
        ensure!(status.contains("; hit"), "the second time: {status:?}");
        ensure!(timing.starts_with("cdn;"), "Server-Timing: {timing:?}");
        let control = answer.header("cache-control");
        ensure!(control.contains("immutable"), "Cache-Control: {control:?}");
        Ok(format!("{status}, {control}"))
    }

    async fn parts(&self) -> anyhow::Result<String> {
        let path = self.path(".css").await?;
        let whole = self.ask(&path, &[]).await?;
        let etag = whole.header("etag").to_owned();
        self.ask(&path, &[(header::IF_NONE_MATCH, &etag)])
            .await?
            .expect(304)?;
        let part = self.ask(&path, &[(header::RANGE, "bytes=2-5")]).await?;
        part.expect(206)?;
        ensure!(
            part.text == whole.text[2..6],
            "bytes 2 to 5: {:?}",
            part.text
        );
        Ok("304 for its version, 206 for a part".to_owned())
    }

    async fn nothing_else(&self) -> anyhow::Result<String> {
        let paths = [
            "/",
            "/cart",
            "/api/v1/products",
            "/login",
            "/metrics",
            "/purge",
        ];
        for path in paths {
            let answer = self.ask(path, &[]).await?;
            answer.expect(404).with_context(|| path.to_owned())?;
        }
        Ok(format!("404 for {}", paths.join(" ")))
    }

    async fn collapses(&self) -> anyhow::Result<String> {
        let path = self.path(".jpg").await?;
        cdn::purge(
            self.compose,
            &["--url", &format!("{}{path}", self.compose.cdn_url())],
        )
        .await?;
        let before = cdn::fetches(self.compose).await?;
        let asked = (0..AT_ONCE).map(|_| self.ask(&path, &[]));
        for answer in try_join_all(asked).await? {
            answer.expect(200)?;
        }
        let fetches = cdn::fetches(self.compose).await?.saturating_sub(before);
        ensure!(
            fetches == 1,
            "{AT_ONCE} requests made {fetches} at the origin"
        );
        Ok(format!("{AT_ONCE} requests, {fetches} at the origin"))
    }
}
