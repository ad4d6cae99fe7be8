//! The life of an enrollment as types, without I/O, clock or randomness.
//!
//! ```text
//! Requested ──delivered──▶ Challenged ──spend──▶ Spent ──compare──▶ Matched ──prove──▶ Proven ──issued──▶ Issued
//!                              ▲                   └─wrong──▶ Challenged, or Locked after the last try
//!                              └──────────────────────────────┘
//! ```
//!
//! What a transition returns is stored, and synced, before the next step is taken: [`Requested`] before a message leaves,
//! [`Spent`] before the code is compared, [`Proven`] before the credential is signed. Expiry is no state: every transition
//! that could follow a code is given the present time. [`Stored`] is the one enum, for the database.

mod record;

use protocol::cpi::Cpi;
use protocol::credential::{CpiCredential, Method};
use protocol::enrollment::{Challenge, EnrollmentId, EnrollmentRequest, HpkePublicKey};
use protocol::mimi_uri::Msp;
use protocol::{CLOCK_SKEW, PublicKey, Signed, Thumbprint, Timestamp};

pub(crate) use record::Damaged;

/// The keyed hash of a code, bound to its enrollment: HMAC-SHA-256, 32 bytes. Compared in constant time.
#[derive(Clone, Copy)]
pub(crate) struct CodeHash(pub(crate) [u8; 32]);

impl PartialEq for CodeHash {
    fn eq(&self, other: &Self) -> bool {
        bool::from(subtle::ConstantTimeEq::ct_eq(&self.0[..], &other.0[..]))
    }
}

impl Eq for CodeHash {}

impl std::fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeHash(redacted)")
    }
}

/// What stays the same from the request to the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) id: EnrollmentId,
    pub(crate) cpi: Cpi,
    pub(crate) msp: Msp,
    pub(crate) user_key: PublicKey,
    pub(crate) method: Method,
    /// The random number of the request, taken once for each user key.
    pub(crate) request_id: [u8; 16],
    /// SHA-256 of the signed request.
    pub(crate) request_hash: [u8; 32],
    /// When the request says it was signed.
    pub(crate) signed_at: Timestamp,
    /// When it came in.
    pub(crate) requested_at: Timestamp,
    /// Until when the code is taken: not at this second any more.
    pub(crate) expires_at: Timestamp,
}

/// The name under which a request is remembered: its user key's thumbprint and its random number.
pub(crate) type RequestKey = [u8; 48];

impl Facts {
    /// Whether its code is no longer taken. A clock that shows a time well before the request was set back; nobody knows
    /// then how long the code has been about.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now || now.plus(CLOCK_SKEW) < self.requested_at
    }

    pub(crate) fn request_key(&self) -> RequestKey {
        request_key(&self.user_key.thumbprint(), &self.request_id)
    }

    /// From when on nothing is lost by forgetting the enrollment: its code has expired, and a replay of its request would
    /// be refused by its date alone.
    pub(crate) fn is_over_at(&self) -> Timestamp {
        self.expires_at.max(self.signed_at.plus(CLOCK_SKEW).plus(std::time::Duration::from_secs(1)))
    }
}

/// The [`RequestKey`] of a request.
pub(crate) fn request_key(user_key: &Thumbprint, request_id: &[u8; 16]) -> RequestKey {
    let mut key = [0; 48];
    key[..32].copy_from_slice(user_key.as_bytes());
    key[32..].copy_from_slice(request_id);
    key
}

/// A message with a code is about to be sent; whether it was is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requested {
    pub(crate) facts: Facts,
    pub(crate) code: CodeHash,
    /// Which of several provers is sending it. Without it, whoever finds this state knows that nobody is.
    pub(crate) sending: Option<Sending>,
}

/// Several provers share their state, and one of them sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sending {
    /// That prover's number of its own, another one after each start.
    pub(crate) by: [u8; 16],
    /// From then on it sends nothing any more.
    pub(crate) until: Timestamp,
}

/// The code is on its way to the CPI, and the challenge to the MSP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenged {
    pub(crate) facts: Facts,
    pub(crate) code: CodeHash,
    /// The signed challenge.
    pub(crate) challenge: Vec<u8>,
    pub(crate) tries_left: u8,
    /// SHA-256 of each proof on which a try was spent without a verdict yet: a crash lies between, or another prover is at it.
    /// The same proof is then compared without a further try, since it can only have the same verdict.
    pub(crate) undecided: Vec<[u8; 32]>,
}

/// A try is spent on a proof. Once this is stored, the code may be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    challenged: Challenged,
    proof_hash: [u8; 32],
}

/// The code was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matched(Challenged);

/// Possession is proven, and recorded with all that the credential will say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proven {
    pub(crate) facts: Facts,
    pub(crate) code: CodeHash,
    pub(crate) challenge: Vec<u8>,
    pub(crate) terms: Terms,
}

/// The credential is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issued {
    pub(crate) facts: Facts,
    pub(crate) code: CodeHash,
    pub(crate) challenge: Vec<u8>,
    /// The signed credential.
    pub(crate) credential: Vec<u8>,
}

/// All tries are spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Locked {
    pub(crate) facts: Facts,
}

/// What a credential will say beyond the facts, and under which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) credential_id: [u8; 16],
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) signer: Thumbprint,
}

/// An enrollment as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Requested(Requested),
    Challenged(Challenged),
    Proven(Proven),
    Issued(Issued),
    Locked(Locked),
}

/// Why no try may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    Expired,
    Locked,
}

