//! Rows R1 to R10 of `docs/conformance.md`, where no other module shows them: draft-interop-mimi-discovery-requirements-03, from
//! outside, with the real parties.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use client::enrollment::Wish;
use client::msp::StoreConnection;
use discovery::certificates::Identity;
use discovery::enroll::{now, read_trust};
use http::Request;
use http_body_util::Full;
use protocol::authenticated::{UnverifiedMapping, VerifiedMapping};
use protocol::cpi::Cpi;
use protocol::lookup::{LookupRequest, Outcome};
use protocol::mapping::{Mapping, State, Tags};
use protocol::problem::ProblemType;
use protocol::removal::Removal;
use protocol::{Signed, SigningKey};
use service::{CancellationToken, ClientCertificates, ClientTlsConfig, ListenerConfig, TlsConfig};

use crate::between::{Between, post_from};
use crate::scene::{Scene, asker, key, wish};
use crate::system::parties::{ISSUER, Settings, System, Who};
use crate::system::people::Contacts;

const NUMBER: &str = "tel:+14155550132";

fn store(scene: &Scene) -> StoreConnection {
    let receipt_key = read_trust(scene.description()).unwrap().provider.receipt_key;
    StoreConnection::new(scene.http(None), &scene.description().store_url, receipt_key)
}

/// R1: MSP, provider and prover each sign a mapping for the recipient's credential; neither the store nor a client takes any.
#[tokio::test(flavor = "multi_thread")]
async fn r01_nobody_but_the_recipient_authorizes_a_mapping() {
    let scene = Scene::start().await;
    let ann = key();
    let enrolled = scene.publish("a.example", NUMBER, &ann).await;
    let honest = scene.look_up(NUMBER).await.mappings.remove(0);
    let file = |path: &str| {
        let seed = service::secret_file::read_key::<32>(&scene.file(path)).unwrap().unwrap();
        SigningKey::from_seed(&seed)
    };
    let (msp, provider, prover) = (key(), file("stack/store/receipt.key"), file("stack/prover/signing.key"));
    let trust = read_trust(scene.description()).unwrap();
    for other in [msp, provider, prover] {
        let mapping = Mapping { seq: 2, ..honest.mapping().clone() };
        let forged = VerifiedMapping::encode(enrolled.credential(), &Signed::sign(mapping, &other));
        let problem = store(&scene).publish(&forged).await.unwrap_err().problem.unwrap();
        assert_eq!(problem.problem_type, ProblemType::InvalidSignature);
        assert!(client::verify::verify(&forged, &trust.provers, now()).is_err());
    }
    assert_eq!(scene.look_up(NUMBER).await.mappings, [honest]);
}

/// R2: tags that were changed are refused, and so are more or longer ones than there may be.
#[tokio::test(flavor = "multi_thread")]
async fn r02_changed_or_oversize_tags_are_refused() {
    let scene = Scene::start().await;
    let (desk, ann) = (scene.desk("a.example"), key());
    let enrolled = desk.enroll(&Cpi::parse(NUMBER).unwrap(), &ann, &scene.codes()).await.unwrap();
    let tags = Tags::new(["Business"]).unwrap();
    let honest = enrolled.map(Wish { tags, ..wish("a.example", 1) }, &ann, now()).unwrap();
    let at = honest.windows(8).position(|window| window == b"Business").unwrap();
    let mut changed = honest.clone();
    changed[at..at + 8].copy_from_slice(b"Personal");
    let problem = store(&scene).publish(&changed).await.unwrap_err().problem.unwrap();
    assert_eq!(problem.problem_type, ProblemType::InvalidSignature);
    assert!(client::verify::verify(&changed, &desk.trust().provers, now()).is_err());
    store(&scene).publish(&honest).await.unwrap();

    // Eight tags of 32 octets are taken; a ninth or a 33rd octet is not, by whoever signs.
    let most: Vec<_> = (0..8).map(|n| format!("{n:032}")).collect();
    let wished = Wish { tags: Tags::new(most.clone()).unwrap(), ..wish("a.example", 2) };
    desk.publish_exactly(&enrolled, wished, &ann).await.unwrap();
    assert!(Tags::new(most.iter().cloned().chain(["9".to_owned()])).is_err());
    assert!(Tags::new([format!("{:033}", 1)]).is_err());
    let longer = enrolled.map(Wish { tags: Tags::new(["x".repeat(32)]).unwrap(), ..wish("a.example", 3) }, &ann, now());
    let longer = with_longer_tag(&longer.unwrap(), &ann);
    let problem = store(&scene).publish(&longer).await.unwrap_err().problem.unwrap();
    assert_eq!(problem.problem_type, ProblemType::Malformed);
}

