//! The MIMI protocol's query and directory: the draft's codes by what is really published, through gateways alone.

use bytes::Bytes;
use client::http::HttpClient;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use mapping_store::LookupCost;
use protocol::cpi::Cpi;
use protocol::lookup::{CompactAnswer, LookupRequest, Outcome};
use protocol::mapping::{Mapping, Reachability};
use protocol::media;
use protocol::mimi_query::{
    DIRECTORY_PATH, Directory, IdentifierRequest, IdentifierResponse, MAX_REQUEST_BYTES, QueryElement, ResponseCode,
};
use protocol::mimi_uri::Psi;
use protocol::problem::ProblemType;
use protocol::{Signed, SigningKey};

use crate::papers::{DAY, Paper, join, key, number, signed_removal};
use crate::place::{GATEWAY, PROVIDER, Place, Server, refused};

struct Scene {
    place: Place,
    server: Server,
    gateway: HttpClient,
}

impl Scene {
    async fn new() -> Self {
        let place = Place::new();
        let server = Server::start(&place).await;
        let gateway = place.client(Some(GATEWAY));
        Self { place, server, gateway }
    }

    /// Publishes a paper whose holder tells a user.
    async fn publish(&self, paper: &Paper, user: &str) {
        let reachability = match paper.mapping().reachability {
            Reachability::At { msp, .. } => {
                let psi = Psi::parse(&format!("{msp}/{user}")).unwrap();
                Reachability::At { msp, psi: Some(psi) }
            }
            Reachability::Nowhere => Reachability::Nowhere,
        };
        let holder: SigningKey = key(paper.holder);
        let mapping = Mapping { reachability, ..paper.mapping() };
        let bytes = join(&paper.signed_credential(), &Signed::sign(mapping, &holder));
        assert_eq!(self.server.publish(bytes).await.status(), StatusCode::CREATED);
    }

    async fn post(&self, path: &str, media_type: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        self.gateway.post(&self.server.uri(path), media_type, body.into()).await.unwrap()
    }

    /// Asks over HTTP and as an embedding gateway does: both say the same.
    async fn ask(&self, domain: &str, elements: &[QueryElement]) -> (ResponseCode, Vec<String>) {
        let request = IdentifierRequest::new(elements.to_vec()).unwrap().encode();
        let path = format!("/v1/identifierQuery/{domain}");
        let over_http = self.post(&path, media::OCTETS, request.clone()).await;
        let in_process = self.in_process(Method::POST, &path, request).await;
        assert_eq!((over_http.status(), over_http.body()), (StatusCode::OK, in_process.body()));
        for response in [&over_http, &in_process] {
            assert_eq!(response.headers()["content-type"], media::OCTETS);
        }
        assert!(in_process.extensions().get::<LookupCost>().is_none(), "a query costs one");
        let response = IdentifierResponse::decode(over_http.body()).unwrap();
        (response.code(), response.uris().to_vec())
    }

    async fn in_process(&self, method: Method, path: &str, body: Vec<u8>) -> Response<Bytes> {
        let request = Request::builder().method(method).uri(format!("https://{PROVIDER}{path}"));
        let request = request.header("content-type", media::OCTETS).body(Bytes::from(body)).unwrap();
        self.server.store.lookup_in_process(request).await
    }
}

fn by(cpi: &Cpi) -> QueryElement {
    QueryElement::of_cpi(cpi)
}

fn handle(uri: &str) -> QueryElement {
    QueryElement::Handle(uri.to_owned())
}

const NOT_FOUND: (ResponseCode, Vec<String>) = (ResponseCode::NotFound, Vec::new());

fn success(uri: &str) -> (ResponseCode, Vec<String>) {
    (ResponseCode::Success, vec![uri.to_owned()])
}

