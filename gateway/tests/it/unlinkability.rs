//! Two clients as different as can be, through the relay, the gateway and its target, with everything recorded that
//! arrives at the gateway's door and at the target (R6): nothing there tells the two apart.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use service::{CancellationToken, ClientCertificates, Listener, ListenerConfig, Peer, serve};

use crate::front::Front;
use crate::harness::{Authority, Client, Content, in_time, whole, written_bit_by_bit};
use crate::scene::{BUCKETS, CAPSULE, Opened, PATH, PLAIN, SEAL_BYTES, SIGNED, Scene, binary, lookup, seal};

/// Each client has an address of its own, from which it alone connects.
const TALKATIVE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 88, 1, 201));
const TERSE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 88, 2, 202));

/// What the talkative client says of itself, to the relay alone.
const TELLTALE: [(&str, &str); 14] = [
    ("user-agent", "telltale-handset/17"),
    ("forwarded", "for=127.88.1.201;by=telltale"),
    ("x-forwarded-for", "127.88.1.201"),
    ("x-real-ip", "127.88.1.201"),
    ("via", "1.1 telltale-via"),
    ("cookie", "telltale=cookie"),
    ("authorization", "Bearer telltale"),
    ("accept", "telltale/accept"),
    ("accept-language", "tlh-telltale"),
    ("accept-encoding", "telltale-encoding"),
    ("origin", "https://telltale.example"),
    ("priority", "u=1, telltale"),
    ("traceparent", "00-telltale-01"),
    ("x-client-id", "telltale-id"),
];

/// A request as it arrived at the gateway's door, and its answer.
struct Exchange {
    peer: SocketAddr,
    names: Vec<String>,
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
    answer: Response<Bytes>,
}

impl Exchange {
    /// All that is said outside the capsule.
    fn outside(&self) -> String {
        let Self { names, method, uri, version, headers, .. } = self;
        format!("{names:?} {method} {uri} {version:?} {headers:?}")
    }
}

type Recorded = Arc<Mutex<Vec<Exchange>>>;

/// Ends the relay's TLS where the gateway would, records all that comes, and has the gateway answer.
async fn recorder(scene: &Scene) -> (SocketAddr, Recorded) {
    let authority = &scene.authority;
    let tls = authority.server_tls(&authority.issue_server("recorder"), ClientCertificates::Required);
    let listener = Listener::bind(&ListenerConfig { tls: Some(tls), ..ListenerConfig::loopback() }).await.unwrap();
    let (address, recorded) = (listener.local_addr(), Recorded::default());
    let (record, client, url) = (Arc::clone(&recorded), scene.client.clone(), scene.url(PATH));
    let service = service_fn(move |request: Request<Incoming>| {
        let (record, client, url) = (Arc::clone(&record), client.clone(), url.clone());
        async move { Ok::<_, Infallible>(pass_on(request, &record, &client, &url).await) }
    });
    tokio::spawn(serve(listener, service, CancellationToken::new()));
    (address, recorded)
}

async fn pass_on(request: Request<Incoming>, record: &Recorded, client: &Client, url: &str) -> Response<Content> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let peer = head.extensions.get::<Peer>().unwrap();
    let mut on = Request::new(whole(body.clone()));
    *on.method_mut() = head.method.clone();
    *on.uri_mut() = url.parse().unwrap();
    *on.headers_mut() = head.headers.clone();
    let answer = client.send(on).await.unwrap();
    record.lock().unwrap().push(Exchange {
        peer: peer.address,
        names: peer.certificate.as_ref().unwrap().dns_names().to_vec(),
        method: head.method,
        uri: head.uri,
        version: head.version,
        headers: head.headers,
        body,
        answer: answer.clone(),
    });
    answer.map(whole)
}

/// A client that connects from this address.
struct Querier(legacy::Client<hyper_rustls::HttpsConnector<HttpConnector>, Content>);

impl Querier {
    fn new(authority: &Authority, from: IpAddr, http2: bool) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_local_address(Some(from));
        let tls = HttpsConnectorBuilder::new().with_tls_config(authority.client_tls(None).load().unwrap()).https_only();
        let connector =
            if http2 { tls.enable_http2().wrap_connector(tcp) } else { tls.enable_http1().wrap_connector(tcp) };
        Self(legacy::Client::builder(TokioExecutor::new()).build(connector))
    }

    async fn send(&self, request: Request<Content>) -> Response<Bytes> {
        let (head, body) = in_time(self.0.request(request)).await.unwrap().into_parts();
        Response::from_parts(head, in_time(body.collect()).await.unwrap().to_bytes())
    }
}

/// What the target finds: nothing, a little, and more than fits in the smallest bucket.
fn found(request: &Request<Bytes>) -> Bytes {
    Bytes::from(vec![7; if request.body().starts_with(b"none") { 0 } else { request.body().len() * 15 }])
}