/// The document with one octet more in its tag of 32 times `x`, signed again by its holder.
fn with_longer_tag(document: &[u8], holder: &SigningKey) -> Vec<u8> {
    use protocol::cbor::{self, Value};
    let outer = cbor::decode(document, 8192).unwrap();
    let parts = outer.as_array().unwrap();
    let signed = cbor::decode(parts[1].as_bytes().unwrap(), 8192).unwrap();
    let Value::Tag(18, sign1) = signed else { panic!("a COSE_Sign1") };
    let mut fields = sign1.as_array().unwrap().clone();
    let mut claims = fields[2].as_bytes().unwrap().clone();
    let at = claims.windows(34).position(|window| window[0] == 0x78 && window[2..] == [b'x'; 32]).unwrap();
    claims[at + 1] += 1;
    claims.insert(at + 2, b'x');
    let to_sign =
        vec![Value::from("Signature1"), fields[0].clone(), Value::Bytes(Vec::new()), Value::Bytes(claims.clone())];
    let signature = ed25519(holder, &cbor::encode(&Value::Array(to_sign)));
    fields[2] = Value::Bytes(claims);
    fields[3] = Value::Bytes(signature.to_vec());
    let signed = cbor::encode(&Value::Tag(18, Box::new(Value::Array(fields))));
    cbor::encode(&Value::Array(vec![parts[0].clone(), Value::Bytes(signed)]))
}

fn ed25519(key: &SigningKey, message: &[u8]) -> [u8; 64] {
    use ed25519_dalek::Signer as _;
    ed25519_dalek::SigningKey::from_bytes(&key.to_seed()).sign(message).to_bytes()
}

/// R3: several keys at several MSPs: all that exists comes back, at once.
#[tokio::test(flavor = "multi_thread")]
async fn r03_every_mapping_of_an_identifier_is_returned() {
    let scene = Scene::start().await;
    let holders = [key(), key(), key()];
    let mut published = Vec::new();
    // No more than a CPI may enroll in an hour.
    for (holder, msp) in [(0, "a.example"), (0, "b.example"), (1, "a.example"), (1, "c.example"), (2, "b.example")] {
        scene.publish(msp, NUMBER, &holders[holder]).await;
        published.push((*holders[holder].public().as_bytes(), msp.to_owned()));
    }
    let found = scene.look_up(NUMBER).await;
    let place = |mapping: &VerifiedMapping| {
        (*mapping.holder().as_bytes(), mapping.mapping().reachability.msp().unwrap().domain().to_owned())
    };
    let mut returned: Vec<_> = found.mappings.iter().map(place).collect();
    returned.sort();
    published.sort();
    assert_eq!((found.outcome, returned), (Outcome::SeveralHolders, published));
}