#[tokio::test]
async fn what_is_published_decides_the_code() {
    let scene = Scene::new().await;
    let alice = "mimi://a.example/u/alice";
    assert_eq!(scene.ask("a.example", &[by(&number(1))]).await, NOT_FOUND, "never mapped");

    scene.publish(&Paper::of(1), "u/alice").await;
    assert_eq!(scene.ask("a.example", &[by(&number(1))]).await, success(alice));
    assert_eq!(scene.ask("b.example", &[by(&number(1))]).await, NOT_FOUND, "at another provider");
    assert_eq!(scene.ask("a.example", &[by(&number(2))]).await, NOT_FOUND, "another number");

    scene.server.publish_paper(&Paper { msp: None, ..Paper::of(3) }).await;
    assert_eq!(scene.ask("a.example", &[by(&number(3))]).await, NOT_FOUND, "opted out");
    scene.server.publish_paper(&Paper::of(4)).await;
    assert_eq!(scene.ask("a.example", &[by(&number(4))]).await, NOT_FOUND, "tells no user");

    // Two numbers of one user, and one of somebody else.
    scene.publish(&Paper::of(5), "u/alice").await;
    scene.publish(&Paper { holder: 2, ..Paper::of(6) }, "u/bob").await;
    assert_eq!(scene.ask("a.example", &[by(&number(1)), by(&number(5))]).await, success(alice));
    assert_eq!(scene.ask("a.example", &[by(&number(1)), by(&number(6))]).await, NOT_FOUND, "all have to match");

    // A second holder of the first number, at the same provider.
    scene.publish(&Paper { holder: 2, ..Paper::of(1) }, "u/bob").await;
    assert_eq!(scene.ask("a.example", &[by(&number(1))]).await, (ResponseCode::Ambiguous, Vec::new()));
    let with_handle = async |uri: &str| scene.ask("a.example", &[by(&number(1)), handle(uri)]).await;
    assert_eq!(with_handle(alice).await, success(alice));
    assert_eq!(with_handle("im:bob@a.example").await, success("mimi://a.example/u/bob"));
    assert_eq!(with_handle("mimi://a.example/u/eve").await, NOT_FOUND);

    // A holder at another provider is none of this one's business.
    scene.publish(&Paper { holder: 3, msp: Some("b.example"), ..Paper::of(5) }, "u/carol").await;
    assert_eq!(scene.ask("a.example", &[by(&number(5))]).await, success(alice));
    assert_eq!(scene.ask("b.example", &[by(&number(5))]).await, success("mimi://b.example/u/carol"));
    scene.server.stop().await;
}

#[tokio::test]
async fn what_is_not_answered() {
    let scene = Scene::new().await;
    scene.publish(&Paper::of(1), "u/alice").await;
    let forbidden = (ResponseCode::Forbidden, Vec::new());
    assert_eq!(scene.ask("a.example", &[]).await, forbidden);
    assert_eq!(scene.ask("a.example", &[handle("mimi://a.example/u/alice")]).await, forbidden, "no search by handle");
    let unsupported = (ResponseCode::UnsupportedField, Vec::new());
    for element in [QueryElement::Nick("alice".to_owned()), QueryElement::PartialName("ali".to_owned())] {
        assert_eq!(scene.ask("a.example", &[by(&number(1)), element]).await, unsupported);
    }
    let unknown = scene.post("/v1/identifierQuery/a.example", media::OCTETS, &b"\x05\x09\x03+12\x00"[..]).await;
    assert_eq!(IdentifierResponse::decode(unknown.body()).unwrap().code(), ResponseCode::UnsupportedField);
    scene.server.stop().await;
}

#[tokio::test]
async fn what_is_gone_is_not_found() {
    let scene = Scene::new().await;
    for n in 1..4 {
        scene.publish(&Paper::of(n), "u/alice").await;
    }
    scene.server.publish_paper(&Paper::withdrawal(1, 2)).await;
    assert_eq!(scene.ask("a.example", &[by(&number(1))]).await, NOT_FOUND, "withdrawn");
    let removal = signed_removal(&number(2), scene.place.now());
    assert_eq!(scene.server.remove(removal).await.status(), StatusCode::CREATED);
    assert_eq!(scene.ask("a.example", &[by(&number(2))]).await.0, ResponseCode::Success, "proven no earlier than that");
    scene.place.advance(DAY);
    let removal = signed_removal(&number(2), scene.place.now());
    assert_eq!(scene.server.remove(removal).await.status(), StatusCode::CREATED);
    assert_eq!(scene.ask("a.example", &[by(&number(2))]).await, NOT_FOUND, "removed");
    scene.place.advance(30 * DAY);
    assert_eq!(scene.ask("a.example", &[by(&number(3))]).await, NOT_FOUND, "expired");
    scene.server.stop().await;
}

