//! Verification of one authenticated mapping, offline: bytes, trust and the time in, a verified mapping out.

use std::fmt;

use protocol::Timestamp;
use protocol::authenticated::{MappingError, UnverifiedMapping, VerifiedMapping};
use protocol::mapping::State;
use protocol::trust::TrustAnchors;

/// Verifies `document`, an encoded authenticated mapping, at the time `now`.
///
/// # Errors
///
/// The rule of [`MappingError`] that it broke.
pub fn verify(document: &[u8], trust: &TrustAnchors, now: Timestamp) -> Result<VerifiedMapping, MappingError> {
    UnverifiedMapping::parse(document)?.verify(trust, now)
}

/// Says what a verified mapping proves, by whom, and until when. `Display` prints it for people.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a>(pub &'a VerifiedMapping);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (credential, mapping) = (self.0.credential(), self.0.mapping());
        let tags: Vec<_> = mapping.tags.iter().collect();
        let provider = mapping.reachability.msp().map_or_else(|| "none (opted out)".to_owned(), ToString::to_string);
        let state = match mapping.state {
            State::Live => "live",
            State::Withdrawn => "withdrawn",
        };
        writeln!(f, "identifier   {}", mapping.cpi)?;
        writeln!(f, "provider     {provider}")?;
        if let Some(psi) = mapping.reachability.psi() {
            writeln!(f, "known there  {psi}")?;
        }
        writeln!(f, "tags         {}", if tags.is_empty() { "none".to_owned() } else { tags.join(", ") })?;
        writeln!(f, "state        {state}, seq {}{}", mapping.seq, if mapping.fresh { ", fresh" } else { "" })?;
        writeln!(f, "holder's key {}", self.0.holder().thumbprint())?;
        writeln!(
            f,
            "proven       to {} by {} on {}",
            credential.prover,
            credential.method.as_str(),
            credential.issued_at
        )?;
        writeln!(f, "signed       {}", mapping.issued_at)?;
        writeln!(f, "holds until  {}", mapping.expires_at)?;
        write!(f, "not checked  whether a later mapping or a withdrawal exists: ask a provider for that")
    }
}
