//! The user's side of enrollment and publication, in steps that consume each other.
//!
//! ```text
//! Requested::begin → Requested → challenged → Challenged ⇄ prove → credential → Enrolled → map → bytes to publish
//! ```
//!
//! The steps exchange bytes with the ID Prover by way of the MSP ([`crate::msp`]); the user's key never leaves this side,
//! and the code is seen by nobody but the user and the prover. Here the prover's part is played by three lines each:
//!
//! ```
//! # mod fixtures { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures.rs")); }
//! use client::enrollment::{Requested, Wish};
//! use client::verify::verify;
//! use protocol::enrollment::{Challenge, Code, EnrollmentId, EnrollmentRequest, HpkeSecretKey};
//! use protocol::mapping::{Reachability, State, Tags};
//! use protocol::mimi_uri::Msp;
//! use protocol::{Signed, Unverified};
//! # use fixtures::NOW as now;
//! # use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (trust, rng) = (fixtures::trust().provers, &mut rand::rng());
//! let (user, prover) = (fixtures::key(2), fixtures::key(1));
//! let msp = Msp::parse("mimi://a.example")?;
//!
//! // The user signs a request; the MSP carries it to the prover, who sends a code to the user and a challenge back.
//! let requested = Requested::begin(fixtures::cpi(), msp.clone(), "prover.example", &user, now, rng);
//! let hpke = HpkeSecretKey::derive(&[4; 32]);
//! let challenge = Challenge {
//!     prover: "prover.example".to_owned(),
//!     id: EnrollmentId::from_bytes([3; 16]),
//!     request_hash: Unverified::<EnrollmentRequest>::parse(requested.bytes())?.verify(&user.public())?.hash(),
//!     hpke_key: hpke.public(),
//!     code_length: 8,
//!     issued_at: now,
//!     expires_at: now.plus(Duration::from_secs(600)),
//! };
//! let challenge = Signed::sign(challenge, &prover);
//!
//! // The user checks the challenge and seals the code, for the prover alone; the credential comes back.
//! let challenged = requested.challenged(challenge.bytes(), &trust, now)?;
//! let proof = challenged.prove(&Code::parse("12345678")?, rng)?;
//! # assert!(!proof.is_empty());
//! let credential = fixtures::credential(&fixtures::cpi(), 2, "mimi://a.example");
//! let enrolled = challenged.credential(credential.bytes(), &trust)?;
//!
//! // The user signs where to be found: bytes to publish, which anybody can verify.
//! let wish = Wish {
//!     reachability: Reachability::At { msp, psi: None },
//!     tags: Tags::new(["Default"])?,
//!     seq: 1,
//!     fresh: false,
//!     state: State::Live,
//!     lifetime: Duration::from_secs(30 * 24 * 3600),
//! };
//! let document = enrolled.map(wish, &user, now)?;
//! assert!(verify(&document, &trust, now).is_ok());
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use protocol::authenticated::VerifiedMapping;
use protocol::cpi::Cpi;
use protocol::credential::CpiCredential;
use protocol::enrollment::{Challenge, Code, EnrollmentId, EnrollmentRequest, Proof};
use protocol::mapping::{Mapping, Reachability, State, Tags};
use protocol::mimi_uri::Msp;
use protocol::trust::TrustAnchors;
use protocol::{CLOCK_SKEW, PublicKey, Signed, SigningKey, Timestamp, Unverified};
use rand::CryptoRng;

use crate::error::{Error, Fault};

/// A signed request, not yet answered.
#[derive(Debug)]
pub struct Requested {
    request: Signed<EnrollmentRequest>,
}

/// A challenge that the prover really made for this request; the code is awaited.
#[derive(Debug)]
pub struct Challenged {
    request: Signed<EnrollmentRequest>,
    challenge: Challenge,
}

/// Possession is proven: the credential is at hand.
#[derive(Clone, Debug)]
pub struct Enrolled {
    credential: Signed<CpiCredential>,
}

/// What a holder wishes to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Where to be found, or nowhere.
    pub reachability: Reachability,
    /// Preferences.
    pub tags: Tags,
    /// Higher than that of any earlier mapping of this CPI, key and MSP.
    pub seq: u64,
    /// "This CPI is newly mine."
    pub fresh: bool,
    /// Live, or taken back.
    pub state: State,
    /// How long it is to hold, cut to the credential's end.
    pub lifetime: Duration,
}

impl Requested {
    /// Signs a request to prove possession of `cpi`, for use at `msp`, addressed to `prover`.
    pub fn begin(cpi: Cpi, msp: Msp, prover: &str, key: &SigningKey, now: Timestamp, rng: &mut impl CryptoRng) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        let request =
            EnrollmentRequest { cpi, msp, user_key: key.public(), prover: prover.to_owned(), issued_at: now, id };
        Self { request: Signed::sign(request, key) }
    }

    /// What goes to the prover.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.request.bytes()
    }

    /// Takes the prover's challenge: signed by a trusted key of this prover, for this very request, not expired.
    ///
    /// # Errors
    ///
    /// [`Fault::Prover`] if any of it does not hold: the MSP may have changed the request, or put a key of its own in.
    pub fn challenged(self, challenge: &[u8], trust: &TrustAnchors, now: Timestamp) -> Result<Challenged, Error> {
        let wrong = |rule: &str| Error::lasting(Fault::Prover, format!("challenge: {rule}"));
        let unverified = Unverified::<Challenge>::parse(challenge).map_err(|error| wrong(&error.to_string()))?;
        let prover = &unverified.unverified_document().prover;
        if *prover != self.request.document().prover {
            return Err(wrong("it is by another prover"));
        }
        let (_, key) = trust.find(prover, unverified.kid()).ok_or_else(|| wrong("its prover or key is not trusted"))?;
        let challenge = unverified.verify(key).map_err(|error| wrong(&error.to_string()))?.document().clone();
        if challenge.request_hash != self.request.hash() {
            return Err(wrong("it answers another request"));
        }
        if challenge.expires_at.plus(CLOCK_SKEW) < now {
            return Err(wrong("it has expired"));
        }
        Ok(Challenged { request: self.request, challenge })
    }
}

