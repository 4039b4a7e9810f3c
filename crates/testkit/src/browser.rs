//! Headless Chromium by `WebDriver`; every wait is for a condition, with an end.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fantoccini::{Client, ClientBuilder, Locator};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A page on a box with a quarter of a core, beside a browser on the same two cores.
const PATIENCE: Duration = Duration::from_secs(20);

/// With a profile of its own. Gone, driver and all, when dropped.
#[derive(Debug)]
pub struct Browser {
    pub page: Client,
    // Ends the driver, and with it the browser, when dropped.
    _driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Needs `chromedriver` and Chromium on the path.
    pub async fn open() -> Result<Browser> {
        let (driver, port) = start_driver().await?;
        let profile = tempfile::tempdir()?;
        let capabilities = serde_json::json!({ "goog:chromeOptions": { "args": [
            "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update",
            // In CI tests run as root, and in containers without a sandbox of their own; the only pages
            // that are opened are ours.
            "--no-sandbox", "--disable-dev-shm-usage",
            "--window-size=1280,1000",
            format!("--user-data-dir={}", profile.path().display()),
        ]}});
        let serde_json::Value::Object(capabilities) = capabilities else {
            unreachable!("an object")
        };
        let connector = hyper_util::client::legacy::connect::HttpConnector::new();
        let page = ClientBuilder::new(connector)
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .context("chromium does not start")?;
        Ok(Browser {
            page,
            _driver: driver,
            _profile: profile,
        })
    }

    pub async fn close(self) {
        // The driver is killed in any case.
        let _ = self.page.close().await;
    }

    pub async fn wait_for(&self, css: &str) -> Result<fantoccini::elements::Element> {
        let found = self
            .page
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::Css(css))
            .await;
        found.with_context(|| format!("no {css}"))
    }

    /// Clicks, and waits for the page to go if it was a link or a button of a form.
    pub async fn click(&self, css: &str) -> Result<()> {
        self.wait_for(css)
            .await?
            .click()
            .await
            .with_context(|| format!("clicking {css}"))
    }

    pub async fn fill(&self, css: &str, text: &str) -> Result<()> {
        let field = self.wait_for(css).await?;
        field.clear().await?;
        field
            .send_keys(text)
            .await
            .with_context(|| format!("typing into {css}"))
    }

    pub async fn text(&self, css: &str) -> Result<String> {
        Ok(self.wait_for(css).await?.text().await?)
    }

    /// Waits until an element's text has this in it.
    pub async fn contains(&self, css: &str, text: &str) -> Result<()> {
        let script = "
            const shown = document.querySelector(arguments[0])?.innerText;
            return shown?.includes(arguments[1]) ? null : `${arguments[0]} shows no ${arguments[1]}, but ${shown}`;";
        self.settles(PATIENCE, script, &[css, text]).await
    }

    /// Waits until a picture has arrived and been decoded.
    pub async fn shows_picture(&self, css: &str) -> Result<()> {
        let script = "
            const picture = document.querySelector(arguments[0]);
            return picture?.complete && picture.naturalWidth > 0 ? null : `the picture ${arguments[0]} does not show`;";
        self.settles(PATIENCE, script, &[css]).await
    }

    /// Waits until this script, the body of a function, has nothing to object to the page and returns
    /// null. It may return a promise.
    pub async fn settles(&self, within: Duration, script: &str, arguments: &[&str]) -> Result<()> {
        let started = Instant::now();
        loop {
            let arguments = arguments.iter().map(|&argument| argument.into()).collect();
            let objection = self.page.execute(script, arguments).await?;
            if objection.is_null() {
                return Ok(());
            }
            ensure!(started.elapsed() < within, "after {within:?}: {objection}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the browser shows now, into `target/screenshots/`, for whoever looks why a test failed.
    pub async fn keep_evidence(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/screenshots");
        let _ = std::fs::create_dir_all(&folder);
        if let Ok(png) = self.page.screenshot().await {
            let _ = std::fs::write(folder.join(format!("{name}.png")), png);
        }
        if let Ok(source) = self.page.source().await {
            let _ = std::fs::write(folder.join(format!("{name}.html")), source);
        }
        eprintln!("see {}/{name}.png and .html", folder.display());
    }
}

/// On a port that the system chooses: tests run side by side.
async fn start_driver() -> Result<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("chromedriver does not start")?;
    let out = driver.stdout.take().context("no output")?;
    let mut lines = BufReader::new(out).lines();
    let find = async {
        while let Some(line) = lines.next_line().await? {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                return Ok(port.trim_end_matches('.').parse()?);
            }
        }
        anyhow::bail!("chromedriver told no port")
    };
    let port = tokio::time::timeout(PATIENCE, find)
        .await
        .context("chromedriver is silent")??;
    // Keeps its pipe empty.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((driver, port))
}
