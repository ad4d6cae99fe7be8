//! What the binary does beside serving: reading the audit trail, and changing keys. Both work beside a running prover.

use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use protocol::Timestamp;

use crate::config::Config;
use crate::keys::Keys;
use crate::keys::rotation::{self, RotationError};
use crate::storage::trail::Line;
use crate::storage::{Storage, StorageError};

use service::secret_file::SecretFileError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The database, or the audit trail does not hold.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Keys were not changed.
    #[error(transparent)]
    Rotation(#[from] RotationError),
    /// A key file.
    #[error(transparent)]
    Key(#[from] SecretFileError),
    /// The output.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// Not the number of an enrollment or credential.
    #[error("an id has 32 hexadecimal digits")]
    Id,
    /// The trail has no such enrollment or credential.
    #[error("the audit trail has no enrollment and no credential of this id")]
    NotFound,
}

/// What to do with the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStep {
    /// Show the signing keys.
    List,
    /// Make the next signing key, to be announced.
    Prepare,
    /// Make the next signing key the present one.
    Activate,
    /// Make a new HPKE key.
    RenewHpke,
    /// Delete retired keys whose time is over.
    Forget,
}

/// Verifies the audit trail from its first entry to its last, and prints how many there are of each kind. With `id`, the
/// number of an enrollment or of a credential in hexadecimal, it prints the entries of that enrollment before.
///
/// # Errors
///
/// [`CommandError::Storage`] names the first entry that does not follow from the one before; [`CommandError::NotFound`].
pub fn audit(config: &Config, id: Option<&str>, out: &mut impl Write) -> Result<(), CommandError> {
    let id = id.map(|id| parse_id(id).ok_or(CommandError::Id)).transpose()?;
    let storage = Storage::open_to_read(&config.state_folder.join("database"), config.cache_bytes)?;
    let enrollment = id.map(|id| enrollment_of(&storage, id)).transpose()?;
    let mut counts: Vec<(String, u64)> = Vec::new();
    let number = storage.walk_audit(|number, value| {
        let line = Line::read(number, value)?;
        match counts.iter_mut().find(|(event, _)| *event == line.event) {
            Some((_, count)) => *count += 1,
            None => counts.push((line.event.clone(), 1)),
        }
        if enrollment == Some(line.enrollment) {
            writeln!(out, "{line}")?;
        }
        Ok::<_, CommandError>(())
    })?;
    writeln!(out, "the audit trail holds: {number} entries")?;
    counts.sort();
    for (event, count) in counts {
        writeln!(out, "{count:>12} {event}")?;
    }
    Ok(())
}

/// Takes a step of key rotation, and prints the signing keys. A running prover takes it up at SIGHUP.
///
/// # Errors
///
/// [`CommandError`].
pub fn keys(config: &Config, step: KeyStep, out: &mut impl Write) -> Result<(), CommandError> {
    let (folder, now) = (&config.state_folder, Timestamp::from(SystemTime::now()));
    match step {
        KeyStep::List => {}
        KeyStep::Prepare => drop(rotation::prepare(folder)?),
        KeyStep::Activate => drop(rotation::activate(folder, now, config.credentials.lifetime())?),
        KeyStep::RenewHpke => rotation::renew_hpke(folder, now)?,
        KeyStep::Forget => drop(rotation::forget(folder, now)?),
    }
    list_keys(folder, now, out)
}

fn list_keys(folder: &Path, now: Timestamp, out: &mut impl Write) -> Result<(), CommandError> {
    let keys = Keys::read(folder)?;
    writeln!(out, "current {}", hex::encode(keys.signing().public().as_bytes()))?;
    if let Some(next) = keys.next_signing() {
        writeln!(out, "next {}", hex::encode(next.as_bytes()))?;
    }
    for retired in keys.retired_signing(now) {
        writeln!(out, "retired {} until {}", hex::encode(retired.key.public().as_bytes()), retired.until)?;
    }
    Ok(())
}

fn parse_id(id: &str) -> Option<[u8; 16]> {
    hex::decode(id).ok()?.try_into().ok()
}

/// The enrollment that this is the number of, or that led to the credential of this number.
fn enrollment_of(storage: &Storage, id: [u8; 16]) -> Result<[u8; 16], CommandError> {
    let mut found = None;
    storage.walk_audit(|number, value| {
        let line = Line::read(number, value)?;
        if found.is_none() && (line.enrollment == id || line.credential == Some(id)) {
            found = Some(line.enrollment);
        }
        Ok::<_, CommandError>(())
    })?;
    found.ok_or(CommandError::NotFound)
}
