//! A server as a process: its program, what it holds, whether it serves.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) descriptors: usize,
    pub(crate) resident_kib: u64,
}

/// A running server.
pub(super) struct Process {
    pub(super) child: Child,
    /// Since its start, at calm moments.
    pub(super) usage: Vec<Usage>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path to a program of this build, beside the `discovery` command.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_discovery")).with_file_name(name);
    assert!(path.exists(), "{} is not built: build the whole workspace", path.display());
    path
}

/// The library that gives a process another clock (Debian's `libfaketime`), if it is installed.
pub(crate) fn faketime() -> Option<PathBuf> {
    let machines = std::fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    machines.map(|machine| machine.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists())
}

pub(super) fn usage(process: u32) -> Usage {
    let descriptors = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    Usage { descriptors, resident_kib: resident.trim().trim_end_matches(" kB").parse().unwrap() }
}

pub(super) async fn is_ready(admin: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(admin).await.ok()?;
        stream.write_all(b"GET /ready HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n").await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        answer.starts_with(b"HTTP/1.1 200").then_some(())
    };
    tokio::time::timeout(Duration::from_secs(2), ask).await.is_ok_and(|answer| answer.is_some())
}
