//! What a process has taken so far, from `/proc`: proc_pid_stat(5), proc_pid_status(5), proc_pid_task(5), proc_stat(5).

use std::fs;
use std::io;
use std::ops::Sub;
use std::path::Path;
use std::time::Duration;

/// Clock ticks a second in `/proc` (USER_HZ), the same on every Linux.
const TICKS: u64 = 100;

/// What a process has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on a processor, of all threads that still live: to the nanosecond.
    pub processor: Duration,
    /// Of it in the kernel, of all threads: to a hundredth of a second.
    pub system: Duration,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
}

impl Usage {
    /// Of the process with this identifier.
    ///
    /// # Errors
    ///
    /// If it has ended, or `/proc` is not Linux's.
    pub fn of(pid: u32) -> io::Result<Self> {
        let folder = format!("/proc/{pid}");
        let folder = Path::new(&folder);
        let mut nanoseconds = 0;
        for task in fs::read_dir(folder.join("task"))? {
            // A thread may end between being listed and being read.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            nanoseconds += on_processor(&text).ok_or_else(unexpected)?;
        }
        let system = system_ticks(&fs::read_to_string(folder.join("stat"))?).ok_or_else(unexpected)?;
        let resident_bytes = resident(&fs::read_to_string(folder.join("status"))?).ok_or_else(unexpected)?;
        Ok(Self {
            processor: Duration::from_nanos(nanoseconds),
            system: Duration::from_millis(system * 1000 / TICKS),
            resident_bytes,
        })
    }

    /// Of this process.
    ///
    /// # Errors
    ///
    /// If `/proc` is not Linux's.
    pub fn own() -> io::Result<Self> {
        Self::of(std::process::id())
    }
}

/// What was taken since; memory as it is.
impl Sub for Usage {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            processor: self.processor.saturating_sub(before.processor),
            system: self.system.saturating_sub(before.system),
            resident_bytes: self.resident_bytes,
        }
    }
}

/// How long this thread has been on a processor.
///
/// # Errors
///
/// If `/proc` is not Linux's.
pub fn this_thread() -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    on_processor(&text).map(Duration::from_nanos).ok_or_else(unexpected)
}

/// How long a core has been busy, with anything, to a hundredth of a second.
///
/// # Errors
///
/// If there is no such core, or `/proc` is not Linux's.
pub fn core_busy(core: usize) -> io::Result<Duration> {
    let ticks = busy_ticks(&fs::read_to_string("/proc/stat")?, core).ok_or_else(unexpected)?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}

fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a file of /proc is not of the expected form")
}

/// The first field of a `schedstat`: nanoseconds on a processor.
fn on_processor(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// The field 15 of a `stat`. The name in the second may hold spaces and brackets.
fn system_ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(12)?.parse().ok()
}

/// `VmRSS` of a `status`, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// All ticks of a core in `/proc/stat` but those of idleness (the fourth and fifth number).
fn busy_ticks(stat: &str, core: usize) -> Option<u64> {
    let name = format!("cpu{core}");
    let line = stat.lines().find(|line| line.split_whitespace().next() == Some(name.as_str()))?;
    let ticks: Vec<u64> =
        line.split_whitespace().skip(1).take(8).map(|field| field.parse().ok()).collect::<Option<_>>()?;
    (ticks.len() == 8)
        .then(|| ticks.iter().enumerate().filter(|(place, _)| ![3, 4].contains(place)).map(|(_, n)| n).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_proc_are_read_as_their_manual_says() {
        assert_eq!(on_processor("1234567 89 10\n"), Some(1_234_567));
        let stat = "71 (a) b (c)) S 1 71 71 0 -1 4194560 100 0 0 0 250 75 0 0 20 0 5 0 1000 1 1";
        assert_eq!(system_ticks(stat), Some(75));
        assert_eq!(resident("Name:\tx\nVmHWM:\t  900 kB\nVmRSS:\t  812 kB\nThreads:\t2\n"), Some(812 * 1024));
        let stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu1 1 2 4 1000 2000 8 16 32 64 128\ncpu10 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!((busy_ticks(stat, 1), busy_ticks(stat, 10)), (Some(63), Some(6)));
    }

    #[test]
    fn what_is_not_of_the_form_is_refused() {
        for text in ["", "x", "-1"] {
            assert_eq!(
                (on_processor(text), system_ticks(text), resident(text), busy_ticks(text, 0)),
                (None, None, None, None)
            );
        }
        assert_eq!(
            (resident("VmRSS: 12 MB"), busy_ticks("cpu0 1 2 3", 0), busy_ticks("cpu1 1 1 1 1 1 1 1 1", 0)),
            (None, None, None)
        );
    }

    #[test]
    fn this_process_has_taken_something_and_takes_more_with_work() {
        let (before, thread) = (Usage::own().unwrap(), this_thread().unwrap());
        assert!(before.resident_bytes > 0);
        while this_thread().unwrap() == thread {
            std::hint::black_box((0..10_000).sum::<u64>());
        }
        let taken = Usage::own().unwrap() - before;
        assert!(taken.processor > Duration::ZERO);
        assert!(core_busy(usize::MAX).is_err());
    }

    #[test]
    fn a_difference_never_goes_below_nothing() {
        let (less, more) = (
            Usage { resident_bytes: 7, ..Usage::default() },
            Usage { processor: Duration::from_secs(1), ..Usage::default() },
        );
        assert_eq!(less - more, less);
    }
}
