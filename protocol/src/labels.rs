//! Claim labels of all signed documents, in one place so that none is used twice.
//!
//! Registered claims keep their numbers (RFC 8392 §3.1, RFC 8747 §3.1); ours are from the private-use range
//! below -65536. -65537 belongs to the key configuration.

use documents::cbor::{Label, Value};
use documents::key::CNF;

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
pub(crate) const HOLDER: Label = Label::new(-65553, "holder");
pub(crate) const DISPLACED_AT: Label = Label::new(-65554, "displaced-at");

/// The key configuration's own, in `documents`.
const OHTTP_KEYS: Label = Label::new(-65537, "ohttp-keys");

/// All labels of claims.
const CLAIMS: [Label; 25] = [
    ISS,
    SUB,
    AUD,
    EXP,
    IAT,
    CTI,
    CNF,
    OHTTP_KEYS,
    MSP,
    PSI,
    TAGS,
    SEQ,
    CREDENTIAL_HASH,
    FRESH,
    STATE,
    METHOD,
    ISSUED_BEFORE,
    PUBLISHED_HASH,
    SHARD,
    POSITION,
    REQUEST_HASH,
    CODE_LENGTH,
    HPKE_KEY,
    HOLDER,
    DISPLACED_AT,
];

/// The name of a label in one of our maps, told from what else is in its map: a protected header has `typ`, a claims set `iat`.
#[must_use]
pub fn name_in(pairs: &[(Value, Value)], key: &Value) -> Option<&'static str> {
    let has = |label: i64| pairs.iter().any(|(key, _)| *key == Value::from(label));
    let claims = CLAIMS.map(|label| (label.key, label.name));
    let names: &[(i64, &str)] = if has(16) {
        &[(1, "alg"), (4, "kid"), (16, "typ")]
    } else if has(6) {
        &claims
    } else if has(-1) {
        &[(1, "kty"), (-1, "crv"), (-2, "x")]
    } else if matches!(pairs, [(_, Value::Map(_))]) {
        &[(1, "COSE_Key")]
    } else if matches!(pairs.first(), Some((_, Value::Array(_)))) {
        &[(1, "cpis"), (2, "msp"), (3, "form")]
    } else {
        &[(1, "enc"), (2, "ciphertext")]
    };
    names.iter().find(|(label, _)| *key == Value::from(*label)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_label_and_no_name_is_used_twice() {
        assert_eq!(CLAIMS.iter().map(|label| label.key).collect::<BTreeSet<_>>().len(), CLAIMS.len());
        assert_eq!(CLAIMS.iter().map(|label| label.name).collect::<BTreeSet<_>>().len(), CLAIMS.len());
    }
}
