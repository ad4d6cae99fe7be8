//! Lookups and publications as a store gets them: [`Requests`]; whoever makes them: [`Asker`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use load::capsules::Questions;
use load::closed::Caller;
use load::connection::{Connection, Speak};
use load::open::Latencies;
use load::{Result, ensure};
use protocol::lookup::LookupRequest;
use protocol::media;

/// Lookups repeat after so many.
const DISTINCT: usize = 20_000;

/// What is posted.
#[derive(Clone)]
pub(crate) struct Requests {
    path: &'static str,
    media_type: &'static str,
    good: StatusCode,
    bodies: Arc<[Bytes]>,
    count: usize,
}

impl Requests {
    /// `count` lookups of `each` numbers of those that are held, in no order.
    pub(crate) fn lookups(records: u64, each: usize, count: usize) -> Self {
        let questions = Questions { records, each };
        let body = |n| LookupRequest::new(questions.nth(n), None).expect("a few numbers that differ").encode().into();
        let bodies = (0..count.min(DISTINCT)).map(body).collect();
        Self { path: protocol::lookup::PATH, media_type: media::CBOR, good: StatusCode::OK, bodies, count }
    }

    /// Each once.
    pub(crate) fn publications(mappings: &[Bytes]) -> Self {
        Self {
            path: "/v1/mappings",
            media_type: media::AUTHENTICATED_MAPPING,
            good: StatusCode::CREATED,
            bodies: mappings.into(),
            count: mappings.len(),
        }
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn are_lookups(&self) -> bool {
        self.good == StatusCode::OK
    }
}

/// Makes one request after the other, on a share in a connection.
pub(crate) struct Asker {
    connection: Connection,
    uri: Uri,
    requests: Requests,
    latencies: Latencies,
}

impl Asker {
    /// So many on one connection.
    pub(crate) async fn open(
        address: SocketAddr,
        tls: &rustls::ClientConfig,
        requests: &Requests,
        count: usize,
    ) -> Result<Vec<Self>> {
        let first = Connection::open(address, &Speak::Http2Tls(tls.clone())).await?;
        let uri: Uri = format!("https://{address}{}", requests.path).parse()?;
        let asker = |connection| Self {
            connection,
            uri: uri.clone(),
            requests: requests.clone(),
            latencies: Latencies::default(),
        };
        Ok((0..count).filter_map(|_| first.share()).map(asker).collect())
    }

    pub(crate) fn forget(&mut self) {
        self.latencies = Latencies::default();
    }

    pub(crate) const fn latencies(&self) -> &Latencies {
        &self.latencies
    }
}

impl Caller for Asker {
    async fn call(&mut self, n: usize) -> Result<()> {
        let bodies = &self.requests.bodies;
        let mut request = Request::new(Full::new(bodies[n % bodies.len()].clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(self.requests.media_type));
        let begun = Instant::now();
        let response = self.connection.exchange(request).await?;
        self.latencies.record(begun.elapsed());
        ensure(response.status() == self.requests.good, format_args!("answered with {}", response.status()))
    }
}
