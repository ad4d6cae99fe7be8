//! A server as a child process: started on its cores, awaited until it is ready, ended with its owner.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::process::Usage;
use crate::{Result, cores, ensure};

const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

/// A running server.
pub struct Server {
    child: Child,
    /// What it is called in tables.
    pub name: &'static str,
}

impl Server {
    /// Starts `command` on `cores`, its output in `folder`, and waits until a `GET` of `path` at `ready` is answered with 200.
    ///
    /// # Errors
    ///
    /// If it cannot be started, ends, or is not ready in two minutes.
    pub fn start(
        name: &'static str,
        command: &mut Command,
        cores: &[usize],
        folder: &Path,
        ready: (SocketAddr, &str),
    ) -> Result<Self> {
        let log = File::create(folder.join(format!("{name}.log")))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = cores::on(cores, || command.spawn())?;
        let mut server =
            Self { child: child.map_err(|error| format!("{name} ({:?}): {error}", command.get_program()))?, name };
        let start = Instant::now();
        while !answers(ready.0, ready.1) {
            let ended = server.child.try_wait()?;
            ensure(ended.is_none(), format!("{name} ended by itself; see {name}.log in {}", folder.display()))?;
            ensure(start.elapsed() < PATIENCE, format!("{name} does not become ready"))?;
            thread::sleep(POLL);
        }
        Ok(server)
    }

    /// What it has taken so far.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn usage(&self) -> Result<Usage> {
        Ok(Usage::of(self.child.id())?)
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).ok_or("no process")?;
        kill_process(pid, Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address that nobody listens on at present.
///
/// # Errors
///
/// If the system has no port left.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Whether a `GET` is answered with 200.
fn answers(address: SocketAddr, path: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 200 "))
    };
    ask().unwrap_or(false)
}
