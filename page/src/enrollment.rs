//! The user's steps of an enrollment. Each consumes the one before, in JavaScript as well: a spent step has no memory left.

use client::enrollment::{Challenged as Challenge, Enrolled as Credential, Requested as Request, Wish};
use client::publication::verify_receipt;
use protocol::credential::DEFAULT_LIFETIME;
use protocol::enrollment::Code;
use protocol::mapping::{Reachability, State, Tags};
use protocol::mimi_uri::Psi;
use protocol::trust::TrustAnchors;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::tab::Tab;
use crate::view::{self, CredentialView, Key, ReceiptView};
use crate::{refused, time};

/// A signed request, not yet answered.
#[wasm_bindgen]
pub struct Requested {
    request: Request,
    trust: TrustAnchors,
}

/// The prover really answered this request; a code is on its way.
#[wasm_bindgen]
pub struct Challenged {
    challenge: Challenge,
    trust: TrustAnchors,
}

/// Possession is proven.
#[wasm_bindgen]
pub struct Enrolled {
    credential: Credential,
}

impl Requested {
    pub(crate) fn new(request: Request, trust: TrustAnchors) -> Self {
        Self { request, trust }
    }
}

#[wasm_bindgen]
impl Requested {
    /// What the MSP carries to the prover.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.request.bytes().to_vec()
    }

    /// Takes the prover's challenge.
    ///
    /// # Errors
    ///
    /// In words, if it is not the prover's, or not for this request.
    pub fn challenged(self, challenge: &[u8], now: f64) -> Result<Challenged, JsError> {
        let challenge = self.request.challenged(challenge, &self.trust, time(now)).map_err(refused)?;
        Ok(Challenged { challenge, trust: self.trust })
    }
}

#[wasm_bindgen]
impl Challenged {
    /// The number of the enrollment, in hexadecimal.
    #[must_use]
    pub fn id(&self) -> String {
        self.challenge.id().to_string()
    }

    /// How many digits the code has.
    #[must_use]
    pub fn code_length(&self) -> u8 {
        self.challenge.code_length()
    }

    /// Seals a code for the prover. A wrong one may be followed by another.
    ///
    /// # Errors
    ///
    /// In words, if it is no code of the right length.
    pub fn prove(&self, code: &str) -> Result<Vec<u8>, JsError> {
        let code = Code::parse(code).map_err(refused)?;
        self.challenge.prove(&code, &mut rand::rng()).map_err(refused)
    }

    /// Takes the credential.
    ///
    /// # Errors
    ///
    /// In words, if it is not the prover's, or not what was asked for.
    pub fn credential(self, credential: &[u8]) -> Result<Enrolled, JsError> {
        Ok(Enrolled { credential: self.challenge.credential(credential, &self.trust).map_err(refused)? })
    }
}

#[wasm_bindgen]
impl Enrolled {
    /// What the prover signed ([`CredentialView`]).
    #[must_use]
    pub fn describe(&self) -> String {
        let signed = self.credential.credential();
        let credential = signed.document();
        view::json(&CredentialView {
            prover: &credential.prover,
            method: credential.method.as_str(),
            expires_at: credential.expires_at.seconds(),
            signed_by: Key::of(signed.signer()),
        })
    }

    /// Signs where to be found, or that nobody is to find it any more: octets to publish. `tags` has one on each line.
    ///
    /// # Errors
    ///
    /// In words, if a tag or the name at the provider is not allowed, or the credential has expired.
    #[allow(clippy::too_many_arguments, reason = "JavaScript has no other way to say it")]
    pub fn map(
        &self,
        tab: &Tab,
        name: Option<String>,
        tags: &str,
        seq: u32,
        fresh: bool,
        withdrawn: bool,
        now: f64,
    ) -> Result<Vec<u8>, JsError> {
        let psi = name.map(|name| Psi::parse(&format!("{}/u/{name}", tab.msp))).transpose().map_err(refused)?;
        let wish = Wish {
            reachability: Reachability::At { msp: tab.msp.clone(), psi },
            tags: Tags::new(tags.lines()).map_err(refused)?,
            seq: seq.into(),
            fresh,
            state: if withdrawn { State::Withdrawn } else { State::Live },
            lifetime: DEFAULT_LIFETIME,
        };
        self.credential.map(wish, &tab.key, time(now)).map_err(refused)
    }
}

#[wasm_bindgen]
impl Tab {
    /// Verifies a receipt for what was published ([`ReceiptView`]).
    ///
    /// # Errors
    ///
    /// In words, if it is not the provider's, or for another document.
    pub fn receipt(&self, receipt: &[u8], published: &[u8]) -> Result<String, JsError> {
        let signed = verify_receipt(published, receipt, &self.trust.provider.receipt_key).map_err(refused)?;
        let receipt = signed.document();
        Ok(view::json(&ReceiptView {
            provider: &receipt.provider,
            shard: receipt.position.shard,
            number: receipt.position.number,
            signed_by: Key::of(signed.signer()),
        }))
    }
}
