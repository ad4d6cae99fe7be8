//! What JavaScript is shown: JSON, with times in seconds since 1970 and octets in hexadecimal.

use protocol::PublicKey;
use serde::Serialize;

/// A public key, by its thumbprint.
#[derive(Debug, Serialize)]
pub struct Key {
    /// The thumbprint (RFC 9679).
    pub thumbprint: String,
    /// Its first octets, for people to compare.
    pub fingerprint: String,
}

/// The gateway's keys.
#[derive(Debug, Serialize)]
pub struct Keys<'a> {
    /// Who signed them.
    pub provider: &'a str,
    /// Under which pinned key.
    pub signed_by: Key,
    /// When.
    pub issued_at: u64,
    /// Until when they may be used.
    pub expires_at: u64,
    /// The one configuration that is used (RFC 9458 §3.1).
    pub selected: String,
}

/// What was asked.
#[derive(Debug, Serialize)]
pub struct Asked<'a> {
    /// The identifier.
    pub cpi: &'a str,
    /// The question inside the capsule: CBOR.
    pub question: String,
    /// How long the request inside was made.
    pub padded_bytes: usize,
    /// How long it is, sealed.
    pub capsule_bytes: usize,
}

/// What came back.
#[derive(Debug, Serialize)]
pub struct Answered {
    /// What follows from the verified mappings.
    pub outcome: &'static str,
    /// What the provider says.
    pub claimed: &'static str,
    /// The length of the answer without padding.
    pub answer_bytes: usize,
    /// The live mappings, each verified.
    pub mappings: Vec<Mapping>,
    /// Why other documents do not count.
    pub refused: Vec<String>,
}

/// A verified mapping.
#[derive(Debug, Serialize)]
pub struct Mapping {
    /// The provider where the holder is to be found; none if opted out.
    pub msp: Option<String>,
    /// The holder's identifier there.
    pub psi: Option<String>,
    /// The holder's preferences.
    pub tags: Vec<String>,
    /// The holder's key.
    pub holder: Key,
    /// The length of the two documents.
    pub bytes: usize,
    /// What was checked, in order.
    pub rules: Vec<Rule>,
    /// What the documents cannot tell.
    pub not_checked: Vec<String>,
}

/// One rule that held.
#[derive(Debug, Serialize)]
pub struct Rule {
    /// In words.
    pub rule: String,
    /// Who answers for it.
    pub by: String,
    /// Under which key.
    pub key: Option<Key>,
    /// Until when.
    pub until: Option<u64>,
}

/// A credential.
#[derive(Debug, Serialize)]
pub struct CredentialView<'a> {
    /// The ID Prover.
    pub prover: &'a str,
    /// How possession was proven.
    pub method: &'a str,
    /// Until when it holds.
    pub expires_at: u64,
    /// The prover's key.
    pub signed_by: Key,
}

/// A receipt.
#[derive(Debug, Serialize)]
pub struct ReceiptView<'a> {
    /// Who signed it.
    pub provider: &'a str,
    /// The shard of the log.
    pub shard: u32,
    /// The position in it.
    pub number: u64,
    /// The provider's receipt key.
    pub signed_by: Key,
}

impl Key {
    pub(crate) fn of(key: &PublicKey) -> Self {
        let thumbprint = key.thumbprint();
        Self { thumbprint: thumbprint.to_string(), fingerprint: thumbprint.fingerprint() }
    }
}

pub(crate) fn json(view: &impl Serialize) -> String {
    serde_json::to_string(view).expect("structs of strings and numbers always serialise")
}
