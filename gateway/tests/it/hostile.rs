//! The gateway's own binary under attack: by strangers, and by somebody who has a relay's certificate. It stays up, goes on
//! answering its relay, and gives back what the attack took.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use service::{CancellationToken, ClientCertificates, ClientTlsConfig, Listener, ListenerConfig, serve};
use tempfile::TempDir;

use crate::harness::{Authority, Client, Content, eventually, in_time, whole};
use crate::scene::{CAPSULE, Opened, PATH, binary, lookup, seal};
use crate::siege::{
    Attacker, BOUNDS, Binary, Holdings, Load, answers, ask, coming_and_going, raise_descriptor_limit, vacant,
};

const SLOW_SENDERS: usize = 1000;

struct Scene {
    relay: ClientTlsConfig,
    stranger: ClientTlsConfig,
    gateway: Binary,
    admin: SocketAddr,
    /// What it held when it had answered for the first time.
    before: Holdings,
    keys: Bytes,
    _authority: Authority,
    _folder: TempDir,
}

/// A target that echoes.
async fn target(authority: &Authority) -> SocketAddr {
    let tls = authority.server_tls(&authority.issue_server("store"), ClientCertificates::Required);
    let listener = Listener::bind(&ListenerConfig { tls: Some(tls), ..ListenerConfig::loopback() }).await.unwrap();
    let address = listener.local_addr();
    let service = service_fn(|request: Request<Incoming>| async {
        let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
        Ok::<_, Infallible>(Response::new(Full::new(body.unwrap_or_default())))
    });
    tokio::spawn(serve(listener, service, CancellationToken::new()));
    address
}

fn config(authority: &Authority, folder: &Path, [address, admin, target]: [SocketAddr; 3]) -> String {
    let identity = authority.issue("gateway", &[&address.ip().to_string()]);
    let server = authority.server_tls(&identity, ClientCertificates::Required);
    let client = authority.issue("gateway-client", &["gateway.example"]);
    let shown = |path: &Path| format!("{:?}", path.display().to_string());
    let ca = shown(&authority.file());
    format!(
        "[listener]\naddress = \"{address}\"\n\
         [listener.tls]\ncertificate = {}\nkey = {}\nclient_ca = {ca}\nclient_certificates = \"required\"\n\
         [listener.bounds]\n{BOUNDS}\n\
         [admin]\naddress = \"{admin}\"\n\
         [relays]\nnames = [\"relay.example\"]\n\
         [keys]\nstate_file = {}\nprovider = \"provider.example\"\nsigning_key_file = {}\n\
         [[allow]]\nauthority = \"store.example\"\nmethod = \"POST\"\npath = \"/v1/lookup\"\n\
         [target]\nurl = \"https://{target}\"\ntls = {{ ca = {ca}, certificate = {}, key = {} }}\n\
         [exchange]\nbody_timeout_ms = 600000\n",
        shown(&server.certificate),
        shown(&server.key),
        shown(&folder.join("keys.json")),
        shown(&folder.join("signing.key")),
        shown(&client.certificate),
        shown(&client.key),
    )
}

impl Scene {
    async fn start(descriptors: Option<u32>) -> Self {
        raise_descriptor_limit();
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let (address, admin, target) = (vacant().await, vacant().await, target(&authority).await);
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, config(&authority, folder.path(), [address, admin, target])).unwrap();
        let gateway = Binary::start(env!("CARGO_BIN_EXE_gateway"), &file, address, descriptors);
        let relay = authority.client_tls(Some(&authority.issue("relay", &["relay.example"])));
        let stranger = authority.client_tls(None);
        let asked = || Request::get(format!("https://{address}{PATH}")).body(whole("")).unwrap();
        let keys = answers(&Client::http2(&relay), asked).await.into_body();
        let before = gateway.holdings();
        let mut scene = Self { relay, stranger, gateway, admin, before, keys, _authority: authority, _folder: folder };
        scene.is_not_held_up().await;
        scene.before = scene.gateway.holdings();
        scene
    }

    fn client(&self) -> Client {
        Client::http2(&self.relay)
    }

    fn request(&self, capsule: Vec<u8>) -> Request<Content> {
        let request = Request::post(format!("https://{}{PATH}", self.gateway.public));
        request.header("content-type", CAPSULE).body(whole(capsule)).unwrap()
    }

    /// A relay is answered, however long what goes on beside it may take.
    async fn is_not_held_up(&self) {
        for _ in 0..10 {
            let (capsule, opener) = seal(&self.keys, &binary(&lookup(b"asked")));
            let answer = ask(|| self.client(), || self.request(capsule.clone())).await;
            assert_eq!(Opened::new(&answer, opener).message.content(), b"asked");
        }
    }

    async fn siege(&self) -> Holdings {
        let [relay, stranger] = [&self.relay, &self.stranger].map(|tls| Attacker::new(self.gateway.public, tls));
        relay.slow_heads(SLOW_SENDERS / 2, self.is_not_held_up()).await;
        let head =
            format!("POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-type: {CAPSULE}\r\ncontent-length: 1000\r\n\r\n");
        relay.slow_bodies(SLOW_SENDERS / 2, &head, self.is_not_held_up()).await;
        stranger.half_open(SLOW_SENDERS, self.is_not_held_up()).await;
        relay.header_floods(20).await;
        assert!(relay.rapid_resets(20).await < 20_000);
        stranger.come_and_go(coming_and_going() / 2).await;
        self.is_not_held_up().await;
        self.gateway.holds_at_most(self.before.descriptors + 2).await
    }
}

/// Twice the same: what is taken once stays with the allocator, what is taken each time is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attacks_leave_nothing_behind() {
    let mut scene = Scene::start(None).await;
    let first = scene.siege().await;
    let second = scene.siege().await;
    let figures = format!("before {:?}, after one siege {first:?}, after two {second:?}", scene.before);
    assert!(scene.gateway.is_up());
    assert!(first.resident_kib < scene.before.resident_kib + 128 * 1024, "{figures}");
    scene
        .gateway
        .is_discreet(scene.admin, &scene.stranger, &["asked", "lookup", "ohttp-gateway", "relay.example"])
        .await;
    assert!(second.resident_kib < first.resident_kib + 16 * 1024, "{figures}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_it_waits_for_better_times() {
    let mut scene = Scene::start(Some(64)).await;
    let attacker = Attacker::new(scene.gateway.public, &scene.stranger);
    let taken = async {
        eventually(|| async { (scene.gateway.holdings().descriptors >= 63).then_some(()) }).await;
    };
    in_time(attacker.exhaust(300, taken)).await;
    let (capsule, _) = seal(&scene.keys, &binary(&lookup(b"asked")));
    answers(&scene.client(), || scene.request(capsule.clone())).await;
    assert!(scene.gateway.is_up());
    scene.gateway.holds_at_most(scene.before.descriptors + 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_under_load_fails_nobody() {
    let scene = Arc::new(Scene::start(None).await);
    let load = Arc::new(Load::default());
    let (capsule, _) = seal(&scene.keys, &binary(&lookup(b"asked")));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (scene, load, capsule) = (Arc::clone(&scene), Arc::clone(&load), capsule.clone());
            tokio::spawn(async move {
                let client = scene.client();
                load.run(|| client.clone(), || scene.request(capsule.clone())).await;
            })
        })
        .collect();
    eventually(|| async { (load.answered() >= 500).then_some(()) }).await;
    scene.gateway.terminate();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(load.failed(), 0, "of {} requests", load.answered());
    let Scene { gateway, .. } = Arc::into_inner(scene).unwrap();
    assert_eq!(gateway.ended().await.code(), Some(0));
}