/// R4: what was found is verified with the trust file alone, when no party runs any more; and nothing is that was touched anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn r04_authenticity_is_verified_offline() {
    let scene = Scene::start().await;
    scene.publish("a.example", NUMBER, &key()).await;
    let document = scene.look_up(NUMBER).await.mappings[0].bytes().to_vec();
    let trust = read_trust(scene.description()).unwrap();
    let file = scene.file("ann.mapping");
    std::fs::write(&file, &document).unwrap();
    let trust_file = scene.description().trust.clone();
    let scene = scene.stop().await;

    let arguments = ["verify", "--trust", trust_file.to_str().unwrap(), file.to_str().unwrap()];
    let ran = crate::scene::run_in(scene.path(), &arguments);
    assert_eq!(ran.status, 0, "{ran:?}");
    let verified = client::verify::verify(&document, &trust.provers, now()).unwrap();
    let report = client::verify::Report(&verified);
    assert_eq!(report.prover(), "prover.example");
    for octet in 0..document.len() {
        let mut changed = document.clone();
        changed[octet] ^= 0x20;
        assert!(client::verify::verify(&changed, &trust.provers, now()).is_err(), "octet {octet}");
    }
}

/// R6, D9: a stranger in front of the gateway sees all that it gets, one in front of the relay all that that gets: the first
/// has nothing of the client, not even its address, the second nothing of the question or the answer.
#[tokio::test(flavor = "multi_thread")]
async fn r06_neither_relay_nor_provider_learns_both_sides() {
    let scene = Scene::start().await;
    let (ann, cpis) = (key(), [NUMBER, "mailto:ann@example.com"]);
    for cpi in cpis {
        scene.publish("a.example", cpi, &ann).await;
    }
    let (before_relay, before_gateway) = two_strangers(&scene).await;
    // A client that says a lot of itself, from an address of its own.
    let home = IpAddr::V4(Ipv4Addr::new(127, 88, 6, 201));
    let stack = scene.description();
    let listed = scene.http(None).get(&stack.keys_url.parse().unwrap(), "application/ohttp-keys").await.unwrap();
    let keys = client::oblivious::select(listed.body()).unwrap();
    let question = LookupRequest::new(cpis.map(|cpi| Cpi::parse(cpi).unwrap()).to_vec(), None).unwrap().encode();
    let question = Request::post(&stack.lookup_url).header("content-type", "application/cbor").body(question.into());
    let (capsule, opener) = client::oblivious::encapsulate(&question.unwrap(), 4096, &keys).unwrap();
    let request = Request::post("/?client=telltale")
        .header("host", "localhost")
        .header("content-type", "message/ohttp-req")
        .header("user-agent", "telltale-handset/17")
        .header("cookie", "telltale=1")
        .header("x-forwarded-for", "127.88.6.201")
        .header("authorization", "Bearer telltale")
        .body(Full::new(Bytes::from(capsule)))
        .unwrap();
    let ca = std::fs::read(&stack.ca_cert).unwrap();
    let relay = before_relay.address();
    let answer = post_from(home, relay, "localhost", &ca, request).await;
    let answer = opener.open(answer.body()).unwrap();
    let answer = protocol::lookup::Answer::decode(answer.body()).unwrap();
    assert!(answer.entries.iter().all(|entry| entry.outcome == Outcome::OneMapping), "it was a real question");

    let at_gateway = before_gateway.seen();
    let capsules: Vec<_> = at_gateway.iter().filter(|seen| seen.method == http::Method::POST).collect();
    assert_eq!(capsules.len(), 1);
    for seen in &at_gateway {
        let outside = seen.outside();
        assert!(!outside.contains("127.88.6.201") && !outside.contains("telltale"), "{outside}");
        assert_ne!(seen.peer.ip(), home);
        assert!(!seen.has(b"127.88.6.201") && !seen.has(b"telltale"));
    }
    let at_relay = before_relay.seen();
    assert!(at_relay.iter().any(|seen| seen.peer.ip() == home), "the relay does see the client");
    for seen in at_relay {
        for part in ["14155550132", "ann@example.com", "mailto:", "a.example"] {
            assert!(!seen.has(part.as_bytes()) && !seen.outside().contains(part), "the relay sees {part}");
        }
    }
}

