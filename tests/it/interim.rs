//! Rows D1 to D14 of `docs/conformance.md`, where no other module shows them: the MIMI interim of 22 May 2024, and
//! draft-interop-mimi-discovery-requirements-01.

use std::collections::{BTreeSet, HashSet};

use bytes::Bytes;
use client::cache::{Cache, Freshness};
use client::choice::choose;
use client::enrollment::Wish;
use client::lookup::Refused;
use client::msp::StoreConnection;
use discovery::enroll::{now, read_trust};
use http::{Request, StatusCode};
use mapping_store::{Published, Store};
use protocol::cbor::{self, Value};
use protocol::conflict::{ConflictNotice, ConflictQuery};
use protocol::cpi::Cpi;
use protocol::lookup::{Answer, Entry, LookupRequest, Outcome};
use protocol::mapping::{Mapping, Tags};
use protocol::trust::TrustAnchorTable;
use protocol::{Signed, Unverified, media};

use crate::between::Between;
use crate::fixtures;
use crate::requirements::relay_to;
use crate::scene::{Scene, asker, key, wish};
use crate::system::parties::{Settings, System};
use crate::system::people::Contacts;

const NUMBER: &str = "tel:+14155550132";

fn cpi(text: &str) -> Cpi {
    Cpi::parse(text).unwrap()
}

/// D1: a provider is whoever runs one, on documents that prove themselves: what was published at one is taken and served by another,
/// octet for octet. To ask, a handset needs a relay and a trust file, and an MSP no more than that.
#[tokio::test(flavor = "multi_thread")]
async fn d01_a_document_of_one_provider_is_valid_at_another() {
    let scene = Scene::start().await;
    scene.publish("a.example", NUMBER, &key()).await;
    let document = scene.look_up(NUMBER).await.mappings[0].bytes().to_vec();
    let trust = read_trust(scene.description()).unwrap();

    let other = mapping_store::config::StoreConfig {
        provider: "another.example".to_owned(),
        folder: scene.file("another/database"),
        hash_key_file: scene.file("another/hash.key"),
        receipt_key_file: scene.file("another/receipt.key"),
        provers: trust.provers.iter().map(TrustAnchorTable::from).collect(),
        issuers: Vec::new(),
        cluster: None,
        cache_bytes: 1 << 20,
        max_answer_bytes: 900 * 1024,
    };
    let other = Store::open(&other, mapping_store::store::system_clock()).unwrap();
    assert!(matches!(other.publish(&document).await.unwrap(), Published::New(_)));
    let question = LookupRequest::new(vec![cpi(NUMBER)], None).unwrap();
    let answer = Answer::decode(&other.lookup(&question).await.unwrap().bytes).unwrap();
    assert_eq!(answer.entries, [Entry { outcome: Outcome::OneMapping, mappings: vec![document] }]);

    // An MSP asks as a handset does; that it could show a certificate changes nothing.
    assert_eq!(
        asker(scene.description()).lookup(&[cpi(NUMBER)], |_| ()).await.unwrap()[0].outcome,
        Outcome::OneMapping
    );
}

/// D2: one by one, as somebody writes, or a whole book at once: the same answers.
#[tokio::test(flavor = "multi_thread")]
async fn d02_one_by_one_or_all_at_once_the_answers_are_the_same() {
    let scene = Scene::start().await;
    let book: Vec<_> = (0..70).map(|n| cpi(&format!("mailto:somebody{n}@example.org"))).collect();
    for cpi in book.iter().step_by(9) {
        scene.publish("a.example", cpi.as_str(), &key()).await;
    }
    let asker = asker(scene.description());
    let at_once = asker.lookup(&book, |_| ()).await.unwrap();
    let mut one_by_one = Vec::new();
    for cpi in &book {
        one_by_one.extend(asker.lookup(std::slice::from_ref(cpi), |_| ()).await.unwrap());
    }
    assert_eq!(at_once, one_by_one);
    assert_eq!(at_once.iter().filter(|found| found.outcome == Outcome::OneMapping).count(), 8);
}

