//! Claim labels of all signed documents, in one place so that none is used twice.
//!
//! Registered claims keep their numbers (RFC 8392 §3.1, RFC 8747 §3.1); ours are from the private-use range
//! below -65536. -65537 belongs to the key configuration.

use documents::cbor::Label;

pub(crate) const ISS: Label = Label::new(1, "iss");
pub(crate) const SUB: Label = Label::new(2, "sub");
pub(crate) const AUD: Label = Label::new(3, "aud");
pub(crate) const EXP: Label = Label::new(4, "exp");
pub(crate) const IAT: Label = Label::new(6, "iat");
pub(crate) const CTI: Label = Label::new(7, "cti");

pub(crate) const MSP: Label = Label::new(-65538, "msp");
pub(crate) const PSI: Label = Label::new(-65539, "psi");
pub(crate) const TAGS: Label = Label::new(-65540, "tags");
pub(crate) const SEQ: Label = Label::new(-65541, "seq");
pub(crate) const CREDENTIAL_HASH: Label = Label::new(-65542, "credential-hash");
pub(crate) const FRESH: Label = Label::new(-65543, "fresh");
pub(crate) const STATE: Label = Label::new(-65544, "state");
pub(crate) const METHOD: Label = Label::new(-65545, "method");
pub(crate) const ISSUED_BEFORE: Label = Label::new(-65546, "issued-before");
pub(crate) const PUBLISHED_HASH: Label = Label::new(-65547, "published-hash");
pub(crate) const SHARD: Label = Label::new(-65548, "shard");
pub(crate) const POSITION: Label = Label::new(-65549, "position");
pub(crate) const REQUEST_HASH: Label = Label::new(-65550, "request-hash");
pub(crate) const CODE_LENGTH: Label = Label::new(-65551, "code-length");
pub(crate) const HPKE_KEY: Label = Label::new(-65552, "hpke-key");
