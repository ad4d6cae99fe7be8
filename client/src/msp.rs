//! The MSP's side: it carries the handshake between its users and the ID Prover over mutual TLS, and publishes what its
//! users signed. It can read none of the codes and sign none of the mappings.

use bytes::Bytes;
use http::{StatusCode, Uri};
use protocol::enrollment::EnrollmentId;
use protocol::receipt::Receipt;
use protocol::{PublicKey, Signed, Unverified, media};

use crate::error::{Error, Fault};
use crate::http::{HttpClient, expect};

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

    async fn submit(&self, path: &str, media_type: &str, document: &[u8]) -> Result<Signed<Receipt>, Error> {
        let response = self.http.post(&uri(&self.base, path)?, media_type, Bytes::copy_from_slice(document)).await?;
        let (_, body) = expect(response, &[StatusCode::CREATED, StatusCode::OK], Fault::Store)?;
        let wrong = |rule: String| Error::lasting(Fault::Store, format!("receipt: {rule}"));
        let receipt = Unverified::<Receipt>::parse(&body).map_err(|error| wrong(error.to_string()))?;
        let receipt = receipt.verify(&self.receipt_key).map_err(|error| wrong(error.to_string()))?;
        if receipt.document().published_hash != hash(document) {
            return Err(wrong("it is for another document".to_owned()));
        }
        Ok(receipt)
    }
}

fn hash(document: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(document).into()
}

fn uri(base: &str, path: &str) -> Result<Uri, Error> {
    format!("{base}{path}").parse().map_err(|error| Error::lasting(Fault::Caller, error))
}
