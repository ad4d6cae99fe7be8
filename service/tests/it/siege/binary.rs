//! The process: what it holds, what it logs, and its end.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use http::Request;
use service::ClientTlsConfig;

use crate::harness::{Client, eventually, in_time, whole};

/// A running service.
pub(crate) struct Binary {
    child: Child,
    pub(crate) public: SocketAddr,
    logs: PathBuf,
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holdings {
    pub(crate) descriptors: usize,
    pub(crate) resident_kib: usize,
}

impl Binary {
    /// Starts `program` with the configuration in `file`; with a limit on descriptors, if one is given. It logs all it can.
    pub(crate) fn start(program: &str, file: &Path, public: SocketAddr, descriptors: Option<u32>) -> Self {
        let mut command = match descriptors {
            Some(limit) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\""), program]);
                shell
            }
            None => Command::new(program),
        };
        let logs = file.with_extension("log");
        command.arg("--config").arg(file).env("RUST_LOG", "trace");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&logs).unwrap());
        Self { child: command.spawn().unwrap(), public, logs }
    }

    /// Asserts that none of these, and no address of a client, is in the logs or in the metrics.
    pub(crate) async fn is_discreet(&self, admin: SocketAddr, tls: &ClientTlsConfig, secrets: &[&str]) {
        let request = Request::get(format!("http://{admin}/metrics")).body(whole("")).unwrap();
        let metrics = Client::http1(tls).send(request).await.unwrap().into_body();
        let (metrics, logs) = (String::from_utf8(metrics.into()).unwrap(), fs::read_to_string(&self.logs).unwrap());
        assert!(metrics.contains("_requests_total{") && logs.contains("serving"));
        for name in [
            "_capsule_bytes_bucket{",
            "_answer_bytes_bucket{",
            "service_outgoing_connections ",
            "service_connections{listener=\"public\"}",
            "service_accepted_total{listener=\"public\",outcome=\"accepted\"}",
            "service_accepted_total{listener=\"public\",outcome=\"tls\"}",
        ] {
            assert!(metrics.contains(name), "{name}: {metrics}");
        }
        for text in [metrics, logs] {
            let text = text.to_ascii_lowercase();
            for secret in secrets.iter().chain(&["127.", "x-flood", "x-slow", "hkdf", "hyper"]) {
                let line = text.lines().find(|line| line.contains(secret));
                assert_eq!(line, None, "{secret}");
            }
        }
    }

    pub(crate) fn holdings(&self) -> Holdings {
        let process = Path::new("/proc").join(self.child.id().to_string());
        let descriptors = fs::read_dir(process.join("fd")).unwrap().count();
        let status = fs::read_to_string(process.join("status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Holdings { descriptors, resident_kib: resident.trim().trim_end_matches(" kB").parse().unwrap() }
    }

    /// Waits until no more than these descriptors are held.
    pub(crate) async fn holds_at_most(&self, descriptors: usize) -> Holdings {
        eventually(|| async { Some(self.holdings()).filter(|now| now.descriptors <= descriptors) }).await
    }

    pub(crate) fn is_up(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let kill = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        in_time(async {
            loop {
                match self.child.try_wait().unwrap() {
                    Some(status) => return status,
                    None => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        })
        .await
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
