//! The relay's own binary under attack: it stays up, goes on answering honest clients, and gives back what the attack took.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::{Method, Request};
use service::ClientCertificates;
use tempfile::TempDir;

use crate::harness::{Authority, Client, Content, eventually, whole};
use crate::scene::{CAPSULE, GATEWAY_PATH, Stub};
use crate::siege::{
    Attacker, BOUNDS, Binary, Holdings, Load, answers, ask, coming_and_going, raise_descriptor_limit, vacant,
};

const CONTENT: &str = "what is in the capsule";
const SLOW_SENDERS: usize = 1000;

struct Scene {
    authority: Authority,
    stub: Stub,
    relay: Binary,
    admin: SocketAddr,
    /// What it held when it had answered for the first time.
    before: Holdings,
    _folder: TempDir,
}

impl Scene {
    async fn start(descriptors: Option<u32>) -> Self {
        raise_descriptor_limit();
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let stub = Stub::start(&authority).await;
        let (address, admin) = (vacant().await, vacant().await);
        let identity = authority.issue("relay-server", &[&address.ip().to_string()]);
        let server = authority.server_tls(&identity, ClientCertificates::None);
        let client = authority.issue("relay-client", &["relay.example"]);
        let shown = |path: &PathBuf| format!("{:?}", path.display().to_string());
        let config = format!(
            "[listener]\naddress = \"{address}\"\n\
             [listener.tls]\ncertificate = {}\nkey = {}\n\
             [listener.bounds]\n{BOUNDS}\n\
             [admin]\naddress = \"{admin}\"\n\
             [[route]]\npath = \"/provider\"\ngateway = \"https://{}{GATEWAY_PATH}\"\n\
             tls = {{ ca = {}, certificate = {}, key = {} }}\n\
             [exchange]\nfirst_byte_timeout_ms = 600000\nbody_timeout_ms = 600000\n\
             [limits]\nper_address = {{ count = 1000000, seconds = 1 }}\ntotal = {{ count = 1000000, seconds = 1 }}\n",
            shown(&server.certificate),
            shown(&server.key),
            stub.address,
            shown(&authority.file()),
            shown(&client.certificate),
            shown(&client.key),
        );
        let file = folder.path().join("relay.toml");
        std::fs::write(&file, config).unwrap();
        let relay = Binary::start(env!("CARGO_BIN_EXE_relay"), &file, address, descriptors);
        let before = relay.holdings();
        let mut scene = Self { authority, stub, relay, admin, before, _folder: folder };
        scene.is_well().await;
        scene.before = scene.relay.holdings();
        scene
    }

    fn client(&self) -> Client {
        Client::http2(&self.authority.client_tls(None))
    }

    fn capsule(&self) -> Request<Content> {
        let request = Request::post(format!("https://{}/provider", self.relay.public));
        request.header("content-type", CAPSULE).body(whole(CONTENT)).unwrap()
    }

    fn attacker(&self) -> Attacker {
        Attacker::new(self.relay.public, &self.authority.client_tls(None))
    }

    /// An honest client that comes new is answered.
    async fn is_well(&self) {
        assert_eq!(answers(&self.client(), || self.capsule()).await.body(), "sealed");
    }

    /// An honest client is answered, however long what goes on beside it may take.
    async fn is_not_held_up(&self) {
        for _ in 0..20 {
            let answer = ask(|| self.client(), || self.capsule()).await;
            assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (200, &b"sealed"[..]));
        }
    }
}

async fn siege(scene: &Scene) -> Holdings {
    let attacker = scene.attacker();
    attacker.slow_heads(SLOW_SENDERS / 2, scene.is_not_held_up()).await;
    for media_type in [CAPSULE, "message/ohttp-chunked-req"] {
        let fields = format!("host: a\r\ncontent-type: {media_type}\r\ncontent-length: 1000");
        let head = format!("POST /provider HTTP/1.1\r\n{fields}\r\n\r\n");
        attacker.slow_bodies(SLOW_SENDERS / 2, &head, scene.is_not_held_up()).await;
    }
    attacker.half_open(SLOW_SENDERS, scene.is_not_held_up()).await;
    attacker.header_floods(20).await;
    assert!(attacker.rapid_resets(20).await < 20_000);
    attacker.come_and_go(coming_and_going() / 2).await;
    scene.is_well().await;
    let before = scene.before.descriptors;
    scene.relay.holds_at_most(before + 2).await
}

/// Twice the same: what is taken once stays with the allocator, what is taken each time is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attacks_leave_nothing_behind() {
    let mut scene = Scene::start(None).await;
    let first = siege(&scene).await;
    let second = siege(&scene).await;
    let figures = format!("before {:?}, after one siege {first:?}, after two {second:?}", scene.before);
    assert!(scene.relay.is_up());
    assert!(first.resident_kib < scene.before.resident_kib + 128 * 1024, "{figures}");
    scene
        .relay
        .is_discreet(scene.admin, &scene.authority.client_tls(None), &[CONTENT, "/provider", "ohttp-gateway"])
        .await;
    assert!(second.resident_kib < first.resident_kib + 16 * 1024, "{figures}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_it_waits_for_better_times() {
    let mut scene = Scene::start(Some(64)).await;
    let attacker = scene.attacker();
    attacker
        .exhaust(300, async {
            eventually(|| async { (scene.relay.holdings().descriptors >= 63).then_some(()) }).await;
        })
        .await;
    scene.is_well().await;
    assert!(scene.relay.is_up());
    scene.relay.holds_at_most(scene.before.descriptors + 2).await;
}

/// Half of the clients keep an HTTP/2 connection, half open an HTTP/1.1 connection for each request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_under_load_fails_nobody() {
    let scene = Arc::new(Scene::start(None).await);
    let (kept, anew) = (Arc::new(Load::default()), Arc::new(Load::default()));
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let scene = Arc::clone(&scene);
            let load = Arc::clone(if number % 2 == 0 { &kept } else { &anew });
            tokio::spawn(async move {
                if number % 2 == 0 {
                    let client = scene.client();
                    load.run(|| client.clone(), || scene.capsule()).await;
                } else {
                    load.run(|| Client::http1(&scene.authority.client_tls(None)), || scene.capsule()).await;
                }
            })
        })
        .collect();
    eventually(|| async { (kept.answered() >= 500 && anew.answered() >= 100).then_some(()) }).await;
    scene.relay.terminate();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!((kept.failed(), anew.failed()), (0, 0), "of {} and {} requests", kept.answered(), anew.answered());
    let forwarded = scene.stub.received(Method::POST).len() as u64;
    assert!(forwarded >= kept.answered() + anew.answered());
    let Scene { relay, .. } = Arc::into_inner(scene).unwrap();
    assert_eq!(relay.ended().await.code(), Some(0));
}
