//! Messages as files, for development: one file a message in the outbox folder, moved into place whole.
//!
//! A name starts with a counter that grows with time, so that names sort by age; names that start with a dot are not yet
//! complete. The content is three headers, an empty line, and the text:
//!
//! ```text
//! To: tel:+14155550132
//! Enrollment: 00112233445566778899aabbccddeeff
//! Code: 12345678
//!
//! 12345678 is your code for a.example, …
//! ```

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::cpi::Cpi;
use zeroize::Zeroizing;

use super::{Courier, CourierError, Delivery, Message};
use crate::config::{ConfigError, FileCourierConfig};

const OWNER_ONLY: u32 = 0o600;
const OWNER_ONLY_FOLDER: u32 = 0o700;

/// Writes messages into a folder.
#[derive(Debug)]
pub(crate) struct FileCourier {
    outbox: Arc<Path>,
    counter: AtomicU64,
}

impl FileCourier {
    pub(crate) fn new(config: &FileCourierConfig) -> Result<Self, ConfigError> {
        let failed = |reason| ConfigError::Outbox { path: config.outbox.clone(), reason };
        DirBuilder::new().recursive(true).mode(OWNER_ONLY_FOLDER).create(&config.outbox).map_err(failed)?;
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        Ok(Self {
            outbox: config.outbox.clone().into(),
            counter: AtomicU64::new(u64::try_from(micros).unwrap_or_default()),
        })
    }

    /// Starts at the time in microseconds and counts on: a later start begins higher, unless a million messages a second
    /// were sent in between.
    fn next_name(&self, message: &Message) -> String {
        format!("{:020}-{}", self.counter.fetch_add(1, Ordering::Relaxed), message.id())
    }
}

impl Courier for FileCourier {
    fn deliver<'a>(&'a self, to: &'a Cpi, message: &'a Message) -> Delivery<'a> {
        let (outbox, name) = (Arc::clone(&self.outbox), self.next_name(message));
        let text = match to {
            Cpi::Phone(_) => message.short_text(),
            Cpi::Email(_) => message.long_text(),
        };
        let content = Zeroizing::new(format!(
            "To: {to}\nEnrollment: {}\nCode: {}\n\n{}\n",
            message.id(),
            message.code().digits(),
            text.trim_end()
        ));
        let write = tokio::task::spawn_blocking(move || write(&outbox, &name, content.as_bytes()));
        Box::pin(async move {
            match write.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "a message cannot be written to the outbox");
                    Err(CourierError::Unavailable)
                }
                Err(_) => Err(CourierError::Unavailable),
            }
        })
    }
}

fn write(outbox: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let hidden: PathBuf = outbox.join(format!(".{name}"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&hidden)?;
    file.write_all(content)?;
    fs::rename(&hidden, outbox.join(name))
}