/// D3: a question names identifiers, and at most a provider and a form; a mapping says where, and nothing of what can be done there or
/// of who may write. Whatever else is put in is refused.
#[tokio::test(flavor = "multi_thread")]
async fn d03_no_capabilities_are_asked_for_and_nobody_is_judged() {
    let scene = Scene::start().await;
    scene.publish("a.example", NUMBER, &key()).await;
    let (stack, http) = (scene.description(), scene.http(None));
    let listed = http.get(&stack.keys_url.parse().unwrap(), "application/ohttp-keys").await.unwrap();
    let keys = client::oblivious::select(listed.body()).unwrap();
    let ask = async |fields: Vec<(u64, Value)>| {
        let fields = fields.into_iter().map(|(label, value)| (label.into(), value)).collect();
        let question = Request::post(&stack.lookup_url).header("content-type", "application/cbor");
        let question = question.body(Bytes::from(cbor::encode(&Value::Map(fields)))).unwrap();
        let (capsule, opener) = client::oblivious::encapsulate(&question, 1024, &keys).unwrap();
        let relay = stack.relay_url.parse().unwrap();
        let answer = http.post(&relay, "message/ohttp-req", capsule.into()).await.unwrap();
        opener.open(answer.body()).unwrap().status()
    };
    let cpis = (1, Value::Array(vec![NUMBER.into()]));
    assert_eq!(ask(vec![cpis.clone()]).await, StatusCode::OK);
    for more in [(3, Value::from("video")), (4, Value::from("video")), (4, Value::Bool(true)), (5, 1.into())] {
        assert_eq!(ask(vec![cpis.clone(), more]).await, StatusCode::BAD_REQUEST);
    }
    // A mapping is closed, too: these are its claims, and no others (docs/protocol.md, 2.4).
    let document = scene.look_up(NUMBER).await.mappings[0].signed_mapping().bytes().to_vec();
    let Value::Tag(18, sign1) = cbor::decode(&document, 8192).unwrap() else { panic!("a COSE_Sign1") };
    let claims = cbor::decode(sign1.as_array().unwrap()[2].as_bytes().unwrap(), 8192).unwrap();
    let labels = claims.as_map().unwrap().iter().map(|(label, _)| i64::try_from(label.as_integer().unwrap()).unwrap());
    let known = [2, 4, 6, -65538, -65539, -65540, -65541, -65542, -65543, -65544];
    assert!(labels.clone().all(|label| known.contains(&label)), "{:?}", labels.collect::<Vec<_>>());
}

/// D4: what a provider changes in tags shows; in whatever order it serves mappings, the recipient's preference decides. What it
/// leaves out, a lookup does not show: receipts do (`adversary/provider.rs`).
#[test]
fn d04_preferences_are_the_recipients() {
    let trust = fixtures::trust().provers;
    let read = |mappings: Vec<Vec<u8>>| {
        let entries = vec![Entry { outcome: Outcome::SeveralProviders, mappings }];
        client::lookup::answer(&[fixtures::cpi()], &Answer { entries }.encode(), &trust, fixtures::NOW)
            .unwrap()
            .remove(0)
    };
    let home = fixtures::document("mimi://home.example", &["Default"]);
    let work = fixtures::document("mimi://work.example", &["Business"]);
    let play = fixtures::document("mimi://play.example", &["Football", "Friends"]);
    for served in [[&home, &work, &play], [&play, &work, &home], [&work, &play, &home]] {
        let found = read(served.map(Clone::clone).to_vec());
        for (context, msp) in [
            (Some("Business"), "mimi://work.example"),
            (Some("Football"), "mimi://play.example"),
            (Some("Chess"), "mimi://home.example"),
            (None, "mimi://home.example"),
        ] {
            let chosen = choose(&found, context, None, 0).unwrap();
            assert_eq!(chosen.mapping.mapping().reachability.msp().unwrap().to_string(), msp);
        }
    }
    // Another tag of the same length, a tag that is dropped, tags in another order: signed by the provider instead.
    let replaced = |document: &[u8], from: &[u8], to: &[u8]| {
        let at = document.windows(from.len()).position(|window| window == from).unwrap();
        [&document[..at], to, &document[at + from.len()..]].concat()
    };
    let verified = client::verify::verify(&play, &trust, fixtures::NOW).unwrap();
    let with_tags = |tags: &[&str]| {
        let mapping = Mapping { tags: Tags::new(tags.iter().copied()).unwrap(), ..verified.mapping().clone() };
        let signed = Signed::sign(mapping, &fixtures::key(9));
        protocol::authenticated::VerifiedMapping::encode(verified.signed_credential(), &signed)
    };
    let changed = [
        replaced(&work, b"Business", b"Football"),
        with_tags(&[]),
        with_tags(&["Friends", "Football"]),
        with_tags(&["Default"]),
    ];
    for changed in changed {
        let found = read(vec![changed]);
        assert!(found.mappings.is_empty() && matches!(found.refused[..], [Refused::Unverified(_)]), "{found:?}");
        assert!(!found.agrees());
    }
}

