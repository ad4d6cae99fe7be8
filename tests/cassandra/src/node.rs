//! One node: a process, its log, and what can be done to it.

use std::io::{BufRead as _, BufReader, Read};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::settings::Settings;
use crate::{PATIENCE, jars};

const SERVES: &str = "Starting listening for CQL clients";
/// What Cassandra 5.0 asks of Java 17 (its `jvm17-server.options`).
const EXPORTS: [&str; 7] = [
    "java.base/jdk.internal.misc",
    "java.base/java.lang.ref",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "jdk.unsupported/sun.misc",
];
const OPENS: [&str; 16] = [
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.management/com.sun.management.internal",
];

/// A node of a cluster.
pub struct Node {
    jars: PathBuf,
    settings: Settings,
    running: Option<Running>,
}

struct Running {
    java: Child,
    /// Ends the node when this process is gone: its standard input is a pipe from here.
    watchdog: Child,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Default)]
struct Lines {
    all: Vec<String>,
    ended: bool,
}

impl Node {
    pub(crate) fn start(jars: &Path, settings: Settings) -> Self {
        settings.write();
        let running = Some(Running::start(jars, &settings));
        Self { jars: jars.to_owned(), settings, running }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.settings.address()
    }

    /// The process.
    ///
    /// # Panics
    ///
    /// If it was killed.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running().java.id()
    }

    pub(crate) fn known_as(&self) -> Ipv4Addr {
        self.settings.known_as()
    }

    /// Ends it at once: SIGKILL.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Lets it stand still, connections and all: SIGSTOP.
    pub fn pause(&mut self) {
        self.signal("-STOP");
    }

    /// Lets it go on: SIGCONT.
    pub fn resume(&mut self) {
        self.signal("-CONT");
    }

    /// Starts it again with its data, and waits until it serves clients.
    pub fn restart(&mut self) {
        self.running = None;
        self.running = Some(Running::start(&self.jars, &self.settings));
        self.wait_until_it_serves();
    }

    pub(crate) fn wait_until_it_serves(&mut self) {
        self.running().log.wait(SERVES, |lines| lines.iter().any(|line| line.contains(SERVES)));
        // It says so before it does.
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(self.settings.client_address()).is_err() {
            assert!(Instant::now() < until, "a node does not take connections");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn wait_until_it_sees(&self, other: &Self, alive: bool) {
        let address = format!("/{}:", other.known_as());
        let what = format!("{address} alive: {alive}");
        self.running().log.wait(&what, |lines| {
            let about = |line: &&String| line.contains(&address) && (is_up(line) || is_down(line));
            lines.iter().rfind(about).is_some_and(|line| is_up(line) == alive)
        });
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the node has been started")
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.running().java.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
    }
}

fn is_up(line: &str) -> bool {
    line.ends_with("is now UP")
}

fn is_down(line: &str) -> bool {
    line.ends_with("is now DOWN")
}

impl Running {
    fn start(jars: &Path, settings: &Settings) -> Self {
        let mut java = Command::new(jars::java().expect("who starts nodes has asked whether there is Java 17"));
        java.args(["-Xss512k", "-XX:+UseSerialGC"]);
        if settings.options.in_earnest {
            java.args(["-Xms1G", "-Xmx1G"]);
        } else {
            java.args(["-Xms512M", "-Xmx512M", "-XX:TieredStopAtLevel=1"]);
        }
        if let Some(agent) = jars::agent(jars) {
            java.arg(format!("-javaagent:{}", agent.display()));
        }
        let folder = settings.folder.display();
        java.arg("-Djdk.attach.allowAttachSelf=true");
        java.args(EXPORTS.iter().flat_map(|package| ["--add-exports".to_owned(), format!("{package}=ALL-UNNAMED")]));
        java.args(OPENS.iter().flat_map(|package| ["--add-opens".to_owned(), format!("{package}=ALL-UNNAMED")]));
        java.arg(format!("-Dcassandra.config=file://{}", settings.yaml().display()))
            .arg(format!("-Dlogback.configurationFile=file://{}", settings.logback().display()))
            .arg(format!("-Dcassandra.storagedir={folder}"))
            .arg(format!("-Djava.io.tmpdir={folder}"))
            .args(["-Dcassandra-foreground=yes", "-Dcassandra.ring_delay_ms=100"])
            .args(["-Dcassandra.skip_wait_for_gossip_to_settle=0", "-Dcassandra.superuser_setup_delay_ms=0"])
            // A node that missed a change of the schema asks for it after this, not after a minute.
            .args(["-Dcassandra.skip_schema_check=true", "-Dcassandra.migration_delay_ms=1000"])
            .arg("-cp")
            .arg(jars::class_path(jars))
            .arg("org.apache.cassandra.service.CassandraDaemon");
        java.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut java = java.spawn().expect("Java can be started");
        let watchdog = Command::new("sh")
            .args(["-c", "read _; kill -9 \"$0\"", &java.id().to_string()])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        let log = Arc::new(Log::default());
        log.follow(java.stdout.take());
        log.follow(java.stderr.take());
        Self { java, watchdog, log }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The watchdog last: until the node has been waited for, its number is nobody else's.
        let _ = self.java.kill();
        let _ = self.java.wait();
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
    }
}

impl Log {
    /// Collects what comes out of a stream, in a thread that ends with it.
    fn follow(self: &Arc<Self>, stream: Option<impl Read + Send + 'static>) {
        let log = Arc::clone(self);
        let stream = BufReader::new(stream.expect("the stream is a pipe"));
        std::thread::spawn(move || {
            for line in stream.lines().map_while(Result::ok) {
                log.lines.lock().unwrap_or_else(PoisonError::into_inner).all.push(line);
                log.more.notify_all();
            }
            log.lines.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
            log.more.notify_all();
        });
    }

    fn wait(&self, what: &str, found: impl Fn(&[String]) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        while !found(&lines.all) {
            let left = until.saturating_duration_since(Instant::now());
            let last = || lines.all[lines.all.len().saturating_sub(40)..].join("\n");
            assert!(!lines.ended, "a node has ended before {what:?}:\n{}", last());
            assert!(!left.is_zero(), "a node did not come to {what:?}:\n{}", last());
            lines = self.more.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
