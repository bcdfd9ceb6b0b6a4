//! Processor time, as the kernel counts it: of processes, and of the whole machine.

use std::fs;
use std::io;

/// What was used until now, in ticks of the kernel's clock.
pub(crate) struct Usage {
    processes: Vec<(u32, u64)>,
    machine: u64,
    own: f64,
}

/// What was used between two instants, seconds.
pub(crate) struct Used {
    /// Of each process with all its threads, those that have ended included.
    pub(crate) processes: Vec<(u32, f64)>,
    /// Of all processors together: whatever was neither idle nor taken by another machine.
    pub(crate) machine: f64,
    /// Of this process.
    pub(crate) own: f64,
}

impl Usage {
    /// Reads it all. An error names the process that is not there.
    pub(crate) fn now(pids: &[u32]) -> io::Result<Self> {
        let of = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/stat"));
            let ticks = text.ok().as_deref().and_then(process_ticks);
            ticks.map(|ticks| (pid, ticks)).ok_or_else(|| io::Error::other(format!("there is no process {pid}")))
        };
        let machine = machine_ticks(&fs::read_to_string("/proc/stat")?);
        let machine = machine.ok_or_else(|| io::Error::other("/proc/stat has no line of all processors"))?;
        let own = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let own = own.tv_sec as f64 + own.tv_nsec as f64 / 1e9;
        Ok(Self { processes: pids.iter().copied().map(of).collect::<io::Result<_>>()?, machine, own })
    }

    /// What was used since `before`, which was read with the same processes.
    pub(crate) fn since(&self, before: &Self) -> Used {
        let tick = rustix::param::clock_ticks_per_second() as f64;
        let seconds = |now: u64, then: u64| now.saturating_sub(then) as f64 / tick;
        let pairs = self.processes.iter().zip(&before.processes);
        Used {
            processes: pairs.map(|(now, then)| (now.0, seconds(now.1, then.1))).collect(),
            machine: seconds(self.machine, before.machine),
            own: self.own - before.own,
        }
    }
}

/// User and system time of `/proc/PID/stat`: fields 14 and 15 (proc_pid_stat(5)). The second field is a name in
/// parentheses and may have spaces and parentheses in it, so they are counted from behind it.
fn process_ticks(stat: &str) -> Option<u64> {
    let behind = stat.rsplit_once(") ")?.1;
    let mut fields = behind.split(' ').skip(14 - 3);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// User, nice, system, irq and softirq of the first line of `/proc/stat` (proc_stat(5)).
fn machine_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, ..] = fields[..] else { return None };
    Some(user + nice + system + irq + softirq)
}

#[cfg(test)]
mod tests {
    use super::{Usage, machine_ticks, process_ticks};

    #[test]
    fn a_process_may_have_any_name() {
        let stat = "12 (a) R 1) 2) S 1 12 12 0 -1 4194560 100 0 0 0 250 50 7 9 20 0 3 0 100";
        assert_eq!(process_ticks(stat), Some(300));
        assert_eq!(process_ticks("12 (a) S 1 12"), None);
    }

    #[test]
    fn the_machine_is_busy_when_it_is_not_idle() {
        assert_eq!(machine_ticks("cpu  10 2 30 1000 500 4 5 70 0 0\ncpu0 1 1 1 1 1 1 1"), Some(51));
        assert_eq!(machine_ticks("intr 1 2 3"), None);
    }

    #[test]
    fn work_is_seen() {
        let pids = [std::process::id()];
        let before = Usage::now(&pids).unwrap();
        // Until the kernel has counted some: how much time that takes is its affair.
        while Usage::now(&pids).unwrap().since(&before).processes[0].1 < 0.02 {}
        let used = Usage::now(&pids).unwrap().since(&before);
        assert!(used.machine >= 0.01 && used.own > 0.0, "{} {}", used.machine, used.own);
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        let error = Usage::now(&[u32::MAX]).err().unwrap().to_string();
        assert!(error.contains("4294967295"), "{error}");
    }
}
