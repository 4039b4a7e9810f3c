//! What the shop reads from `docker-compose/config/`.

use std::path::PathBuf;

use cache::RedisConfig;
use db::DatabaseConfig;
use orders::MailFolder;
use runtime::config::ConfigError;
use runtime::{HttpConfig, LogConfig, ShutdownConfig};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use storefront::{Assets, AssetsError};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    pub http: HttpConfig,
    #[serde(default)]
    pub log: LogConfig,
    #[serde(default)]
    pub shutdown: ShutdownConfig,
    pub shop: ShopConfig,
    pub databases: Databases,
    /// Where sessions and copies are, from stage 5 on.
    #[serde(default)]
    pub redis: Option<RedisConfig>,
    #[serde(default)]
    pub assets: AssetsConfig,
    pub mail: MailConfig,
    #[serde(default)]
    pub seed: SeedConfig,
    #[serde(default)]
    pub users: users::Config,
    #[serde(default)]
    pub inventory: inventory::Config,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShopConfig {
    #[serde(deserialize_with = "at_least_one")]
    pub roles: Vec<Role>,
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Role>, D::Error> {
    let roles = Vec::deserialize(deserializer)?;
    match roles.is_empty() {
        true => Err(D::Error::custom("expected `web`, `worker` or both")),
        false => Ok(roles),
    }
}

/// What a box that runs the shop does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Pages and API.
    Web,
    /// Jobs: the outbox, abandoned checkouts, old sessions. Safe in any number of boxes.
    Worker,
}

/// A logical database for each domain.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Databases {
    pub users: DatabaseConfig,
    pub inventory: DatabaseConfig,
    pub orders: DatabaseConfig,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AssetsConfig {
    /// The folder that `assets build` made; without it pages have a plain picture for all products.
    pub dir: Option<PathBuf>,
    /// Where browsers fetch assets: empty for here, `//cdn.example` for elsewhere.
    pub host: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// The local outbox folder: a file for each mail.
    pub dir: PathBuf,
}

/// What an empty database is filled with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeedConfig {
    pub products: u32,
    pub users: u32,
    pub orders: u32,
}

impl Default for SeedConfig {
    fn default() -> SeedConfig {
        SeedConfig {
            products: 2_000,
            users: 50_000,
            orders: 200_000,
        }
    }
}

impl AssetsConfig {
    pub fn load(&self) -> Result<Assets, ConfigError> {
        Assets::load(self.dir.as_deref(), &self.host).map_err(|error| {
            let expected = match error {
                AssetsError::BadHost(_) => format!("host: {error}"),
                _ => format!("dir: expected the folder that `assets build` made: {error}"),
            };
            ConfigError::in_use("assets", expected)
        })
    }
}

impl MailConfig {
    pub fn open(&self) -> Result<MailFolder, ConfigError> {
        MailFolder::open(&self.dir).map_err(|error| {
            let dir = self.dir.display();
            let expected = format!("dir: expected a folder to write to, got {dir}: {error}");
            ConfigError::in_use("mail", expected)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_that_does_nothing_is_refused() {
        let roles = ("APP__ROLES".to_owned(), "[]".to_owned());
        let mistake = runtime::config::load_from::<ShopConfig>([], [roles]);
        assert_eq!(
            mistake.expect_err("a mistake").to_string(),
            "environment APP__ROLES: roles: expected `web`, `worker` or both"
        );
    }

    #[test]
    fn folders_that_are_not_there_are_mistakes_that_name_their_key() {
        let assets = |dir: Option<&str>, host: &str| {
            let dir = dir.map(PathBuf::from);
            let host = host.to_owned();
            let error = AssetsConfig { dir, host }.load().expect_err("a mistake");
            error.to_string()
        };
        let error = assets(Some("/dev/null"), "");
        assert!(error.contains("assets.dir: expected the folder"), "{error}");
        let error = assets(None, "cdn");
        assert!(error.contains("assets.host: expected an origin"), "{error}");
        let dir = PathBuf::from("/dev/null/mail");
        let error = MailConfig { dir }
            .open()
            .expect_err("a mistake")
            .to_string();
        assert!(error.contains("mail.dir: expected a folder"), "{error}");
    }
}