impl Challenged {
    /// The number of the enrollment.
    #[must_use]
    pub fn id(&self) -> &EnrollmentId {
        &self.challenge.id
    }

    /// How many digits the code has.
    #[must_use]
    pub fn code_length(&self) -> u8 {
        self.challenge.code_length
    }

    /// Until when the code is taken.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.challenge.expires_at
    }

    /// Seals the code for the prover. A wrong code may be followed by another.
    ///
    /// # Errors
    ///
    /// [`Fault::Caller`] for a code of the wrong length, [`Fault::Prover`] if its key is not usable.
    pub fn prove(&self, code: &Code, rng: &mut impl CryptoRng) -> Result<Vec<u8>, Error> {
        let length = usize::from(self.challenge.code_length);
        if code.digits().len() != length {
            return Err(Error::lasting(Fault::Caller, format!("the code has {length} digits")));
        }
        let user_key = self.request.signer().thumbprint();
        Proof::seal(code, &self.challenge.id, &user_key, &self.challenge.hpke_key, rng)
            .map(|proof| proof.encode())
            .map_err(|_| Error::lasting(Fault::Prover, "its HPKE key is not usable"))
    }

    /// Takes the credential: by the same prover, for what was asked.
    ///
    /// # Errors
    ///
    /// [`Fault::Prover`] if it is not what was asked for or does not verify.
    pub fn credential(self, credential: &[u8], trust: &TrustAnchors) -> Result<Enrolled, Error> {
        let enrolled = Enrolled::from_credential(credential, trust)?;
        let (asked, got) = (self.request.document(), enrolled.credential.document());
        let same = asked.cpi == got.cpi
            && asked.msp == got.msp
            && asked.user_key == got.user_key
            && asked.prover == got.prover;
        if same { Ok(enrolled) } else { Err(Error::lasting(Fault::Prover, "credential: it is not what was asked for")) }
    }
}

impl Enrolled {
    /// Takes up a credential that was kept.
    ///
    /// # Errors
    ///
    /// [`Fault::Prover`] if it is not signed by a trusted prover.
    pub fn from_credential(credential: &[u8], trust: &TrustAnchors) -> Result<Self, Error> {
        let wrong = |rule: String| Error::lasting(Fault::Prover, format!("credential: {rule}"));
        let unverified = Unverified::<CpiCredential>::parse(credential).map_err(|error| wrong(error.to_string()))?;
        let prover = &unverified.unverified_document().prover;
        let (_, key) =
            trust.find(prover, unverified.kid()).ok_or_else(|| wrong("its prover or key is not trusted".to_owned()))?;
        let credential = unverified.verify(key).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { credential })
    }

    /// The credential.
    #[must_use]
    pub fn credential(&self) -> &Signed<CpiCredential> {
        &self.credential
    }

    /// The key that may sign mappings under this credential.
    #[must_use]
    pub fn user_key(&self) -> &PublicKey {
        &self.credential.document().user_key
    }

    /// Signs a mapping: the bytes of an authenticated mapping, ready to publish.
    ///
    /// # Errors
    ///
    /// [`Fault::Caller`] if `key` is not the credential's, the MSP is another, or the credential has expired.
    pub fn map(&self, wish: Wish, key: &SigningKey, now: Timestamp) -> Result<Vec<u8>, Error> {
        let refuse = |rule: &str| Error::lasting(Fault::Caller, rule);
        let credential = self.credential.document();
        if key.public() != credential.user_key {
            return Err(refuse("the credential was issued to another key"));
        }
        if wish.reachability.msp().is_some_and(|msp| *msp != credential.msp) {
            return Err(refuse("the credential was issued for another provider"));
        }
        if wish.reachability.psi().is_some_and(|psi| !psi.belongs_to(&credential.msp)) {
            return Err(refuse("the identifier does not belong to the provider"));
        }
        if credential.expires_at <= now {
            return Err(refuse("the credential has expired; enroll anew"));
        }
        let mapping = Mapping {
            cpi: credential.cpi.clone(),
            reachability: wish.reachability,
            tags: wish.tags,
            seq: wish.seq,
            credential_hash: self.credential.hash(),
            fresh: wish.fresh,
            state: wish.state,
            issued_at: now,
            expires_at: now.plus(wish.lifetime).min(credential.expires_at),
        };
        Ok(VerifiedMapping::encode(&self.credential, &Signed::sign(mapping, key)))
    }
}

#[cfg(test)]
mod tests;