/// A relay of the test's own between two strangers: clients, stranger, relay, stranger, gateway.
async fn two_strangers(scene: &Scene) -> (Between, Between) {
    let gateway = scene.description().gateway_url.strip_suffix("/.well-known/ohttp-gateway").unwrap();
    let before_gateway = Between::start(scene, gateway, Some(scene.relay_identity())).await;
    let relay = relay_to(scene, &before_gateway).await;
    let before_relay = Between::start(scene, &format!("https://localhost:{}", relay.port()), None).await;
    (before_relay, before_gateway)
}

/// A relay with the settings that are shipped, on 127.0.0.1 under the name of localhost, in front of a stranger.
pub(crate) async fn relay_to(scene: &Scene, stranger: &Between) -> SocketAddr {
    let Identity { certificate, key } = scene.identity("localhost");
    let tls = TlsConfig {
        certificate,
        key,
        client_ca: None,
        client_certificates: ClientCertificates::None,
        allow_tls12: false,
    };
    let own = scene.relay_identity();
    let route = relay::config::RouteConfig {
        path: "/".to_owned(),
        gateway: stranger.url("/.well-known/ohttp-gateway"),
        tls: ClientTlsConfig {
            ca: Some(scene.description().ca_cert.clone()),
            certificate: Some(own.certificate),
            key: Some(own.key),
        },
    };
    let config = relay::Config {
        listener: ListenerConfig { tls: Some(tls), ..ListenerConfig::loopback() },
        admin: None,
        routes: vec![route],
        limits: relay::config::Limits::default(),
        exchange: relay::config::Exchange::default(),
    };
    let listeners = config.bind().await.unwrap();
    let address = listeners.public.local_addr();
    tokio::spawn(relay::run(config, listeners, CancellationToken::new()));
    address
}

/// R7: no party serves plaintext beyond loopback, and none speaks it to another.
#[tokio::test(flavor = "multi_thread")]
async fn r07_nothing_travels_in_plaintext() {
    let system = System::start(7, Settings::default()).await;
    for who in Who::ALL {
        let config = std::fs::read_to_string(system.path(&format!("{}.toml", who.binary()))).unwrap();
        let (before, after) = (config.find("[listener.tls]").unwrap(), config.find("[admin]").unwrap());
        let plain = format!("{}{}", &config[..before], &config[after..]);
        let address = plain.lines().find(|line| line.starts_with("address = ")).unwrap().to_owned();
        let plain = plain.replacen(&address, "address = '0.0.0.0:0'", 1);
        let refusal = system.check(who, &plain).await;
        assert!(refusal.contains("0.0.0.0:0") || refusal.contains("certificate"), "{who:?}: {refusal}");
        // To the next party neither.
        if matches!(who, Who::Relay | Who::Gateway) {
            let refusal = system.check(who, &config.replacen("= 'https://", "= 'http://", 1)).await;
            assert!(refusal.contains("https"), "{who:?}: {refusal}");
        }
    }
    // And a client does not.
    let contacts = Contacts::new(&system);
    let http = client::http::HttpClient::new(
        &client::http::TlsIdentity { ca_pem: std::fs::read(system.authority.path()).unwrap(), client: None },
        client::http::Bounds::default(),
    );
    let plain = system.relay_url().replace("https:", "http:");
    assert!(http.unwrap().get(&plain.parse().unwrap(), "*/*").await.is_err());
    assert!(contacts.asker.lookup(&[Cpi::parse(NUMBER).unwrap()], |_| ()).await.is_ok(), "with TLS it works");
}

