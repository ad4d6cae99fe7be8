//! A service's own binary under siege: started as a process, attacked over real sockets, measured from outside. Shared by
//! the integration tests of `relay` and `gateway`.

#![allow(dead_code, reason = "each of the two test binaries uses a part of it")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use rustls::pki_types::ServerName;
use service::{ClientTlsConfig, ListenerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{Client, Content, eventually, in_time, own_address, whole};

/// Attackers at once, where they come and go.
const AT_ONCE: usize = 64;
const PART: usize = 1_000;
/// How often a slow sender sends a byte.
const DRIP: Duration = Duration::from_millis(250);
/// Frames of HTTP/2 (RFC 9113 §6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:method: GET`, `:scheme: https`, `:path: /`, `:authority: a` (RFC 7541, literal without indexing).
const FIELDS: &[u8] = b"\x82\x87\x84\x01\x01a";

/// Bounds short enough to see them act, for a `[listener.bounds]` section. The drain may take as long as it needs.
pub(crate) const BOUNDS: &str = "
max_connections_per_address = 256
tls_handshake_timeout_ms = 3000
header_timeout_ms = 3000
idle_timeout_ms = 6000
drain_timeout_ms = 60000
";

/// Connections that come and go in one test: 20,000, or what `SIEGE_CONNECTIONS` says.
pub(crate) fn coming_and_going() -> usize {
    std::env::var("SIEGE_CONNECTIONS").map_or(20_000, |number| number.parse().unwrap())
}

/// An address where nobody listens, and nobody else will.
pub(crate) async fn vacant() -> SocketAddr {
    let config = ListenerConfig { address: own_address(), ..ListenerConfig::loopback() };
    service::Listener::bind(&config).await.unwrap().local_addr()
}

/// Lets this process, and those that it starts, have as many descriptors as the attacks need.
pub(crate) fn raise_descriptor_limit() {
    let limit = format!("--nofile={}:", 8192);
    let pid = format!("--pid={}", std::process::id());
    let current = fs::read_to_string("/proc/self/limits").unwrap();
    let soft = current.lines().find(|line| line.starts_with("Max open files")).unwrap();
    if soft.split_whitespace().nth(3).unwrap().parse::<u64>().is_ok_and(|soft| soft < 8192) {
        assert!(Command::new("prlimit").args([pid, limit]).status().unwrap().success());
    }
}

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

/// Attacks on one address, from many.
#[derive(Clone)]
pub(crate) struct Attacker {
    address: SocketAddr,
    http1: TlsConnector,
    http2: TlsConnector,
    count: Arc<AtomicU64>,
}

impl Attacker {
    pub(crate) fn new(address: SocketAddr, tls: &ClientTlsConfig) -> Self {
        let connector = |protocol: &[u8]| {
            let mut config = tls.load().unwrap();
            config.alpn_protocols = vec![protocol.to_vec()];
            TlsConnector::from(Arc::new(config))
        };
        Self { address, http1: connector(b"http/1.1"), http2: connector(b"h2"), count: Arc::default() }
    }

    /// A connection from one of many addresses, so that no bound on one of them is in the way. It is reset when dropped,
    /// so that none of its ports stays taken.
    async fn tcp(&self) -> Option<TcpStream> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let [c, d] = [number / 200 % 50, number % 200].map(|part| u8::try_from(part + 1).unwrap());
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_zero_linger().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 99, c, d), 0))).unwrap();
        in_time(socket.connect(self.address)).await.ok()
    }

    async fn tls(&self, connector: &TlsConnector) -> Option<TlsStream<TcpStream>> {
        let name = ServerName::IpAddress(self.address.ip().into());
        in_time(connector.connect(name, self.tcp().await?)).await.ok()
    }

    /// So many connections that begin the head of a request and go on byte by byte, each until the service closes it.
    /// `meanwhile` runs when all have begun.
    pub(crate) async fn slow_heads(&self, many: usize, meanwhile: impl Future<Output = ()>) {
        let dripping = self.begun(many, "GET / HTTP/1.1\r\nx-slow: ").await.into_iter().map(drip_until_closed);
        tokio::join!(in_time(futures_util::future::join_all(dripping)), meanwhile);
    }

    /// So many connections that send this head and of its body nothing, while `meanwhile` runs.
    pub(crate) async fn slow_bodies(&self, many: usize, head: &str, meanwhile: impl Future<Output = ()>) {
        let streams = self.begun(many, head).await;
        meanwhile.await;
        drop(streams);
    }

    async fn begun(&self, many: usize, text: &str) -> Vec<TlsStream<TcpStream>> {
        let begin = |_| async move {
            let mut stream = self.tls(&self.http1).await?;
            stream.write_all(text.as_bytes()).await.ok().map(|()| stream)
        };
        let begun = futures_util::stream::iter(0..many).map(begin).buffered(AT_ONCE).collect::<Vec<_>>().await;
        let streams: Vec<_> = begun.into_iter().flatten().collect();
        assert!(streams.len() > many * 9 / 10, "only {} of {many} came through", streams.len());
        streams
    }

    /// So many connections that stop in the midst of the TLS handshake, each until the service closes it.
    pub(crate) async fn half_open(&self, many: usize, meanwhile: impl Future<Output = ()>) {
        let begin = |number: usize| async move {
            let mut stream = self.tcp().await.unwrap();
            // The first bytes of a ClientHello that would be 512 bytes long, or nothing at all.
            if number.is_multiple_of(2) {
                stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await.unwrap();
            }
            stream
        };
        let streams: Vec<_> = futures_util::stream::iter(0..many).map(begin).buffered(AT_ONCE).collect().await;
        let waiting = futures_util::future::join_all(streams.into_iter().map(until_closed));
        tokio::join!(in_time(waiting), meanwhile);
    }

    /// Heads without end, over HTTP/1.1 and HTTP/2, until the service closes the connections.
    pub(crate) async fn header_floods(&self, many: usize) {
        let fields = "x-flood: and more of it\r\n".repeat(40);
        let more = frame(CONTINUATION, 0, 1, &b"\x00\x07x-flood\x0eand more of it".repeat(40));
        let begin = [preface(), frame(HEADERS, END_STREAM, 1, FIELDS)].concat();
        for _ in 0..many {
            let one = self.tls(&self.http1).await.unwrap();
            let two = self.tls(&self.http2).await.unwrap();
            tokio::join!(
                flood_until_closed(one, b"GET / HTTP/1.1\r\n", |_| fields.clone().into_bytes()),
                flood_until_closed(two, &begin, |_| more.clone())
            );
        }
    }

    /// Streams opened and reset at once (CVE-2023-44487), on each of so many connections, until the service closes them.
    /// How many streams the last one took.
    pub(crate) async fn rapid_resets(&self, many: usize) -> u32 {
        let mut streams = 0;
        for _ in 0..many {
            let stream = self.tls(&self.http2).await.unwrap();
            let batches = flood_until_closed(stream, &preface(), |batch| {
                let resets = |number| {
                    let id = (batch * 100 + number) * 2 + 1;
                    let headers = frame(HEADERS, END_STREAM | END_HEADERS, id, FIELDS);
                    [headers, frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat()
                };
                (0..100).flat_map(resets).collect()
            })
            .await;
            streams = batches * 100;
        }
        streams
    }

    /// So many connections opened and closed, one in twenty after a TLS handshake.
    pub(crate) async fn come_and_go(&self, many: usize) {
        let once = |number: usize| async move {
            if number.is_multiple_of(20) {
                drop(self.tls(&self.http1).await);
            } else {
                drop(self.tcp().await);
            }
        };
        // In parts, so that the deadline is of as many whatever there are.
        for part in (0..many).step_by(PART) {
            let going = futures_util::stream::iter(part..many.min(part + PART)).map(once).buffer_unordered(AT_ONCE);
            in_time(going.collect::<Vec<()>>()).await;
        }
    }

    /// Takes every descriptor that the service has, and holds on while `meanwhile` runs.
    pub(crate) async fn exhaust(&self, many: usize, meanwhile: impl Future<Output = ()>) {
        let mut streams = Vec::new();
        for _ in 0..many {
            streams.extend(self.tcp().await);
        }
        meanwhile.await;
    }
}

