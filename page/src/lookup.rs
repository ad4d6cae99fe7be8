//! The gateway's keys, one question, and its answer, verified.

use bytes::Bytes;
use client::Found;
use client::lookup::answer;
use client::oblivious::Opener;
use client::verify::Report;
use http::{Request, StatusCode};
use protocol::authenticated::VerifiedMapping;
use protocol::cpi::Cpi;
use protocol::key_configuration::KeyConfiguration;
use protocol::problem::Problem;
use protocol::trust::TrustAnchors;
use protocol::{PublicKey, Signed};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::view::{self, Answered, Asked, Key, Keys, Mapping, Rule};
use crate::{refused, time};

/// The gateway's keys, signed by the provider; one of them chosen.
#[wasm_bindgen]
pub struct GatewayKeys {
    signed: Signed<KeyConfiguration>,
    /// One configuration with one suite.
    selected: Vec<u8>,
}

impl GatewayKeys {
    pub(crate) fn new(signed: Signed<KeyConfiguration>, selected: Vec<u8>) -> Self {
        Self { signed, selected }
    }

    pub(crate) fn selected(&self) -> &[u8] {
        &self.selected
    }
}

#[wasm_bindgen]
impl GatewayKeys {
    /// What is known of them ([`Keys`]).
    #[must_use]
    pub fn describe(&self) -> String {
        let configuration = self.signed.document();
        view::json(&Keys {
            provider: &configuration.issuer,
            signed_by: Key::of(self.signed.signer()),
            issued_at: configuration.issued_at.seconds(),
            expires_at: configuration.expires_at.seconds(),
            selected: hex::encode(&self.selected),
        })
    }
}

/// A sealed question. It is consumed by its answer: an opener opens one.
#[wasm_bindgen]
pub struct Question {
    cpis: [Cpi; 1],
    request: Request<Bytes>,
    padded: usize,
    capsule: Vec<u8>,
    opener: Opener,
    trust: TrustAnchors,
}

impl Question {
    pub(crate) fn new(
        cpis: [Cpi; 1],
        request: Request<Bytes>,
        padded: usize,
        capsule: Vec<u8>,
        opener: Opener,
        trust: TrustAnchors,
    ) -> Self {
        Self { cpis, request, padded, capsule, opener, trust }
    }
}

#[wasm_bindgen]
impl Question {
    /// What goes to the relay.
    #[must_use]
    pub fn capsule(&self) -> Vec<u8> {
        self.capsule.clone()
    }

    /// What is inside ([`Asked`]); nobody but this tab and the gateway knows.
    #[must_use]
    pub fn describe(&self) -> String {
        view::json(&Asked {
            cpi: self.cpis[0].as_str(),
            question: hex::encode(self.request.body()),
            padded_bytes: self.padded,
            capsule_bytes: self.capsule.len(),
        })
    }

    /// Opens the answer and verifies every document in it ([`Answered`]).
    ///
    /// # Errors
    ///
    /// In words, if it does not open, is a problem, or is no answer to this question.
    pub fn open(self, sealed: &[u8], now: f64) -> Result<String, JsError> {
        let response = self.opener.open(sealed).map_err(refused)?;
        if response.status() != StatusCode::OK {
            return Err(match Problem::from_json(response.body()) {
                Ok(problem) => refused(problem),
                Err(_) => refused(format_args!("the store answered {}", response.status())),
            });
        }
        let mut found = answer(&self.cpis, response.body(), &self.trust, time(now)).map_err(refused)?;
        let found = found.pop().ok_or_else(|| JsError::new("the answer is empty"))?;
        Ok(view::json(&answered(&found, response.body().len(), &self.trust)))
    }
}

fn answered(found: &Found, answer_bytes: usize, trust: &TrustAnchors) -> Answered {
    Answered {
        outcome: found.outcome.name(),
        claimed: found.claimed.name(),
        answer_bytes,
        mappings: found.mappings.iter().map(|mapping| shown(mapping, trust)).collect(),
        refused: found.refused.iter().map(ToString::to_string).collect(),
    }
}

fn shown(verified: &VerifiedMapping, trust: &TrustAnchors) -> Mapping {
    let (report, mapping) = (Report(verified), verified.mapping());
    Mapping {
        msp: mapping.reachability.msp().map(ToString::to_string),
        psi: mapping.reachability.psi().map(ToString::to_string),
        tags: mapping.tags.iter().map(ToOwned::to_owned).collect(),
        holder: Key::of(report.holder()),
        bytes: verified.bytes().len(),
        rules: rules(verified, trust),
        not_checked: report.not_checked().iter().map(ToString::to_string).collect(),
    }
}

/// What [`client::verify::verify`] has checked, in its order (`docs/protocol.md` §3.2 and §6), with who answers for it.
fn rules(verified: &VerifiedMapping, trust: &TrustAnchors) -> Vec<Rule> {
    let (credential, mapping) = (verified.credential(), verified.mapping());
    let rule = |text: &str, by: &str, key: Option<&PublicKey>, until: Option<u64>| Rule {
        rule: text.to_owned(),
        by: by.to_owned(),
        key: key.map(Key::of),
        until,
    };
    let longest = trust
        .find(&credential.prover, &verified.prover_key().thumbprint())
        .map_or(0, |(anchor, _)| anchor.max_credential_lifetime.as_secs() / (24 * 3600));
    let (prover, method) = (credential.prover.as_str(), credential.method.as_str());
    let credential_until = Some(credential.expires_at.seconds());
    vec![
        rule("Two signed documents, each in the one encoding that is allowed, with no claim too many.", "", None, None),
        rule(
            &format!("{prover} is an ID Prover that you trust, with this key, for {method}."),
            "your trust file",
            Some(verified.prover_key()),
            None,
        ),
        rule(
            "It signed that the holder of this number has this key, at this provider.",
            prover,
            Some(verified.prover_key()),
            credential_until,
        ),
        rule(
            "The holder signed where to be found.",
            "the holder",
            Some(verified.holder()),
            Some(mapping.expires_at.seconds()),
        ),
        rule("Both are about one number and one provider, and the one cites the other by its hash.", "", None, None),
        rule(
            &format!(
                "Neither is from the future or past its time; the holder's ends no later than the prover's, which \
                 lives {longest} days at most."
            ),
            "your clock",
            None,
            None,
        ),
        rule("It is about the number that you asked for, and has not been withdrawn.", "", None, None),
    ]
}
