//! The box's control group, as a container sees its own: mounted under `/sys/fs/cgroup`.
//!
//! Version 2: <https://docs.kernel.org/admin-guide/cgroup-v2.html>. Version 1, which older Docker
//! hosts have: `cgroup-v1/` beside it, and `scheduler/sched-bwc.html`.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::source::Source;

#[derive(Debug)]
pub(crate) enum Cgroup {
    V1 {
        cpu_usage: Source,
        cpu_stat: Source,
        cpu_quota: Source,
        cpu_period: Source,
        memory_usage: Source,
        memory_stat: Source,
    },
    V2 {
        cpu_stat: Source,
        cpu_max: Source,
        memory_current: Source,
        memory_stat: Source,
        memory_max: Source,
    },
}

#[derive(Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) cpu: Duration,
    /// How long the box had work to do but had used up its quota, summed over cores: a box that two
    /// cores work for can be throttled for two seconds a second.
    pub(crate) throttled: Duration,
    /// Without a quota: what the machine has.
    pub(crate) cpu_limit: f64,
    /// The working set, as the kubelet counts it: what is used, less the pages of files that nobody
    /// touched lately, which the kernel takes back before it kills anybody.
    pub(crate) memory: u64,
    pub(crate) memory_limit: Option<u64>,
}

impl Cgroup {
    /// Errors name the file that is missing.
    pub(crate) fn open(root: &Path) -> io::Result<Cgroup> {
        let open = |file: &str| Source::open(root.join(file));
        if root.join("cgroup.controllers").exists() {
            Ok(Cgroup::V2 {
                cpu_stat: open("cpu.stat")?,
                cpu_max: open("cpu.max")?,
                memory_current: open("memory.current")?,
                memory_stat: open("memory.stat")?,
                memory_max: open("memory.max")?,
            })
        } else {
            Ok(Cgroup::V1 {
                cpu_usage: open("cpuacct/cpuacct.usage")?,
                cpu_stat: open("cpu/cpu.stat")?,
                cpu_quota: open("cpu/cpu.cfs_quota_us")?,
                cpu_period: open("cpu/cpu.cfs_period_us")?,
                memory_usage: open("memory/memory.usage_in_bytes")?,
                memory_stat: open("memory/memory.stat")?,
            })
        }
    }

    pub(crate) fn read(&self) -> io::Result<Reading> {
        match self {
            Cgroup::V1 {
                cpu_usage,
                cpu_stat,
                cpu_quota,
                cpu_period,
                memory_usage,
                memory_stat,
            } => {
                let quota: i64 = cpu_quota.read(number)?;
                let period: i64 = cpu_period.read(number)?;
                let (idle, limit) = memory_stat.read(|text| {
                    let limit = field(text, "hierarchical_memory_limit")?;
                    Some((field(text, "total_inactive_file")?, limit))
                })?;
                let throttled = cpu_stat.read(|text| field(text, "throttled_time"))?;
                Ok(Reading {
                    cpu: Duration::from_nanos(cpu_usage.read(number)?),
                    throttled: Duration::from_nanos(throttled),
                    cpu_limit: cores((quota > 0).then_some(quota), period),
                    memory: memory_usage.read(number::<u64>)?.saturating_sub(idle),
                    // "None" is the largest number of whole pages.
                    memory_limit: Some(limit).filter(|limit| *limit < 1 << 62),
                })
            }
            Cgroup::V2 {
                cpu_stat,
                cpu_max,
                memory_current,
                memory_stat,
                memory_max,
            } => {
                let (usage, throttled) = cpu_stat.read(|text| {
                    Some((field(text, "usage_usec")?, field(text, "throttled_usec")?))
                })?;
                let idle = memory_stat.read(|text| field(text, "inactive_file"))?;
                Ok(Reading {
                    cpu: Duration::from_micros(usage),
                    throttled: Duration::from_micros(throttled),
                    cpu_limit: cpu_max.read(|text| {
                        let (quota, period) = text.trim_end().split_once(' ')?;
                        Some(cores(or_max(quota)?, period.parse().ok()?))
                    })?,
                    memory: memory_current.read(number::<u64>)?.saturating_sub(idle),
                    memory_limit: memory_max.read(|text| or_max(text.trim_end()))?,
                })
            }
        }
    }
}