fn preface() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Waits until the other side closes the connection, or resets it.
async fn until_closed(mut stream: impl AsyncRead + Unpin) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Sends a byte now and then until the other side closes the connection.
async fn drip_until_closed(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let (reader, mut writer) = tokio::io::split(stream);
    let drip = async {
        while writer.write_all(b"x").await.is_ok() && writer.flush().await.is_ok() {
            tokio::time::sleep(DRIP).await;
        }
    };
    tokio::select! { () = until_closed(reader) => {} () = drip => {} }
}

/// Sends without end until the other side closes the connection; how many parts it took at most.
async fn flood_until_closed(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    begin: &[u8],
    part: impl Fn(u32) -> Vec<u8>,
) -> u32 {
    let (reader, mut writer) = tokio::io::split(stream);
    let sent = AtomicU64::new(0);
    let flood = async {
        let _ = writer.write_all(begin).await;
        for number in 0.. {
            sent.store(u64::from(number) + 1, Ordering::Relaxed);
            if writer.write_all(&part(number)).await.is_err() {
                return;
            }
        }
    };
    in_time(async {
        tokio::select! { () = until_closed(reader) => {} () = flood => {} }
    })
    .await;
    u32::try_from(sent.into_inner()).unwrap()
}

/// Requests without pause, each counted: what was answered as it should be, what was not, and connections refused.
#[derive(Default)]
pub(crate) struct Load {
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Load {
    /// Sends one request after another until the service takes no more connections. Where `client` makes a new one each time,
    /// each request has a connection of its own.
    pub(crate) async fn run(&self, client: impl Fn() -> Client, request: impl Fn() -> Request<Content>) {
        loop {
            let answer = match client().begin(request()).await {
                Ok(answer) => answer,
                Err(error) if error.is_connect() => return,
                Err(_) => {
                    self.failed.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
            };
            let good = answer.status() == StatusCode::OK && in_time(answer.into_body().collect()).await.is_ok();
            if good { &self.answered } else { &self.failed }.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::SeqCst)
    }
}

/// Asks once, over a connection of its own. Only a connection that does not come about is tried again.
pub(crate) async fn ask(client: impl Fn() -> Client, request: impl Fn() -> Request<Content>) -> Response<Bytes> {
    eventually(|| async {
        let answer = match client().begin(request()).await {
            Err(error) if error.is_connect() => return None,
            answer => answer.unwrap(),
        };
        let (head, body) = answer.into_parts();
        Some(Response::from_parts(head, in_time(body.collect()).await.unwrap().to_bytes()))
    })
    .await
}

/// Asks until there is an answer with status 200: of a service that has just started, or is out of breath.
pub(crate) async fn answers(client: &Client, request: impl Fn() -> Request<Content>) -> Response<Bytes> {
    eventually(|| async { client.send(request()).await.ok().filter(|answer| answer.status() == StatusCode::OK) }).await
}
