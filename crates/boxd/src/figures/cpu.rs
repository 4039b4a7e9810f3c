//! How the box's CPU divides among its processes, each with all that it started.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};

use boxstat::{Exposition, Kind};

/// What the kernel counts processes' time in; the same on every Linux, see `proc_pid_stat(5)`.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU times of the box's processes, and of boxd itself together with whoever reports to it.
pub(super) struct CpuTimes {
    trees: Vec<Tree>,
}

/// A process of the box and its descendants. Their sum never falls, as a counter must not: neither
/// when a child ends between the reading of it and of its parent, nor when the process is restarted.
struct Tree {
    name: String,
    pid: i32,
    earlier_pids: u64,
    this_pid: u64,
}

/// `/proc/PID/stat`, times in ticks.
struct Stat {
    parent: i32,
    own: u64,
    /// Of children that ended and were waited for.
    reaped: u64,
}

impl CpuTimes {
    pub(super) fn new(names: impl Iterator<Item = String>) -> Self {
        let boxd = Tree::new("boxd".to_owned(), std::process::id().cast_signed());
        let others = names.map(|name| Tree::new(name, 0));
        let trees = std::iter::once(boxd).chain(others).collect();
        Self { trees }
    }

    /// `pids` are those of the box's processes, none for one that is not there now.
    pub(super) fn write(
        &mut self,
        pids: impl Iterator<Item = Option<i32>>,
        out: &mut Exposition,
    ) -> io::Result<()> {
        for (tree, pid) in self.trees.iter_mut().skip(1).zip(pids) {
            tree.move_to(pid.unwrap_or(0));
        }
        let sums = sum_by_root(&processes()?, &self.trees);
        let mut seconds = out.family(Kind::Counter, "box_process_cpu_seconds_total");
        for (tree, sum) in self.trees.iter_mut().zip(sums) {
            tree.this_pid = tree.this_pid.max(sum);
            let ticks = tree.earlier_pids + tree.this_pid;
            let labels = [("box", boxstat::name()), ("process", &tree.name)];
            seconds.sample(&labels, ticks as f64 / TICKS_PER_SECOND);
        }
        Ok(())
    }
}

impl Tree {
    fn new(name: String, pid: i32) -> Self {
        Self {
            name,
            pid,
            earlier_pids: 0,
            this_pid: 0,
        }
    }

    fn move_to(&mut self, pid: i32) {
        if pid != self.pid {
            self.pid = pid;
            self.earlier_pids += std::mem::take(&mut self.this_pid);
        }
    }
}

/// Each process counts for the nearest of its ancestors, itself included, that is the root of a tree.
fn sum_by_root(processes: &HashMap<i32, Stat>, trees: &[Tree]) -> Vec<u64> {
    let mut sums = vec![0; trees.len()];
    for (&pid, stat) in processes {
        let mut ancestor = pid;
        let root = loop {
            if let Some(root) = trees.iter().position(|tree| tree.pid == ancestor) {
                break Some(root);
            }
            match processes.get(&ancestor) {
                Some(stat) if stat.parent != 0 => ancestor = stat.parent,
                _ => break None,
            }
        };
        if let Some(root) = root {
            sums[root] += stat.own;
            // What boxd reaped was of other trees.
            if trees[0].pid != pid {
                sums[root] += stat.reaped;
            }
        }
    }
    sums
}

fn processes() -> io::Result<HashMap<i32, Stat>> {
    let mut processes = HashMap::new();
    // Several times what a line of some 50 numbers takes.
    let mut stat = [0; 2048];
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // One that is gone by now was counted by its parent.
        let read = File::open(entry.path().join("stat")).and_then(|mut file| file.read(&mut stat));
        if let Some(stat) = read.ok().and_then(|length| parse(&stat[..length])) {
            processes.insert(pid, stat);
        }
    }
    Ok(processes)
}

fn parse(stat: &[u8]) -> Option<Stat> {
    // The command's name, in parentheses, may hold anything, parentheses too.
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = str::from_utf8(stat.get(name_end + 2..)?).ok()?;
    let mut fields = fields.split(' ');
    let parent = fields.nth(1)?.parse().ok()?;
    let mut times = fields.skip(9).map(str::parse::<u64>);
    let mut two = || Some(times.next()?.ok()? + times.next()?.ok()?);
    Some(Stat {
        parent,
        own: two()?,
        reaped: two()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let stat =
            b"7 (a) b (c) S 3 7 7 0 -1 4194560 1 2 3 4 10 20 300 400 20 0 1 0 397505 27 4 18";
        let stat = parse(stat).unwrap();
        assert_eq!((stat.parent, stat.own, stat.reaped), (3, 30, 700));
    }

    #[test]
    fn a_process_counts_for_its_nearest_root() {
        let stat = |parent, own, reaped| Stat {
            parent,
            own,
            reaped,
        };
        let processes = HashMap::from([
            (1, stat(0, 1, 1000)),
            (10, stat(1, 10, 5)),
            (11, stat(10, 20, 0)),
            (12, stat(11, 40, 7)),
            (20, stat(1, 3, 0)),
            (30, stat(1, 100, 0)),
            (99, stat(98, 9999, 0)),
        ]);
        let trees = [("boxd", 1), ("postgres", 10), ("shop", 30), ("down", 0)];
        let trees = trees.map(|(name, pid)| Tree::new(name.to_owned(), pid));
        assert_eq!(sum_by_root(&processes, &trees), [4, 82, 100, 0]);
    }

    #[test]
    fn a_restart_loses_nothing() {
        let mut tree = Tree::new("postgres".to_owned(), 10);
        tree.this_pid = 500;
        tree.move_to(10);
        tree.move_to(0);
        tree.move_to(11);
        assert_eq!((tree.earlier_pids, tree.this_pid), (500, 0));
    }
}
