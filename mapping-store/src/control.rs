//! What an operator asks of a running store: a socket in the folder of an embedded database, for the store's own user and root.
//!
//! One request on a connection, one line of JSON: `{"backup": "/absolute/folder"}` or `"rotate_hash_key"`. Answers are lines
//! of JSON: `{"progress": [done, all]}`, and at the end `"done"` or `{"failed": "why"}`.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use service::CancellationToken;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::store::{Rotating, Store};

const NAME: &str = "control";
const OWNER_ONLY: u32 = 0o600;
const ROOT: u32 = 0;
const MAX_LINE_BYTES: u64 = 8 * 1024;
const MAX_CONNECTIONS: usize = 8;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// After a failed accept (out of descriptors, mostly), wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Copy the database as it is now into this folder.
    Backup(PathBuf),
    /// Change the hash key, and say how far it is until it is done.
    RotateHashKey,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Progress(u64, u64),
    Done,
    Failed(String),
}

/// Why a running store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No connection, or it was cut off.
    #[error("the running store cannot be asked: {0}")]
    Io(#[from] io::Error),
    /// It says why.
    #[error("the running store refuses: {0}")]
    Refused(String),
}

/// Answers requests until `shutdown`.
pub(crate) async fn serve(store: Store, folder: PathBuf, shutdown: CancellationToken) {
    let (listener, owner) = match bind(&folder) {
        Ok(bound) => bound,
        Err(error) => {
            tracing::warn!(%error, "no control socket: backups and changes of the hash key need the store stopped");
            return;
        }
    };
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == owner || peer.uid() == ROOT) {
            continue;
        }
        let (store, shutdown) = (store.clone(), shutdown.clone());
        tokio::spawn(async move {
            let _slot = slot;
            // Whoever asked may be gone: nobody to tell.
            let _ = shutdown.run_until_cancelled(answer(store, stream)).await;
        });
    }
    // A socket that is left over is replaced at the next start.
    let _ = std::fs::remove_file(folder.join(NAME));
}

/// The socket, and whose it is. The database's lock is ours, so a socket that is there is nobody's.
fn bind(folder: &Path) -> io::Result<(UnixListener, u32)> {
    let path = folder.join(NAME);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(OWNER_ONLY))?;
    Ok((listener, std::fs::metadata(&path)?.uid()))
}

async fn answer(store: Store, stream: UnixStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    timeout(REQUEST_TIMEOUT, (&mut stream).take(MAX_LINE_BYTES).read_line(&mut line)).await??;
    let reply = match serde_json::from_str(&line) {
        Ok(Request::Backup(folder)) => match store.checkpoint(folder).await {
            Ok(()) => Reply::Done,
            Err(error) => Reply::Failed(error.to_string()),
        },
        Ok(Request::RotateHashKey) => match store.begin_rotation().await {
            Ok(()) => tell(&store, &mut stream).await?,
            Err(error) => Reply::Failed(error.to_string()),
        },
        Err(_) => Reply::Failed("not a request".to_owned()),
    };
    send(&mut stream, &reply).await
}

/// Says how far the change is until it is done; the store's own task carries it through.
async fn tell(store: &Store, stream: &mut BufReader<UnixStream>) -> io::Result<Reply> {
    while store.is_rotating() {
        let Rotating { done, all } = match store.rotating().await {
            Ok(rotating) => rotating,
            Err(error) => return Ok(Reply::Failed(error.to_string())),
        };
        send(stream, &Reply::Progress(done, all)).await?;
        tokio::time::sleep(TELL_EVERY).await;
    }
    Ok(Reply::Done)
}

async fn send(stream: &mut BufReader<UnixStream>, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_string(reply)?;
    line.push('\n');
    stream.write_all(line.as_bytes()).await
}

/// Asks the store that has the database in `folder` open; none if there is no such process. `watch` is told of progress.
///
/// # Errors
///
/// [`ControlError`].
pub(crate) async fn ask(
    folder: &Path,
    request: &Request,
    mut watch: impl FnMut(Rotating),
) -> Result<Option<()>, ControlError> {
    let stream = match UnixStream::connect(folder.join(NAME)).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let mut stream = BufReader::new(stream);
    let mut line = serde_json::to_string(request).map_err(io::Error::from)?;
    line.push('\n');
    stream.write_all(line.as_bytes()).await?;
    loop {
        line.clear();
        (&mut stream).take(MAX_LINE_BYTES).read_line(&mut line).await?;
        match serde_json::from_str(&line).map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))? {
            Reply::Progress(done, all) => watch(Rotating { done, all }),
            Reply::Done => return Ok(Some(())),
            Reply::Failed(reason) => return Err(ControlError::Refused(reason)),
        }
    }
}
