//! The second step: a sealed code in, a signed credential out.

use std::sync::Arc;

use protocol::enrollment::{EnrollmentId, Proof, ProofError};
use service::RetryAfter;
use sha2::{Digest as _, Sha256};

use super::{Prover, Shared, Trouble};
use crate::enrollment::{Challenged, Closed, CodeHash, Proven, Stored, Terms, Verdict};
use crate::limits::Taken;
use crate::storage::audit::Event;
use crate::storage::change::Change;

/// Why a proof yields no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// Not a proof.
    #[error(transparent)]
    Malformed(#[from] ProofError),
    /// There is no such enrollment, or it is another MSP's.
    #[error("no such enrollment is open at this MSP")]
    Unknown,
    /// The code is wrong, or the proof was sealed for another enrollment or key.
    #[error("the code is wrong")]
    WrongCode {
        /// Tries that are left.
        tries_left: u8,
    },
    /// The enrollment has expired.
    #[error("the enrollment has expired")]
    Expired,
    /// All tries are spent.
    #[error("all tries are spent")]
    Locked,
    /// There have been too many wrong codes, and this is not the first try; none is spent.
    #[error("too many wrong codes")]
    Limited(RetryAfter),
    /// The database.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<Closed> for ProveError {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Expired => Self::Expired,
            Closed::Locked => Self::Locked,
        }
    }
}

/// A proof, and the hash by which it is known again.
struct Offer {
    proof: Proof,
    hash: [u8; 32],
}

impl Prover {
    /// Judges a proof that came by way of the MSP whose certificate has `names`. Once begun, it goes on even if whoever asked
    /// is gone.
    ///
    /// # Errors
    ///
    /// [`ProveError`]; a try is spent on whatever is not a right code.
    pub async fn prove(&self, id: EnrollmentId, proof: &[u8], names: &[String]) -> Result<Vec<u8>, ProveError> {
        let offer = Offer { proof: Proof::decode(proof)?, hash: Sha256::digest(proof).into() };
        let (shared, names) = (Arc::clone(&self.shared), names.to_vec());
        let work = tokio::spawn(async move { shared.prove(id, &offer, &names).await });
        work.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Trouble::Busy.into()),
        })
    }
}

impl Shared {
    async fn prove(&self, id: EnrollmentId, offer: &Offer, names: &[String]) -> Result<Vec<u8>, ProveError> {
        let _held = self.enrollments.hold(id).await;
        let stored = self.read(move |storage| storage.enrollment(&id)).await?.ok_or(ProveError::Unknown)?;
        if !names.iter().any(|name| name == stored.facts().msp.domain()) {
            return Err(ProveError::Unknown);
        }
        match stored {
            // The challenge has not been given out.
            Stored::Requested(_) => Err(ProveError::Unknown),
            Stored::Locked(_) => Err(ProveError::Locked),
            Stored::Challenged(challenged) => self.judge(challenged, offer).await,
            Stored::Proven(proven) => {
                self.same_code(&proven.facts.id, &proven.facts.user_key, proven.code, offer)?;
                self.issue(proven).await
            }
            Stored::Issued(issued) => {
                self.same_code(&issued.facts.id, &issued.facts.user_key, issued.code, offer)?;
                Ok(issued.credential)
            }
        }
    }

    /// Spends a try, durably; compares; records the verdict, durably; and only then signs.
    async fn judge(&self, challenged: Challenged, offer: &Offer) -> Result<Vec<u8>, ProveError> {
        let now = self.now();
        let (id, user_key) = (challenged.facts.id, challenged.facts.user_key.thumbprint());
        let (cpi, msp) = (challenged.facts.cpi.clone(), challenged.facts.msp.clone());
        let (first, undecided) =
            (challenged.tries_left >= self.config.codes.tries, challenged.is_undecided(&offer.hash));
        let spent = challenged.spend(offer.hash, now)?;
        let taken = match undecided {
            true => Taken::default(),
            false => self.limits.take_try(&cpi, &msp, first).map_err(ProveError::Limited)?,
        };
        let counters = taken.counters();
        let tried = Event::Tried { tries_left: spent.tries_left() };
        let change = Change::next(&spent.stored(), tried, now).counting(&self.limits, counters.clone());
        self.writer.write(change).await.map_err(Trouble::from)?;
        let keys = self.keys();
        let (next, event, tries_left) = match spent.compare(keys.open_proof(&offer.proof, &id, &user_key, now)) {
            Verdict::Right(matched) => {
                let terms = Terms {
                    credential_id: rand::random(),
                    issued_at: now,
                    expires_at: now.plus(self.config.credentials.lifetime()),
                    signer: keys.signing().public().thumbprint(),
                };
                let proven = matched.prove(terms);
                self.limits.give_back(taken);
                let change = Change::next(&Stored::Proven(proven.clone()), Event::Proven(terms), now)
                    .counting(&self.limits, counters);
                self.writer.write(change).await.map_err(Trouble::from)?;
                return self.issue(proven).await;
            }
            Verdict::Wrong(challenged) => {
                let tries_left = challenged.tries_left;
                (Stored::Challenged(challenged), Event::WrongCode { tries_left }, tries_left)
            }
            Verdict::WrongAndLocked(locked) => (Stored::Locked(locked), Event::Locked, 0),
        };
        self.writer.write(Change::next(&next, event, now)).await.map_err(Trouble::from)?;
        Err(ProveError::WrongCode { tries_left })
    }

    /// Signs what is recorded. Signed again after a crash, it gives the same bytes.
    async fn issue(&self, proven: Proven) -> Result<Vec<u8>, ProveError> {
        let terms = proven.terms;
        let keys = self.keys();
        let Some(key) = keys.signing_key(&terms.signer) else {
            tracing::error!("the key under which a credential was to be signed is gone");
            return Err(Trouble::Failed.into());
        };
        let credential = self.sign(proven.credential(&self.config.name), key).await?;
        let issued = proven.issued(credential.clone());
        if let Err(error) = self.writer.write(Change::issue(&issued, &terms)).await {
            tracing::warn!(%error, "a credential was signed, but its copy is not kept");
        }
        Ok(credential)
    }

    /// After the verdict, the right code yields the credential again; no try is left to be spent.
    fn same_code(
        &self,
        id: &EnrollmentId,
        user_key: &protocol::PublicKey,
        code: CodeHash,
        offer: &Offer,
    ) -> Result<(), ProveError> {
        let offered = self.keys().open_proof(&offer.proof, id, &user_key.thumbprint(), self.now());
        if offered == Some(code) { Ok(()) } else { Err(ProveError::WrongCode { tries_left: 0 }) }
    }
}