#[tokio::test]
async fn nothing_at_the_gateway_tells_clients_apart() {
    let scene = Scene::start().await;
    scene.target.answers(|request| Ok(Response::new(found(request))));
    let (address, recorded) = recorder(&scene).await;
    let front = Front::start(&scene.authority, format!("https://{address}{PATH}")).await;
    let talkative = Querier::new(&scene.authority, TALKATIVE, false);
    let terse = Querier::new(&scene.authority, TERSE, true);

    // Each fetches the keys from the relay and asks three questions, in turn with the other.
    let mut sent: BTreeMap<Vec<u8>, IpAddr> = BTreeMap::new();
    for question in
        ["none of mine", "mail:alice@a.example", "tel:+15550100 and all the contacts of this handset's user"]
    {
        let fetched =
            Request::get(front.keys_url()).header("accept", PLAIN).header("user-agent", "telltale").body(whole(""));
        let keys = talkative.send(fetched.unwrap()).await.into_body();
        let (capsule, opener) = seal(&keys, &binary(&lookup(question.as_bytes())));
        let (bits, body) = written_bit_by_bit();
        let mut request = Request::post(format!("{}?client=telltale", front.resource_url()))
            .header("content-type", "Message/OHTTP-Req")
            .body(body)
            .unwrap();
        TELLTALE.iter().for_each(|(name, value)| drop(request.headers_mut().insert(*name, value.parse().unwrap())));
        let (first, second) = capsule.split_at(capsule.len() / 2);
        for part in [first, second] {
            bits.send(Bytes::copy_from_slice(part)).await.unwrap();
        }
        drop(bits);
        let opened = Opened::new(&without_cache(talkative.send(request).await), opener);
        assert_eq!(opened.message.content(), found(&Request::new(Bytes::from(question))));
        sent.insert(capsule, TALKATIVE);

        let keys = terse.send(Request::get(front.keys_url()).body(whole("")).unwrap()).await.into_body();
        let (capsule, opener) = seal(&keys, &binary(&lookup(question.as_bytes())));
        let request = Request::post(front.resource_url()).header("content-type", CAPSULE);
        let answer = terse.send(request.body(whole(capsule.clone())).unwrap()).await;
        Opened::new(&without_cache(answer), opener);
        sent.insert(capsule, TERSE);
    }

    let recorded = recorded.lock().unwrap();
    let (asked, keys): (Vec<_>, Vec<_>) = recorded.iter().partition(|exchange| exchange.method == Method::POST);
    assert_eq!(asked.len(), 6);

    // Keys: the relay fetched each form once, for everybody.
    assert_eq!(keys.iter().map(|exchange| &exchange.headers["accept"]).collect::<Vec<_>>(), [PLAIN, SIGNED]);

    // One connection, the relay's own, and one outside for all; no address, no field of a client.
    let all = asked.iter().chain(&keys);
    assert_eq!(all.clone().map(|exchange| exchange.peer).collect::<BTreeSet<_>>().len(), 1);
    assert!(![TALKATIVE, TERSE].contains(&asked[0].peer.ip()));
    assert_eq!(asked.iter().map(|exchange| exchange.outside()).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(asked[0].headers.len(), 1);
    for exchange in all {
        let shown = exchange.outside().to_ascii_lowercase();
        for telltale in ["telltale", "127.88.", &front.address.to_string()] {
            assert!(!shown.contains(telltale), "{shown}");
        }
        assert!(exchange.body.is_empty() || sent.contains_key(&exchange.body[..]), "a capsule arrives as it was sent");
        for plain in [&b"telltale"[..], b"alice", b"+1555", b"store.example", b"/v1/lookup", b"127.88."] {
            assert!(!exchange.body.windows(plain.len()).any(|window| window == plain));
        }
    }

    // Sizes: of requests as the client chose it, of answers in buckets, and the same for what was found or not.
    let sizes = |of: IpAddr| -> Vec<usize> {
        let of_client = asked.iter().filter(|exchange| sent[&exchange.body[..]] == of);
        of_client.map(|exchange| exchange.answer.body().len()).collect()
    };
    assert_eq!(sizes(TALKATIVE), [512, 512, 1024].map(|bucket: usize| bucket + SEAL_BYTES));
    assert_eq!(sizes(TERSE), sizes(TALKATIVE));
    assert!(sizes(TERSE).iter().all(|size| BUCKETS.contains(&(size - SEAL_BYTES))));
    let answers = asked.iter().map(|exchange| {
        let mut headers = exchange.answer.headers().clone();
        // The second in which it was answered, and the bucket's size.
        ["date", "content-length"].iter().for_each(|name| drop(headers.remove(*name)));
        format!("{} {headers:?}", exchange.answer.status())
    });
    assert_eq!(answers.collect::<BTreeSet<_>>().len(), 1);
}

#[tokio::test]
async fn nothing_from_outside_reaches_the_target() {
    let scene = Scene::start().await;
    let front = Front::start(&scene.authority, scene.url(PATH)).await;
    for (from, http2) in [(TALKATIVE, false), (TERSE, true)] {
        let client = Querier::new(&scene.authority, from, http2);
        let (capsule, opener) = seal(&scene.plain_keys().await, &binary(&lookup(b"asked")));
        let mut request =
            Request::post(front.resource_url()).header("content-type", CAPSULE).body(whole(capsule)).unwrap();
        TELLTALE.iter().for_each(|(name, value)| drop(request.headers_mut().insert(*name, value.parse().unwrap())));
        Opened::new(&without_cache(client.send(request).await), opener);
    }
    let asked = scene.target.asked();
    assert_eq!(asked.len(), 2);
    for request in &asked {
        let expected = HeaderMap::from_iter([("content-type".parse().unwrap(), "application/cbor".parse().unwrap())]);
        assert_eq!((request.headers(), request.body()), (&expected, &Bytes::from("asked")));
        assert_eq!(request.uri(), "https://store.example/v1/lookup");
        assert!(request.extensions().is_empty(), "not even inside the process");
    }
    assert_eq!(format!("{:?}", asked[0]), format!("{:?}", asked[1]));
}

/// What the relay passes back has no `Cache-Control`; [`Opened`] expects the gateway's.
fn without_cache(mut answer: Response<Bytes>) -> Response<Bytes> {
    assert!(!answer.headers().contains_key("cache-control"));
    answer.headers_mut().insert("cache-control", "no-store".parse().unwrap());
    answer
}