/// D9: the querier's address is hidden from the provider: the gateway, and so the store behind it, sees connections of the relay's alone,
/// whoever asks. (The other half, hiding the query as well, is not offered.)
#[tokio::test(flavor = "multi_thread")]
async fn d09_the_provider_sees_the_relays_address_alone() {
    let scene = Scene::start().await;
    let stack = scene.description();
    let gateway = stack.gateway_url.strip_suffix("/.well-known/ohttp-gateway").unwrap();
    // Nobody but a relay is even heard.
    let uri = stack.gateway_url.parse().unwrap();
    let error = scene.http(None).post(&uri, "message/ohttp-req", Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(error.fault, client::Fault::Network);
    let stranger = Between::start(&scene, gateway, Some(scene.relay_identity())).await;
    let relay = relay_to(&scene, &stranger).await;
    let (http, ca) = (scene.http(None), std::fs::read(&stack.ca_cert).unwrap());
    let listed = http.get(&stack.keys_url.parse().unwrap(), "application/ohttp-keys").await.unwrap();
    let keys = client::oblivious::select(listed.body()).unwrap();
    for last in 1..6 {
        let (capsule, _) = capsule_for(stack, &keys);
        let request = Request::post("/").header("host", "localhost").header("content-type", "message/ohttp-req");
        let request = request.body(http_body_util::Full::new(Bytes::from(capsule))).unwrap();
        let from = std::net::Ipv4Addr::new(127, 88, 9, last).into();
        let answer = crate::between::post_from(from, relay, "localhost", &ca, request).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let seen = stranger.seen();
    let peers: BTreeSet<_> = seen.iter().map(|seen| seen.peer.ip()).collect();
    assert_eq!(peers.len(), 1, "{peers:?}");
    assert_eq!(seen.iter().filter(|seen| seen.method == http::Method::POST).count(), 5);
    let said: BTreeSet<_> = seen
        .iter()
        .filter(|seen| seen.method == http::Method::POST)
        .map(|seen| format!("{:?} {:?}", seen.uri, seen.headers))
        .collect();
    assert_eq!(said.len(), 1, "five clients, and nothing to tell them apart: {said:?}");
}

fn capsule_for(stack: &discovery::stack::Description, keys: &[u8]) -> (Vec<u8>, client::oblivious::Opener) {
    let question = LookupRequest::new(vec![cpi(NUMBER)], None).unwrap().encode();
    let request = Request::post(&stack.lookup_url).header("content-type", "application/cbor");
    client::oblivious::encapsulate(&request.body(question.into()).unwrap(), 1024, keys).unwrap()
}

/// D10: two questions of one client for one identifier have nothing in common but the key that all clients use, and their
/// length; and at a lookup nobody asks the MSP, which the message goes to.
#[tokio::test(flavor = "multi_thread")]
async fn d10_questions_cannot_be_tied_to_each_other_or_to_a_message() {
    let scene = Scene::start().await;
    scene.publish("a.example", NUMBER, &key()).await;
    let stack = scene.description();
    let listed = scene.http(None).get(&stack.keys_url.parse().unwrap(), "application/ohttp-keys").await.unwrap();
    let keys = client::oblivious::select(listed.body()).unwrap();
    let capsules: Vec<_> = (0..20).map(|_| capsule_for(stack, &keys).0).collect();
    let (header, length) = (&capsules[0][..7], capsules[0].len());
    assert!(capsules.iter().all(|capsule| capsule[..7] == *header && capsule.len() == length));
    // Not eight octets anywhere in two of them.
    let mut windows = HashSet::new();
    for capsule in &capsules {
        let own: HashSet<_> = capsule[7..].windows(8).map(<[u8]>::to_vec).collect();
        assert!(windows.is_disjoint(&own));
        windows.extend(own);
    }
    // What the answer says of the MSP is a name. It is under a domain that nobody serves: it was not asked.
    let found = scene.look_up(NUMBER).await;
    assert_eq!(found.mappings[0].mapping().reachability.msp().unwrap().domain(), "a.example");
}

/// D11: two keys claim one number: every answer says so; when one takes it over, the earlier holder learns that and when, and nothing of by whom.
#[tokio::test(flavor = "multi_thread")]
async fn d11_a_displaced_holder_learns_that_and_not_by_whom() {
    let scene = Scene::start().await;
    let (ann, ben) = (key(), key());
    let first = scene.publish("a.example", NUMBER, &ann).await;
    while now() <= first.credential().document().issued_at {
        tokio::task::yield_now().await;
    }
    let desk = scene.desk("b.example");
    let second = desk.enroll(&cpi(NUMBER), &ben, &scene.codes()).await.unwrap();
    desk.publish(&second, wish("b.example", 1), &ben).await.unwrap();
    assert_eq!(scene.look_up(NUMBER).await.outcome, Outcome::SeveralHolders, "a conflict has an outcome of its own");

    let ask = async |by: &protocol::SigningKey| {
        let query = ConflictQuery {
            cpi: cpi(NUMBER),
            provider: "provider.example".to_owned(),
            user_key: by.public(),
            issued_at: now(),
        };
        let uri = format!("{}/v1/conflicts", scene.description().store_url).parse().unwrap();
        let query = Signed::sign(query, by).bytes().to_vec();
        scene.http(None).post(&uri, media::CONFLICT_QUERY, query.into()).await.unwrap()
    };
    assert_eq!(ask(&ann).await.status(), StatusCode::NOT_FOUND, "nobody was displaced");
    desk.publish(&second, Wish { fresh: true, ..wish("b.example", 2) }, &ben).await.unwrap();
    assert_eq!(scene.look_up(NUMBER).await.outcome, Outcome::OneMapping);
    let answer = ask(&ann).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let receipt_key = read_trust(scene.description()).unwrap().provider.receipt_key;
    let notice = Unverified::<ConflictNotice>::parse(answer.body()).unwrap().verify(&receipt_key).unwrap();
    assert_eq!(notice.document().holder, ann.public().thumbprint());
    assert!(notice.document().displaced_at <= now());
    for trace in [&ben.public().as_bytes()[..], ben.public().thumbprint().as_bytes(), b"b.example"] {
        assert!(!answer.body().windows(trace.len()).any(|window| window == trace), "it says by whom");
    }
    assert_eq!(ask(&ben).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(ask(&key()).await.status(), StatusCode::NOT_FOUND, "strangers learn nothing");
}

/// D12: a verbose answer has the documents, a compact one a bit for each provider; both say the same of everybody.
#[tokio::test(flavor = "multi_thread")]
async fn d12_the_compact_form_says_the_same_as_the_verbose_one() {
    let scene = Scene::start().await;
    let (ann, ben) = (key(), key());
    let book = [NUMBER, "mailto:ann@example.com", "mailto:ben@example.com", "mailto:nobody@example.com"].map(cpi);
    scene.publish("a.example", NUMBER, &ann).await;
    scene.publish("b.example", NUMBER, &ann).await;
    scene.publish("b.example", "mailto:ann@example.com", &ann).await;
    scene.publish("c.example", "mailto:ben@example.com", &ann).await;
    scene.publish("a.example", "mailto:ben@example.com", &ben).await;
    let asker = asker(scene.description());
    let (verbose, compact) = (asker.lookup(&book, |_| ()).await.unwrap(), asker.claimed(&book).await.unwrap());
    for (found, claimed) in verbose.iter().zip(&compact) {
        let msps: BTreeSet<_> =
            found.mappings.iter().filter_map(|at| at.mapping().reachability.msp().cloned()).collect();
        assert_eq!((&found.cpi, found.outcome, msps), (&claimed.cpi, claimed.outcome, claimed.msps.clone()));
    }
    let outcomes = verbose.iter().map(|found| found.outcome);
    let expected = [Outcome::SeveralProviders, Outcome::OneMapping, Outcome::SeveralHolders, Outcome::NeverMapped];
    assert_eq!(outcomes.collect::<Vec<_>>(), expected);
}

/// D13: at the limits that a relay is shipped with, an honest user looks fifty up in one go, one by one; and a book of a thousand again
/// costs nothing but what is new.
#[tokio::test(flavor = "multi_thread")]
async fn d13_fifty_lookups_a_day_fit_and_a_book_again_costs_little() {
    let shipped = relay::config::Limits::default();
    let rate = |rate: service::Rate| format!("{{ count = {}, seconds = {} }}", rate.count, rate.seconds);
    let limits = format!("per_address = {}\ntotal = {}", rate(shipped.per_address), rate(shipped.total));
    let system = System::start(13, Settings { relay_limits: limits, ..Settings::default() }).await;
    let asker = Contacts::new(&system).asker;
    for n in 0..50 {
        let found = asker.lookup(&[cpi(&format!("mailto:contact{n}@example.com"))], |_| ()).await.unwrap();
        assert_eq!(found[0].outcome, Outcome::NeverMapped);
    }
    let mut book: Vec<_> = (0..1000).map(|n| cpi(&format!("mailto:contact{n}@example.com"))).collect();
    let mut cache = Cache::new(Freshness::default());
    let first = asker.sync(&book, &mut cache, |_| ()).await;
    assert_eq!((first.kept, first.progress.answered, first.interrupted), (0, 1000, None));
    let again = asker.sync(&book, &mut cache, |_| ()).await;
    assert_eq!((again.kept, again.progress.total), (1000, 0), "nothing is asked");
    book.push(cpi("mailto:new@example.com"));
    let more = asker.sync(&book, &mut cache, |_| ()).await;
    assert_eq!((more.kept, more.progress.total), (1000, 1));
}

/// D6: a prover's credential makes nobody findable; what the store takes and serves is signed by the user's own key.
#[tokio::test(flavor = "multi_thread")]
async fn d06_what_the_store_takes_was_signed_by_the_user() {
    let scene = Scene::start().await;
    let (desk, ann) = (scene.desk("a.example"), key());
    let enrolled = desk.enroll(&cpi(NUMBER), &ann, &scene.codes()).await.unwrap();
    // A credential without a mapping makes nobody findable, and is no publication.
    let receipt_key = desk.trust().provider.receipt_key;
    let store = StoreConnection::new(scene.http(None), &scene.description().store_url, receipt_key);
    assert!(store.publish(enrolled.credential().bytes()).await.is_err());
    assert_eq!(scene.look_up(NUMBER).await.outcome, Outcome::NeverMapped);
    desk.publish(&enrolled, wish("a.example", 1), &ann).await.unwrap();
    let found = scene.look_up(NUMBER).await;
    assert_eq!(*found.mappings[0].signed_mapping().signer(), ann.public());
}