/// R9: a removal acts on the very next lookup, of those who asked before too.
#[tokio::test(flavor = "multi_thread")]
async fn r09_removal_acts_on_the_next_lookup() {
    let scene = Scene::start().await;
    let (desk, ann) = (scene.desk("a.example"), key());
    let enrolled = desk.enroll(&Cpi::parse(NUMBER).unwrap(), &ann, &scene.codes()).await.unwrap();
    let (one, other) = (asker(scene.description()), asker(scene.description()));
    let cpi = [Cpi::parse(NUMBER).unwrap()];
    for seq in [1, 3, 5] {
        desk.publish_exactly(&enrolled, wish("a.example", seq), &ann).await.unwrap();
        for asker in [&one, &other] {
            assert_eq!(asker.lookup(&cpi, |_| ()).await.unwrap()[0].outcome, Outcome::OneMapping);
        }
        let withdrawal = Wish { state: State::Withdrawn, ..wish("a.example", seq + 1) };
        desk.publish_exactly(&enrolled, withdrawal, &ann).await.unwrap();
        for asker in [&one, &other] {
            assert_eq!(asker.lookup(&cpi, |_| ()).await.unwrap()[0].outcome, Outcome::NeverMapped);
        }
    }
}

/// R10: the recipient removes, and the issuer, in its range; strangers, other issuers and the MSP do not.
#[tokio::test(flavor = "multi_thread")]
async fn r10_only_the_recipient_or_the_issuer_removes() {
    let system = System::start(10, Settings::default()).await;
    let people = crate::system::people::People::new(&system);
    // `+49` and `example.com` are the issuer's; other numbers are not.
    let (inside, outside) = ("tel:+4915123456789", NUMBER);
    let ann = key();
    let (first, second) = (people.published(inside, &ann).await, people.published(outside, &ann).await);
    let contacts = Contacts::new(&system);
    let store = contacts.store();
    let removal = |cpi: &str, issuer: &str, by: &SigningKey| {
        let later = first.issued_at.max(second.issued_at).plus(Duration::from_secs(1));
        let cpi = Cpi::parse(cpi).unwrap();
        let removal = Removal { issuer: issuer.to_owned(), cpi, issued_before: later, issued_at: now() };
        Signed::sign(removal, by).bytes().to_vec()
    };
    let refused = async |document: Vec<u8>| store.remove(&document).await.unwrap_err().problem.unwrap().problem_type;
    assert_eq!(refused(removal(inside, ISSUER, &key())).await, ProblemType::InvalidSignature);
    assert_eq!(refused(removal(inside, ISSUER, &ann)).await, ProblemType::InvalidSignature);
    assert_eq!(refused(removal(inside, "other.example", &system.issuer)).await, ProblemType::NotTheIssuer);
    assert_eq!(refused(removal(outside, ISSUER, &system.issuer)).await, ProblemType::NotTheIssuer);
    // A withdrawal by another key than the holder's.
    let claims = UnverifiedMapping::parse(&first.bytes).unwrap().unverified_mapping().clone();
    let withdrawal = Signed::sign(Mapping { seq: 2, state: State::Withdrawn, ..claims }, &key());
    let withdrawal = VerifiedMapping::encode(first.enrolled.credential(), &withdrawal);
    let problem = store.publish(&withdrawal).await.unwrap_err().problem.unwrap();
    assert_eq!(problem.problem_type, ProblemType::InvalidSignature);
    let cpis = [inside, outside].map(|cpi| Cpi::parse(cpi).unwrap());
    let outcomes = async || {
        let found = contacts.asker.lookup(&cpis, |_| ()).await.unwrap();
        [found[0].outcome, found[1].outcome]
    };
    assert_eq!(outcomes().await, [Outcome::OneMapping; 2]);

    store.remove(&removal(inside, ISSUER, &system.issuer)).await.unwrap();
    assert_eq!(outcomes().await, [Outcome::NeverMapped, Outcome::OneMapping]);
    let problem = store.publish(&first.enrolled.map(wish("a.example", 2), &ann, now()).unwrap()).await.unwrap_err();
    assert_eq!(
        problem.problem.unwrap().problem_type,
        ProblemType::Superseded,
        "what was proven before does not come back"
    );
    let withdrawal = Wish { state: State::Withdrawn, ..wish("a.example", 2) };
    store.publish(&second.enrolled.map(withdrawal, &ann, now()).unwrap()).await.unwrap();
    assert_eq!(outcomes().await, [Outcome::NeverMapped; 2]);
}
