//! The second step: a sealed code in, a signed credential out.

use std::sync::Arc;

use cluster::pause;
use protocol::Timestamp;
use protocol::enrollment::{EnrollmentId, Proof, ProofError};
use service::RetryAfter;
use sha2::{Digest as _, Sha256};

use super::{Prover, RACES, Shared, Trouble};
use crate::enrollment::{Challenged, Closed, CodeHash, Proven, Spent, Stored, Terms, Verdict};
use crate::limits::Taken;
use crate::storage::audit::Event;
use crate::storage::change::Change;
use crate::storage::{Storage as _, WriteError};

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
        for race in 0..RACES {
            let stored = self.storage.enrollment(id).await.map_err(Trouble::from)?.ok_or(ProveError::Unknown)?;
            if !names.iter().any(|name| name == stored.facts().msp.domain()) {
                return Err(ProveError::Unknown);
            }
            match stored {
                // The challenge has not been given out.
                Stored::Requested(_) => return Err(ProveError::Unknown),
                Stored::Locked(_) => return Err(ProveError::Locked),
                Stored::Challenged(challenged) => {
                    if let Some(credential) = self.judge(challenged, offer).await? {
                        return Ok(credential);
                    }
                }
                Stored::Proven(proven) => {
                    self.same_code(&proven.facts.id, &proven.facts.user_key, proven.code, offer)?;
                    return self.issue(proven).await;
                }
                Stored::Issued(issued) => {
                    self.same_code(&issued.facts.id, &issued.facts.user_key, issued.code, offer)?;
                    return Ok(issued.credential);
                }
            }
            // Another prover was first: what is there by now is judged.
            pause(race).await;
        }
        Err(Trouble::Busy.into())
    }

    /// Spends a try, durably; compares; records the verdict, durably; and only then signs. Nothing if another prover has changed
    /// the enrollment such that it is to be looked at anew; no try of ours is left without a verdict then.
    async fn judge(&self, challenged: Challenged, offer: &Offer) -> Result<Option<Vec<u8>>, ProveError> {
        let now = self.now();
        let (cpi, msp) = (challenged.facts.cpi.clone(), challenged.facts.msp.clone());
        let (first, undecided) =
            (challenged.tries_left >= self.config.codes.tries, challenged.is_undecided(&offer.hash));
        let before = Stored::Challenged(challenged.clone());
        let spent = challenged.spend(offer.hash, now)?;
        let taken = match undecided {
            true => Taken::default(),
            false => {
                let taken = self.limits.take_try(&cpi, &msp, first).await;
                taken.map_err(|refused| refused.or_trouble(ProveError::Limited))?
            }
        };
        let tried = Event::Tried { tries_left: spent.tries_left() };
        let change = Change::next(before, &spent.stored(), tried, now);
        match self.storage.write(self.counted(change, &taken)).await {
            Ok(()) => self.decide(spent, offer, taken, now).await,
            Err(WriteError::Overtaken) => {
                self.limits.give_back(taken).await;
                Ok(None)
            }
            Err(error) => Err(Trouble::from(error).into()),
        }
    }

    /// Compares, and records the verdict on what the enrollment is by then.
    async fn decide(
        &self,
        mut spent: Spent,
        offer: &Offer,
        mut taken: Taken,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, ProveError> {
        let keys = self.keys();
        let Stored::Challenged(Challenged { facts, .. }) = spent.stored() else { return Ok(None) };
        let offered = keys.open_proof(&offer.proof, &facts.id, &facts.user_key.thumbprint(), now);
        for race in 0..RACES {
            let before = spent.stored();
            let written = match spent.clone().compare(offered) {
                Verdict::Right(matched) => {
                    let terms = Terms {
                        credential_id: rand::random(),
                        issued_at: now,
                        expires_at: now.plus(self.config.credentials.lifetime()),
                        signer: keys.signing().public().thumbprint(),
                    };
                    let proven = matched.prove(terms);
                    let counters = taken.counters();
                    self.limits.give_back(std::mem::take(&mut taken)).await;
                    let mut change = Change::next(before, &Stored::Proven(proven.clone()), Event::Proven(terms), now);
                    if self.limits.is_own() {
                        change = change.counting(self.limits.limits(), counters);
                    }
                    let written = self.storage.write(change).await;
                    if written.is_ok() {
                        return self.issue(proven).await.map(Some);
                    }
                    written
                }
                Verdict::Wrong(challenged) => {
                    let tries_left = challenged.tries_left;
                    let next = Stored::Challenged(challenged);
                    self.record_wrong(before, &next, Event::WrongCode { tries_left }, tries_left, now).await?
                }
                Verdict::WrongAndLocked(locked) => {
                    self.record_wrong(before, &Stored::Locked(locked), Event::Locked, 0, now).await?
                }
            };
            match written {
                Err(WriteError::Overtaken) => {}
                Err(error) => return Err(Trouble::from(error).into()),
                Ok(()) => return Ok(None),
            }
            match self.storage.enrollment(facts.id).await.map_err(Trouble::from)? {
                Some(Stored::Challenged(challenged)) => {
                    let tries_left = challenged.tries_left;
                    // The same proof at another prover has had its verdict: it is this one's as well.
                    spent = spent.carried_over(challenged).ok_or(ProveError::WrongCode { tries_left })?;
                }
                // Proven meanwhile by another code that was right; or gone.
                _ => return Ok(None),
            }
            pause(race).await;
        }
        Err(Trouble::Busy.into())
    }

    /// Records that a code was wrong; an error says so once it is recorded.
    async fn record_wrong(
        &self,
        before: Stored,
        next: &Stored,
        event: Event,
        tries_left: u8,
        now: Timestamp,
    ) -> Result<Result<(), WriteError>, ProveError> {
        match self.storage.write(Change::next(before, next, event, now)).await {
            Ok(()) => Err(ProveError::WrongCode { tries_left }),
            Err(error) => Ok(Err(error)),
        }
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
        let issued = proven.clone().issued(credential.clone());
        match self.storage.write(Change::issue(proven, &issued, self.now())).await {
            // Overtaken by another prover, whose signature has the same bytes.
            Ok(()) | Err(WriteError::Overtaken) => {}
            Err(error) => tracing::warn!(%error, "a credential was signed, but its copy is not kept"),
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