#[tokio::test]
async fn a_query_comes_through_a_gateway_and_is_well_formed() {
    let scene = Scene::new().await;
    let path = "/v1/identifierQuery/a.example";
    let good = IdentifierRequest::new(vec![by(&number(1))]).unwrap().encode();
    for stranger in [None, Some("a.example")] {
        let client = scene.place.client(stranger);
        let response = client.post(&scene.server.uri(path), media::OCTETS, good.clone().into()).await.unwrap();
        refused(&response, ProblemType::NotThroughGateway);
    }
    refused(&scene.post(path, media::CBOR, good.clone()).await, ProblemType::UnsupportedMediaType);
    refused(&scene.post(path, media::OCTETS, &b"\x05\x04\x03+12"[..]).await, ProblemType::Malformed);
    refused(&scene.post(path, media::OCTETS, vec![0; MAX_REQUEST_BYTES + 1]).await, ProblemType::TooLarge);
    for domain in ["A.example", "a.example.", "127.0.0.1", "a.example%2F", "%61.example"] {
        let response = scene.post(&format!("/v1/identifierQuery/{domain}"), media::OCTETS, good.clone()).await;
        refused(&response, ProblemType::Malformed);
    }
    refused(&scene.post("/v1/identifierQuery/", media::OCTETS, good.clone()).await, ProblemType::NotFound);
    refused(&scene.post("/v1/identifierQuery/a.example/b", media::OCTETS, good.clone()).await, ProblemType::NotFound);
    refused(&scene.server.get(path).await, ProblemType::MethodNotAllowed);

    refused(&scene.in_process(Method::GET, path, Vec::new()).await, ProblemType::MethodNotAllowed);
    for path in ["/v1/identifierQuery/", "/v1/identifierQuery/a.example/b", "/v1/mappings"] {
        refused(&scene.in_process(Method::POST, path, good.clone()).await, ProblemType::NotFound);
    }
    refused(&scene.in_process(Method::POST, path, vec![1]).await, ProblemType::Malformed);
    scene.server.stop().await;
}

/// Not the query of the MIMI protocol, but the other answer without proofs: a lookup's compact form.
#[tokio::test]
async fn a_compact_lookup_names_providers_alone() {
    let scene = Scene::new().await;
    scene.publish(&Paper::of(1), "u/alice").await;
    scene.server.publish_paper(&Paper { msp: Some("b.example"), ..Paper::of(1) }).await;
    scene.server.publish_paper(&Paper { msp: None, ..Paper::of(2) }).await;
    let request = LookupRequest::new((0..3).map(number).collect(), None).unwrap().compact().encode();
    let answered = scene.post("/v1/lookup", media::CBOR, request).await;
    assert_eq!(
        (answered.status(), &answered.headers()["content-type"]),
        (StatusCode::OK, &HeaderValue::from_static(media::CBOR))
    );
    let answer = CompactAnswer::decode(answered.body()).unwrap();
    let said: Vec<_> = answer
        .entries
        .iter()
        .map(|entry| (entry.outcome, entry.msps.iter().map(|msp| msp.domain().to_owned()).collect::<Vec<_>>()))
        .collect();
    let both = vec!["a.example".to_owned(), "b.example".to_owned()];
    assert_eq!(
        said,
        [(Outcome::NeverMapped, vec![]), (Outcome::SeveralProviders, both), (Outcome::Unreachable, vec![])]
    );
    scene.server.stop().await;
}

#[tokio::test]
async fn the_directory_names_the_query() {
    let scene = Scene::new().await;
    let response = scene.server.get(DIRECTORY_PATH).await;
    let json = HeaderValue::from_static("application/json");
    assert_eq!((response.status(), &response.headers()["content-type"]), (StatusCode::OK, &json));
    assert_eq!(Directory::from_json(response.body()), Ok(Directory::at(PROVIDER)));
    let read = client::msp::directory(&scene.place.client(None), &scene.server.base()).await.unwrap();
    assert_eq!(read, Directory::at(PROVIDER));
    scene.server.stop().await;
}
