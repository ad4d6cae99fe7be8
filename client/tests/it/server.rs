//! Relay, gateway and store in one: a TLS server with the `ohttp` crate as gateway, which misbehaves as it is told.
//!
//! Every capsule takes one [`Manner`] from the queue of [`Server::then`]; when it is empty, the standing one of
//! [`Server::always`].

mod response;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use client::http::Bounds;
use client::lookup::{Builder, Client};
use client::relays::Relay;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use ohttp::hpke::{Aead, Kdf, Kem};
use ohttp::{KeyConfig, SymmetricSuite};
use protocol::cpi::Cpi;
use protocol::key_configuration::KeyConfiguration;
use protocol::lookup::{Answer, Entry, LookupRequest, Outcome};
use protocol::mimi_query::{DIRECTORY_PATH, PATH_PREFIX};
use protocol::problem::ProblemType;
use protocol::{Signed, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::fixtures::{NOW, key, trust};
use response::{Body, problem, unknown_key};

/// How one capsule is answered.
#[derive(Clone, Debug, Default)]
pub(crate) enum Manner {
    /// As it should be.
    #[default]
    Well,
    /// 422 with the `#ohttp-key` problem.
    UnknownKey,
    /// A status from the relay itself, with `Retry-After` if given.
    Relay(StatusCode, Option<&'static str>),
    /// A problem of the gateway's.
    Gateway(StatusCode, Option<&'static str>),
    /// A status from the store, inside the capsule, with `Retry-After` if given.
    Store(StatusCode, Option<&'static str>),
    /// A store that answers no more than this many identifiers at once.
    AtMost(usize),
    /// 200 with a media type that is no capsule.
    NoCapsule,
    /// The sealed answer without its last byte.
    CutCapsule,
    /// Half of the answer, and the end of the stream.
    CutConnection,
    /// An answer for one identifier more.
    OneTooMany,
    /// An answer that is not what an answer looks like.
    NoAnswer,
    /// 200 with this body, to the query of the MIMI protocol too.
    Body(Vec<u8>),
    /// These documents for every identifier, whatever it is.
    Documents(Outcome, Vec<Vec<u8>>),
    /// Nothing before [`Server::release`].
    Slow,
}

/// A query of the MIMI protocol.
#[derive(Clone, Debug)]
pub(crate) struct Queried {
    pub(crate) authority: String,
    pub(crate) domain: String,
    pub(crate) media_type: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) capsule_bytes: usize,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) cpis: Vec<Cpi>,
    pub(crate) capsule_bytes: usize,
}

#[derive(Default)]
struct State {
    gateways: Vec<ohttp::Server>,
    served_keys: Vec<u8>,
    mappings: HashMap<Cpi, Vec<Vec<u8>>>,
    queue: Vec<Manner>,
    standing: Manner,
    asked: Vec<Asked>,
    queried: Vec<Queried>,
    directory: String,
    capsules: usize,
    key_fetches: usize,
    under_way: usize,
    most_under_way: usize,
}

/// A server on a free port; it ends with its test.
#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    ca_pem: Vec<u8>,
    state: Arc<Mutex<State>>,
    released: Arc<Notify>,
}

/// A new key of the gateway.
pub(crate) fn new_key(id: u8, kem: Kem) -> KeyConfig {
    let suites = [Aead::Aes128Gcm, Aead::ChaCha20Poly1305].map(|aead| SymmetricSuite::new(Kdf::HkdfSha256, aead));
    KeyConfig::new(id, kem, suites.to_vec()).unwrap()
}

/// `application/ohttp-keys`.
pub(crate) fn listed(keys: &[KeyConfig]) -> Vec<u8> {
    KeyConfig::encode_list(keys).unwrap()
}

/// A signed key configuration.
pub(crate) fn signed_keys(ohttp_keys: Vec<u8>, signer: u8, issued_at: Timestamp) -> Vec<u8> {
    let configuration = KeyConfiguration {
        issuer: "provider.example".to_owned(),
        ohttp_keys,
        issued_at,
        expires_at: issued_at.plus(std::time::Duration::from_secs(24 * 3600)),
    };
    Signed::sign(configuration, &key(signer)).bytes().to_vec()
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with_key(&new_key(1, Kem::X25519Sha256)).await
    }

    pub(crate) async fn with_key(gateway_key: &KeyConfig) -> Self {
        let tls_key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&tls_key).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mut tls = rustls::ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                rustls::pki_types::PrivateKeyDer::Pkcs8(tls_key.serialize_der().into()),
            )
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            ca_pem: certificate.pem().into_bytes(),
            state: Arc::default(),
            released: Arc::default(),
        };
        server.publish_key(gateway_key, NOW);
        tokio::spawn(server.clone().serve(listener, TlsAcceptor::from(Arc::new(tls))));
        server
    }

    /// A client of this server, at the time [`NOW`].
    pub(crate) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub(crate) fn builder(&self) -> Builder {
        let Relay { capsules, keys } = self.relay();
        let lookup = "https://provider.example/v1/lookup".parse().unwrap();
        Client::builder(capsules, keys, lookup, trust(), self.ca_pem.clone()).clock(|| NOW).bounds(Bounds::default())
    }

    pub(crate) fn relay(&self) -> Relay {
        let at = |path: &str| format!("https://{}{path}", self.address).parse().unwrap();
        Relay { capsules: at("/relay"), keys: at("/keys") }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn ca_pem(&self) -> &[u8] {
        &self.ca_pem
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The gateway takes this key as well, and publishes it alone.
    pub(crate) fn publish_key(&self, gateway_key: &KeyConfig, issued_at: Timestamp) {
        self.take_key(gateway_key);
        self.serve_keys(signed_keys(listed(std::slice::from_ref(gateway_key)), 9, issued_at));
    }

    /// The gateway takes this key as well.
    pub(crate) fn take_key(&self, gateway_key: &KeyConfig) {
        self.state().gateways.push(ohttp::Server::new(gateway_key.clone()).unwrap());
    }

    /// The gateway has lost all of its keys.
    pub(crate) fn forget_keys(&self) {
        self.state().gateways.clear();
    }

    /// What the relay serves as key configuration.
    pub(crate) fn serve_keys(&self, signed: Vec<u8>) {
        self.state().served_keys = signed;
    }

    /// What stands at the well-known URI of the MIMI protocol, and where that is.
    pub(crate) fn serve_directory(&self, json: &str) -> String {
        self.state().directory = json.to_owned();
        format!("https://{}", self.address)
    }

    pub(crate) fn publish(&self, cpi: Cpi, documents: Vec<Vec<u8>>) {
        self.state().mappings.insert(cpi, documents);
    }

    /// How the next capsules are answered, one after the other.
    pub(crate) fn then(&self, manners: impl IntoIterator<Item = Manner>) {
        self.state().queue.extend(manners);
    }

    /// How all other capsules are answered.
    pub(crate) fn always(&self, manner: Manner) {
        self.state().standing = manner;
    }

    /// Answers all that is slow.
    pub(crate) fn release(&self) {
        self.released.notify_waiters();
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    pub(crate) fn queried(&self) -> Vec<Queried> {
        self.state().queried.clone()
    }

    pub(crate) fn capsules(&self) -> usize {
        self.state().capsules
    }

    pub(crate) fn key_fetches(&self) -> usize {
        self.state().key_fetches
    }

    pub(crate) fn under_way(&self) -> usize {
        self.state().under_way
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.state().most_under_way
    }

    async fn serve(self, listener: TcpListener, tls: TlsAcceptor) {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let (server, tls) = (self.clone(), tls.clone());
            tokio::spawn(async move {
                let Ok(stream) = tls.accept(stream).await else { return };
                let service = service_fn(move |request| {
                    let server = server.clone();
                    async move { Ok::<_, Infallible>(server.respond(request).await) }
                });
                // A client that goes away is none of the server's business.
                drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
            });
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        if request.uri().path() == "/keys" {
            let mut state = self.state();
            state.key_fetches += 1;
            return Response::new(Body::whole(state.served_keys.clone()));
        }
        if request.uri().path() == DIRECTORY_PATH {
            return Response::new(Body::whole(self.state().directory.clone().into_bytes()));
        }
        assert_eq!(request.headers()[header::CONTENT_TYPE], "message/ohttp-req");
        let capsule = request.into_body().collect().await.unwrap().to_bytes();
        let manner = {
            let mut state = self.state();
            state.capsules += 1;
            state.under_way += 1;
            state.most_under_way = state.most_under_way.max(state.under_way);
            if state.queue.is_empty() { state.standing.clone() } else { state.queue.remove(0) }
        };
        let response = self.answer(&capsule, manner).await;
        self.state().under_way -= 1;
        response
    }

    async fn answer(&self, capsule: &[u8], manner: Manner) -> Response<Body> {
        match manner {
            Manner::UnknownKey => return unknown_key(),
            Manner::Relay(status, retry_after) => {
                return problem(status, "urn:mimi-discovery:error:relay-told-so", retry_after);
            }
            Manner::Gateway(status, retry_after) => {
                return problem(status, "urn:mimi-discovery:error:gateway-told-so", retry_after);
            }
            Manner::NoCapsule => return Response::new(Body::whole("<html>".into())),
            _ => {}
        }
        if matches!(manner, Manner::Slow) {
            self.released.notified().await;
        }
        let opened = self.state().gateways.iter().find_map(|gateway| gateway.decapsulate(capsule).ok());
        let Some((binary, sealer)) = opened else { return unknown_key() };
        let message = bhttp::Message::read_bhttp(&mut Cursor::new(&binary)).unwrap();
        let path = String::from_utf8(message.control().path().unwrap().to_vec()).unwrap();
        let cpis = if let Some(domain) = path.strip_prefix(PATH_PREFIX) {
            self.state().queried.push(Queried {
                authority: String::from_utf8(message.control().authority().unwrap().to_vec()).unwrap(),
                domain: domain.to_owned(),
                media_type: message.header().get(b"content-type").unwrap().to_vec(),
                body: message.content().to_vec(),
                capsule_bytes: capsule.len(),
            });
            Vec::new()
        } else {
            assert_eq!(path, "/v1/lookup");
            let cpis = LookupRequest::decode(message.content()).unwrap().cpis().to_vec();
            self.state().asked.push(Asked { cpis: cpis.clone(), capsule_bytes: capsule.len() });
            cpis
        };
        let inner = self.inner(&cpis, &manner);
        let mut sealed = sealer.encapsulate(&inner).unwrap();
        if matches!(manner, Manner::CutCapsule) {
            sealed.pop();
        }
        let body = if matches!(manner, Manner::CutConnection) { Body::cut(sealed) } else { Body::whole(sealed) };
        Response::builder().header(header::CONTENT_TYPE, "message/ohttp-res").body(body).unwrap()
    }

    /// What the store answers, as binary HTTP.
    fn inner(&self, cpis: &[Cpi], manner: &Manner) -> Vec<u8> {
        let (status, retry_after, body) = match manner {
            Manner::Store(status, retry_after) => (*status, *retry_after, ProblemType::Unavailable.problem().to_json()),
            Manner::AtMost(most) if cpis.len() > *most => {
                (StatusCode::UNPROCESSABLE_ENTITY, None, ProblemType::AnswerTooLarge.problem().to_json())
            }
            Manner::NoAnswer => (StatusCode::OK, None, b"no answer".to_vec()),
            Manner::Body(body) => (StatusCode::OK, None, body.clone()),
            _ => {
                let mut entries: Vec<Entry> = cpis.iter().map(|cpi| self.entry(cpi, manner)).collect();
                if matches!(manner, Manner::OneTooMany) {
                    entries.push(entries[0].clone());
                }
                (StatusCode::OK, None, Answer { entries }.encode())
            }
        };
        let mut message = bhttp::Message::response(bhttp::StatusCode::try_from(status.as_u16()).unwrap());
        if let Some(retry_after) = retry_after {
            message.put_header("retry-after", retry_after);
        }
        message.write_content(&body);
        let mut binary = Vec::new();
        message.write_bhttp(bhttp::Mode::KnownLength, &mut binary).unwrap();
        binary
    }

    fn entry(&self, cpi: &Cpi, manner: &Manner) -> Entry {
        if let Manner::Documents(outcome, documents) = manner {
            return Entry { outcome: *outcome, mappings: documents.clone() };
        }
        let mappings = self.state().mappings.get(cpi).cloned().unwrap_or_default();
        let outcome = match mappings.len() {
            0 => Outcome::NeverMapped,
            1 => Outcome::OneMapping,
            _ => Outcome::SeveralProviders,
        };
        Entry { outcome, mappings }
    }
}
