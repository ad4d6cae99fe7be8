//! Which core runs what. A child process inherits the cores of the thread that starts it, so a server is pinned by pinning
//! this thread for a moment.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::{Result, ensure};

/// The cores of a measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cores {
    /// Where what is measured runs.
    pub server: Vec<usize>,
    /// Where the client runs, and whatever else is not measured.
    pub client: Vec<usize>,
}

impl Cores {
    /// The first core that this process may use for servers, the second for the client; if there is one alone, both share it.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn choose() -> Result<Self> {
        let all = available()?;
        ensure(!all.is_empty(), "there is no core to run on")?;
        Ok(Self { server: vec![all[0]], client: vec![all.get(1).copied().unwrap_or(all[0])] })
    }

    /// Both for both, to measure a whole chain on all of them.
    #[must_use]
    pub fn shared(&self) -> Self {
        let mut all = [self.server.clone(), self.client.clone()].concat();
        all.dedup();
        Self { server: all.clone(), client: all }
    }
}

/// The cores that this thread may run on.
///
/// # Errors
///
/// If the system does not tell.
pub fn available() -> Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}

/// Lets this thread, and what it starts from here on, run on these cores alone.
///
/// # Errors
///
/// If none of them is there.
pub fn pin(cores: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    Ok(sched_setaffinity(None, &set)?)
}

/// Does `work` on these cores, and goes back to where this thread was.
///
/// # Errors
///
/// As [`pin`].
pub fn on<T>(cores: &[usize], work: impl FnOnce() -> T) -> Result<T> {
    let before = available()?;
    pin(cores)?;
    let done = work();
    pin(&before)?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_where_it_was_pinned_and_comes_back() {
        let before = available().unwrap();
        let cores = Cores::choose().unwrap();
        assert_eq!(on(&cores.client, || available().unwrap()).unwrap(), cores.client);
        assert_eq!(available().unwrap(), before);
        assert!(pin(&[]).is_err());
        assert!(cores.shared().server.len() <= 2);
    }
}