fn cores(quota: Option<i64>, period: i64) -> f64 {
    match quota {
        Some(quota) => quota as f64 / period as f64,
        None => std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.trim_end().parse().ok()
}

/// The outer option is none for what is no number, the inner one for `max`.
fn or_max<T: std::str::FromStr>(text: &str) -> Option<Option<T>> {
    match text {
        "max" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

/// The number behind this key, in lines of `key number`.
fn field(text: &str, key: &str) -> Option<u64> {
    let mut fields = text.lines().filter_map(|line| line.split_once(' '));
    fields.find(|(name, _)| *name == key)?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn group(files: &[(&str, &str)]) -> (tempfile::TempDir, Cgroup) {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let file = dir.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let cgroup = Cgroup::open(dir.path()).unwrap();
        (dir, cgroup)
    }

    const V1: [(&str, &str); 6] = [
        ("cpuacct/cpuacct.usage", "24993511\n"),
        (
            "cpu/cpu.stat",
            "nr_periods 5\nnr_throttled 3\nthrottled_time 22481998\nnr_bursts 0\nburst_time 0\n",
        ),
        ("cpu/cpu.cfs_quota_us", "5000\n"),
        ("cpu/cpu.cfs_period_us", "20000\n"),
        ("memory/memory.usage_in_bytes", "434176\n"),
        (
            "memory/memory.stat",
            "inactive_file 1\nhierarchical_memory_limit 67108864\ntotal_inactive_file 159744\n",
        ),
    ];

    const V2: [(&str, &str); 6] = [
        ("cgroup.controllers", "cpuset cpu io memory pids\n"),
        (
            "cpu.stat",
            "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\nnr_periods 9\n\
             nr_throttled 4\nthrottled_usec 250000\n",
        ),
        ("cpu.max", "5000 20000\n"),
        ("memory.current", "100000\n"),
        (
            "memory.stat",
            "anon 50000\nfile 50000\ninactive_file 40000\n",
        ),
        ("memory.max", "536870912\n"),
    ];

    #[test]
    fn reads_version_1() {
        let (_dir, cgroup) = group(&V1);
        let expected = Reading {
            cpu: Duration::from_nanos(24_993_511),
            throttled: Duration::from_nanos(22_481_998),
            cpu_limit: 0.25,
            memory: 274_432,
            memory_limit: Some(67_108_864),
        };
        assert_eq!(cgroup.read().unwrap(), expected);
    }

    #[test]
    fn reads_version_2() {
        let (_dir, cgroup) = group(&V2);
        let expected = Reading {
            cpu: Duration::from_millis(1500),
            throttled: Duration::from_millis(250),
            cpu_limit: 0.25,
            memory: 60_000,
            memory_limit: Some(536_870_912),
        };
        assert_eq!(cgroup.read().unwrap(), expected);
    }

    #[test]
    fn reads_anew_each_time() {
        let (dir, cgroup) = group(&V2);
        cgroup.read().unwrap();
        fs::write(dir.path().join("cpu.max"), "100000 20000\n").unwrap();
        assert_eq!(cgroup.read().unwrap().cpu_limit, 5.0);
    }

    #[test]
    fn a_box_without_caps_has_the_machine() {
        let machine = std::thread::available_parallelism().unwrap().get() as f64;

        let (dir, v2) = group(&V2);
        fs::write(dir.path().join("cpu.max"), "max 100000\n").unwrap();
        fs::write(dir.path().join("memory.max"), "max\n").unwrap();
        let reading = v2.read().unwrap();
        assert_eq!((reading.cpu_limit, reading.memory_limit), (machine, None));

        let (dir, v1) = group(&V1);
        fs::write(dir.path().join("cpu/cpu.cfs_quota_us"), "-1\n").unwrap();
        let stat = "hierarchical_memory_limit 9223372036854771712\ntotal_inactive_file 0\n";
        fs::write(dir.path().join("memory/memory.stat"), stat).unwrap();
        let reading = v1.read().unwrap();
        assert_eq!((reading.cpu_limit, reading.memory_limit), (machine, None));
    }

    #[test]
    fn names_the_file_it_does_not_understand() {
        let (dir, cgroup) = group(&V2);
        fs::write(dir.path().join("memory.current"), "much\n").unwrap();
        let error = cgroup.read().unwrap_err().to_string();
        assert!(error.contains("memory.current: invalid data"), "{error}");
    }
}
