//! The MSP's side: it carries the handshake between its users and the ID Prover over mutual TLS, and publishes what its
//! users signed. It can read none of the codes and sign none of the mappings.
//!
//! ```no_run
//! # async fn run(request: Vec<u8>, mapping: Vec<u8>, proof: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
//! use client::http::{Bounds, HttpClient, TlsIdentity};
//! use client::msp::{ProverConnection, StoreConnection};
//! use client::trust::Trust;
//! use protocol::Unverified;
//! use protocol::enrollment::Challenge;
//!
//! let trust = Trust::from_toml(&std::fs::read_to_string("trust.toml")?)?;
//! let own = (std::fs::read("msp.pem")?, std::fs::read("msp.key")?);
//! let http = HttpClient::new(&TlsIdentity { ca_pem: std::fs::read("ca.pem")?, client: Some(own) }, Bounds::default())?;
//!
//! // What a user signed goes to the prover; the challenge goes back to the user, who answers with a proof.
//! let prover = ProverConnection::new(http.clone(), "https://prover.example");
//! let challenge = prover.request(&request).await?;
//! let id = Unverified::<Challenge>::parse(&challenge)?.unverified_document().id;
//! let credential = prover.proof(&id, &proof).await?;
//! # drop(credential);
//!
//! // With the credential the user signs a mapping; the store's receipt is verified here, and again by the user.
//! let store = StoreConnection::new(http, "https://store.provider.example", trust.provider.receipt_key);
//! let receipt = store.publish(&mapping).await?;
//! println!("in the log at {:?}", receipt.document().position);
//! # Ok(())
//! # }
//! ```

use bytes::Bytes;
use http::{StatusCode, Uri};
use protocol::conflict::ConflictNotice;
use protocol::enrollment::EnrollmentId;
use protocol::mimi_query::{DIRECTORY_PATH, Directory};
use protocol::problem::ProblemType;
use protocol::receipt::Receipt;
use protocol::{PublicKey, Signed, media};

use crate::conflict::Asked;
use crate::error::{Error, Fault};
use crate::http::{HttpClient, expect};
use crate::publication::verify_receipt;

/// A connection to an ID Prover; its [`HttpClient`] holds the MSP's client certificate.
#[derive(Clone, Debug)]
pub struct ProverConnection {
    http: HttpClient,
    base: String,
}

/// A connection to a mapping store.
#[derive(Clone, Debug)]
pub struct StoreConnection {
    http: HttpClient,
    base: String,
    receipt_key: PublicKey,
}

impl ProverConnection {
    /// The prover at `base`, a URL without path.
    #[must_use]
    pub fn new(http: HttpClient, base: &str) -> Self {
        Self { http, base: base.trim_end_matches('/').to_owned() }
    }

    /// Hands a user's signed request in; the prover sends the code, and the challenge comes back.
    ///
    /// # Errors
    ///
    /// [`Fault::Prover`] with its problem document, or [`Fault::Network`].
    pub async fn request(&self, request: &[u8]) -> Result<Bytes, Error> {
        let uri = uri(&self.base, "/v1/enrollments")?;
        let response = self.http.post(&uri, media::ENROLLMENT_REQUEST, Bytes::copy_from_slice(request)).await?;
        expect(response, &[StatusCode::CREATED, StatusCode::OK], Fault::Prover).map(|(_, body)| body)
    }

    /// Hands a user's proof in; the credential comes back.
    ///
    /// # Errors
    ///
    /// As [`Self::request`]; a wrong code says how many tries are left.
    pub async fn proof(&self, id: &EnrollmentId, proof: &[u8]) -> Result<Bytes, Error> {
        let uri = uri(&self.base, &format!("/v1/enrollments/{id}/proof"))?;
        let response = self.http.post(&uri, media::CBOR, Bytes::copy_from_slice(proof)).await?;
        expect(response, &[StatusCode::OK], Fault::Prover).map(|(_, body)| body)
    }
}

impl StoreConnection {
    /// The store at `base`, a URL without path, whose receipts are signed by `receipt_key`.
    #[must_use]
    pub fn new(http: HttpClient, base: &str, receipt_key: PublicKey) -> Self {
        Self { http, base: base.trim_end_matches('/').to_owned(), receipt_key }
    }

    /// Publishes an authenticated mapping (a withdrawal is one, too); the receipt is verified.
    ///
    /// # Errors
    ///
    /// [`Fault::Store`] with its problem document, or if the receipt does not hold; [`Fault::Network`].
    pub async fn publish(&self, mapping: &[u8]) -> Result<Signed<Receipt>, Error> {
        self.submit("/v1/mappings", media::AUTHENTICATED_MAPPING, mapping).await
    }

    /// Publishes a removal by the CPI's issuer.
    ///
    /// # Errors
    ///
    /// As [`Self::publish`].
    pub async fn remove(&self, removal: &[u8]) -> Result<Signed<Receipt>, Error> {
        self.submit("/v1/removals", media::REMOVAL, removal).await
    }

    /// Asks whether a mapping was displaced; the notice is verified. None if nothing was, as far as the store remembers.
    ///
    /// # Errors
    ///
    /// As [`Self::publish`].
    pub async fn conflict(&self, asked: &Asked) -> Result<Option<Signed<ConflictNotice>>, Error> {
        let (uri, query) = (uri(&self.base, "/v1/conflicts")?, Bytes::copy_from_slice(asked.bytes()));
        let response = self.http.post(&uri, media::CONFLICT_QUERY, query).await?;
        let nothing =
            |error: &Error| error.problem.as_ref().is_some_and(|problem| problem.problem_type == ProblemType::NotFound);
        match expect(response, &[StatusCode::OK], Fault::Store) {
            Ok((_, body)) => asked.answered(&body, &self.receipt_key).map(Some),
            Err(error) if nothing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn submit(&self, path: &str, media_type: &str, document: &[u8]) -> Result<Signed<Receipt>, Error> {
        let response = self.http.post(&uri(&self.base, path)?, media_type, Bytes::copy_from_slice(document)).await?;
        let (_, body) = expect(response, &[StatusCode::CREATED, StatusCode::OK], Fault::Store)?;
        verify_receipt(document, &body, &self.receipt_key)
    }
}

/// The directory of the discovery provider at `base`, a URL without path (draft-ietf-mimi-protocol-06 §5.1): where to ask
/// the MIMI protocol's query. It is read over plain HTTPS; the query itself goes into a capsule.
///
/// # Errors
///
/// [`Fault::Store`] if there is none, or none of use; [`Fault::Network`].
pub async fn directory(http: &HttpClient, base: &str) -> Result<Directory, Error> {
    let response = http.get(&uri(base.trim_end_matches('/'), DIRECTORY_PATH)?, "application/json").await?;
    let (_, body) = expect(response, &[StatusCode::OK], Fault::Store)?;
    Directory::from_json(&body).map_err(|error| Error::lasting(Fault::Store, error))
}

fn uri(base: &str, path: &str) -> Result<Uri, Error> {
    format!("{base}{path}").parse().map_err(|error| Error::lasting(Fault::Caller, error))
}
