//! SIGHUP ends no service: the certificates of its listeners are read again at once, and it may do more, told by [`Hangups`].
//!
//! The signal is one for the process, and so is who hears of it. Only [`process::main`](crate::process::main) listens to it: a program that
//! runs services on a terminal among other things ends with its terminal.

use std::io;
use std::sync::LazyLock;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

static TELLS: LazyLock<watch::Sender<()>> = LazyLock::new(watch::Sender::default);

/// Tells of each SIGHUP since it was made; of several that come while nobody waits, once.
#[derive(Debug)]
pub struct Hangups(watch::Receiver<()>);

impl Hangups {
    /// From here on.
    #[must_use]
    pub fn new() -> Self {
        Self(TELLS.subscribe())
    }

    /// Waits for the next one; without end in a process whose `main` is not [`process::main`](crate::process::main).
    pub async fn next(&mut self) {
        self.0.changed().await.expect("the sender lives as long as the process");
    }
}

impl Default for Hangups {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes the signal from the system, for as long as the process lives.
pub(crate) fn listen() -> io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            TELLS.send_replace(());
        }
    });
    Ok(())
}