/// What comparing showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right(Matched),
    Wrong(Challenged),
    WrongAndLocked(Locked),
}

impl Requested {
    /// Opens an enrollment for a request whose signature holds and that was admitted.
    pub(crate) fn open(
        request: &Signed<EnrollmentRequest>,
        method: Method,
        id: EnrollmentId,
        code: CodeHash,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        let document = request.document().clone();
        let facts = Facts {
            id,
            cpi: document.cpi,
            msp: document.msp,
            user_key: document.user_key,
            method,
            request_id: document.id,
            request_hash: request.hash(),
            signed_at: document.issued_at,
            requested_at: now,
            expires_at,
        };
        Self { facts, code, sending: None }
    }

    /// Takes a new code, since nobody knows whether the message with the last one was sent.
    pub(crate) fn with_code(self, code: CodeHash) -> Self {
        Self { code, ..self }
    }

    /// Says who sends it.
    pub(crate) fn sent_by(self, sending: Option<Sending>) -> Self {
        Self { sending, ..self }
    }

    /// Whether another prover than the one of this number may be sending it.
    pub(crate) fn is_sent_by_another(&self, than: &[u8; 16], now: Timestamp) -> bool {
        self.sending.is_some_and(|sending| sending.by != *than && now < sending.until)
    }

    /// The claims of its challenge.
    pub(crate) fn challenge(&self, prover: &str, hpke_key: HpkePublicKey, code_length: u8) -> Challenge {
        Challenge {
            prover: prover.to_owned(),
            id: self.facts.id,
            request_hash: self.facts.request_hash,
            hpke_key,
            code_length,
            issued_at: self.facts.requested_at,
            expires_at: self.facts.expires_at,
        }
    }

    /// The message is delivered, and the challenge signed.
    pub(crate) fn delivered(self, challenge: Vec<u8>, tries: u8) -> Challenged {
        Challenged { facts: self.facts, code: self.code, challenge, tries_left: tries, undecided: Vec::new() }
    }
}

impl Challenged {
    /// Whether the try that was spent on the proof with this hash has had no verdict yet.
    pub(crate) fn is_undecided(&self, proof_hash: &[u8; 32]) -> bool {
        self.undecided.contains(proof_hash)
    }

    /// Spends a try on the proof with this hash.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the enrollment has expired or no try is left.
    pub(crate) fn spend(mut self, proof_hash: [u8; 32], now: Timestamp) -> Result<Spent, Closed> {
        if self.facts.is_expired(now) {
            return Err(Closed::Expired);
        }
        if self.is_undecided(&proof_hash) {
            return Ok(Spent { challenged: self, proof_hash });
        }
        self.tries_left = self.tries_left.checked_sub(1).ok_or(Closed::Locked)?;
        self.undecided.push(proof_hash);
        Ok(Spent { challenged: self, proof_hash })
    }
}

impl Spent {
    /// What is to be stored before the code is compared.
    pub(crate) fn stored(&self) -> Stored {
        Stored::Challenged(self.challenged.clone())
    }

    pub(crate) fn tries_left(&self) -> u8 {
        self.challenged.tries_left
    }

    /// The same try, of an enrollment that another prover has changed meanwhile; `None` if the proof has had its verdict.
    pub(crate) fn carried_over(self, challenged: Challenged) -> Option<Self> {
        challenged.is_undecided(&self.proof_hash).then_some(Self { challenged, ..self })
    }

    /// Compares the hash of the code that was offered; `None` if the proof did not open.
    pub(crate) fn compare(self, offered: Option<CodeHash>) -> Verdict {
        let Self { mut challenged, proof_hash } = self;
        if offered.is_some_and(|offered| offered == challenged.code) {
            return Verdict::Right(Matched(challenged));
        }
        challenged.undecided.retain(|undecided| *undecided != proof_hash);
        // Another proof may be the right one: who has spent the try on it is owed the verdict.
        if challenged.tries_left == 0 && challenged.undecided.is_empty() {
            return Verdict::WrongAndLocked(Locked { facts: challenged.facts });
        }
        Verdict::Wrong(challenged)
    }
}

impl Matched {
    /// Fixes what the credential will say.
    pub(crate) fn prove(self, terms: Terms) -> Proven {
        Proven { facts: self.0.facts, code: self.0.code, challenge: self.0.challenge, terms }
    }
}

impl Proven {
    /// The claims of the credential. Signing is deterministic: signed again, they give the same bytes.
    pub(crate) fn credential(&self, prover: &str) -> CpiCredential {
        CpiCredential {
            prover: prover.to_owned(),
            cpi: self.facts.cpi.clone(),
            msp: self.facts.msp.clone(),
            user_key: self.facts.user_key,
            method: self.facts.method,
            issued_at: self.terms.issued_at,
            expires_at: self.terms.expires_at,
            id: self.terms.credential_id,
        }
    }

    /// The credential is signed.
    pub(crate) fn issued(self, credential: Vec<u8>) -> Issued {
        Issued { facts: self.facts, code: self.code, challenge: self.challenge, credential }
    }
}

impl Stored {
    pub(crate) fn facts(&self) -> &Facts {
        match self {
            Self::Requested(Requested { facts, .. })
            | Self::Challenged(Challenged { facts, .. })
            | Self::Proven(Proven { facts, .. })
            | Self::Issued(Issued { facts, .. })
            | Self::Locked(Locked { facts }) => facts,
        }
    }
}

#[cfg(test)]
mod tests;
