//! A box's cap while it runs: how much it has, and less of it.

use anyhow::Context;

use crate::container::Container;
use crate::docker;

/// A box's share of a core: `quota` microseconds of each `period`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cap {
    period: u64,
    quota: u64,
}

impl Cap {
    /// In periods of 20 ms, as boxes have; longer ones where Docker would refuse the quota: it takes none
    /// below 1 ms.
    pub(super) fn of_cores(cores: f64) -> Cap {
        let period = (1_000.0 / cores).max(20_000.0);
        Cap {
            period: period.round() as u64,
            quota: (cores * period).round() as u64,
        }
    }

    pub(super) fn cores(self) -> f64 {
        self.quota as f64 / self.period as f64
    }

    /// The one that this box has now.
    pub(super) async fn of(container: &Container) -> anyhow::Result<Cap> {
        let format = "{{.HostConfig.CpuPeriod}} {{.HostConfig.CpuQuota}}";
        let said = docker::ask(&["inspect", "--format", format, &container.id]).await?;
        let (period, quota) = said.trim().split_once(' ').context("docker inspect")?;
        Ok(Cap {
            period: period.parse()?,
            quota: quota.parse()?,
        })
    }

    pub(super) async fn set(self, container: &Container) -> anyhow::Result<()> {
        let (period, quota) = (self.period.to_string(), self.quota.to_string());
        let args = [
            "update",
            "--cpu-period",
            &period,
            "--cpu-quota",
            &quota,
            &container.id,
        ];
        docker::ask(&args).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_caps_are_allowed_by_docker() {
        let cap = |period, quota| Cap { period, quota };
        assert_eq!(Cap::of_cores(0.0625), cap(20_000, 1_250));
        assert_eq!(Cap::of_cores(0.025), cap(40_000, 1_000));
    }
}
