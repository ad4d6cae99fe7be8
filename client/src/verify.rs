//! Verification of one authenticated mapping, offline: bytes, trust and the time in, a verified mapping out.
//!
//! ```
//! # mod fixtures { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures.rs")); }
//! use client::verify::{Report, verify};
//!
//! let document = fixtures::document("mimi://a.example", &["Business"]);
//! let verified = verify(&document, &fixtures::trust().provers, fixtures::NOW)?;
//!
//! let report = Report(&verified);
//! assert_eq!(report.prover(), "prover.example");
//! assert!(report.to_string().contains("provider     mimi://a.example"));
//! for open_question in report.not_checked() {
//!     println!("{open_question}");
//! }
//!
//! let late = fixtures::NOW.plus(std::time::Duration::from_secs(400 * 24 * 3600));
//! assert!(verify(&document, &fixtures::trust().provers, late).is_err());
//! # Ok::<(), protocol::authenticated::MappingError>(())
//! ```

use std::fmt;

use protocol::authenticated::{MappingError, UnverifiedMapping, VerifiedMapping};
use protocol::credential::Method;
use protocol::mapping::State;
use protocol::trust::TrustAnchors;
use protocol::{PublicKey, Timestamp};

/// Verifies `document`, an encoded authenticated mapping, at the time `now`.
///
/// # Errors
///
/// The rule of [`MappingError`] that it broke.
pub fn verify(document: &[u8], trust: &TrustAnchors, now: Timestamp) -> Result<VerifiedMapping, MappingError> {
    UnverifiedMapping::parse(document)?.verify(trust, now)
}

/// Says what a verified mapping proves, by whom, and until when, and what it does not. `Display` prints it for people.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a>(pub &'a VerifiedMapping);

/// What verification of a document alone cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotChecked {
    /// Whether a later mapping or a withdrawal exists.
    Later,
    /// Whether the identifier has changed hands since it was proven.
    SinceProven,
    /// Whether the prover did what it signed.
    Prover,
    /// Whether the identifier at the provider is the holder's.
    Account,
    /// Whether the clock that gave the time is right.
    Clock,
}

impl Report<'_> {
    /// The ID Prover that vouches for possession.
    #[must_use]
    pub fn prover(&self) -> &str {
        &self.0.credential().prover
    }

    /// How possession was proven.
    #[must_use]
    pub fn method(&self) -> Method {
        self.0.credential().method
    }

    /// When possession was proven.
    #[must_use]
    pub fn proven_at(&self) -> Timestamp {
        self.0.credential().issued_at
    }

    /// When the holder signed.
    #[must_use]
    pub fn signed_at(&self) -> Timestamp {
        self.0.mapping().issued_at
    }

    /// Until when it holds.
    #[must_use]
    pub fn holds_until(&self) -> Timestamp {
        self.0.mapping().expires_at
    }

    /// The holder's key, which signed the mapping.
    #[must_use]
    pub fn holder(&self) -> &PublicKey {
        self.0.holder()
    }

    /// The prover's key, which signed the credential.
    #[must_use]
    pub fn prover_key(&self) -> &PublicKey {
        self.0.prover_key()
    }

    /// What was not checked, because the document alone cannot tell.
    #[must_use]
    pub fn not_checked(&self) -> Vec<NotChecked> {
        let mut open = vec![NotChecked::Later, NotChecked::SinceProven, NotChecked::Prover];
        if self.0.mapping().reachability.psi().is_some() {
            open.push(NotChecked::Account);
        }
        open.push(NotChecked::Clock);
        open
    }
}

impl fmt::Display for NotChecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Later => "whether a later mapping or a withdrawal exists: ask a provider for that",
            Self::SinceProven => "whether the identifier has changed hands since it was proven",
            Self::Prover => "whether the prover did what it signed: its log and the provider's would show",
            Self::Account => "whether the identifier there is the holder's: its provider can tell",
            Self::Clock => "whether this device's clock is right",
        })
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mapping = self.0.mapping();
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
        writeln!(f, "holder's key {}", self.holder().thumbprint())?;
        writeln!(f, "proven       to {} by {} on {}", self.prover(), self.method().as_str(), self.proven_at())?;
        writeln!(f, "prover's key {}", self.prover_key().thumbprint())?;
        writeln!(f, "signed       {}", self.signed_at())?;
        write!(f, "holds until  {}", self.holds_until())?;
        for open in self.not_checked() {
            write!(f, "\nnot checked  {open}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sample::mapping;

    #[test]
    fn a_report_says_what_was_proven_and_what_was_not_checked() {
        let mapping = mapping("mimi://a.example", &["Default", "Business"], Duration::from_secs(3600));
        let report = Report(&mapping);
        let text = report.to_string();
        for line in [
            "provider     mimi://a.example",
            "tags         Default, Business",
            "state        live, seq 1",
            "proven       to prover.example by sms-otp on 2027-01-15T08:00:00Z",
            "holds until  2027-01-15T09:00:00Z",
            "not checked  whether a later mapping or a withdrawal exists: ask a provider for that",
        ] {
            assert!(text.lines().any(|printed| printed == line), "{line}\n{text}");
        }
        assert_eq!(text.matches("not checked").count(), report.not_checked().len());
        assert!(!report.not_checked().contains(&NotChecked::Account), "no identifier there is named");
        assert_ne!(report.holder(), report.prover_key());
    }
}
