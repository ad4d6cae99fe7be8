//! The first step: a signed request in, a message to the CPI, a signed challenge out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cluster::pause;
use protocol::cpi::Cpi;
use protocol::credential::Method;
use protocol::enrollment::{Code, EnrollmentRequest};
use protocol::{CLOCK_SKEW, DocumentError, SignatureError, Signed, Timestamp, Unverified};
use service::RetryAfter;

use super::{Prover, Shared, Trouble};
use crate::courier::{CourierError, Language, Message};
use crate::enrollment::{Facts, RequestKey, Requested, Sending, Stored, request_key};
use crate::storage::audit::Event;
use crate::storage::change::Change;
use crate::storage::{Storage as _, WriteError};

/// How long a message that another prover sends is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the clocks of provers that share their state may differ by, twice in the life of a message.
const CLOCKS: Duration = Duration::from_secs(2);

/// The signed challenge for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// A message was sent.
    New(Vec<u8>),
    /// The request is known; no message was sent again.
    Known(Vec<u8>),
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrollError {
    /// Not a signed enrollment request.
    #[error(transparent)]
    Malformed(#[from] DocumentError),
    /// It is not signed by the key that it names.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The client certificate does not name its MSP, or the MSP is not admitted here.
    #[error("the client certificate must name the MSP of the request, and the MSP be admitted here")]
    NotThisMsp,
    /// It is meant for another prover.
    #[error("the request is meant for another ID Prover")]
    OtherProver,
    /// It is dated in the future.
    #[error("the request is dated in the future")]
    FromTheFuture,
    /// It is too old.
    #[error("the request is older than five minutes")]
    TooOld,
    /// There is no method for this kind of CPI.
    #[error("no method for this kind of CPI")]
    NoMethod,
    /// No numbering plan has this number.
    #[error("the numbering plan of its country has no such number")]
    NotReachable,
    /// The same key has signed another request with the same number.
    #[error("cti: another request of this key had the same")]
    NumberTaken,
    /// The enrollment that it opened has expired.
    #[error("the enrollment has expired")]
    Expired,
    /// The enrollment that it opened is locked.
    #[error("all tries are spent")]
    Locked,
    /// A limit on messages.
    #[error("too many messages")]
    Limited(RetryAfter),
    /// The message could not be delivered; the enrollment is gone, and the same request may be sent again.
    #[error(transparent)]
    NotDelivered(#[from] CourierError),
    /// The database.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl EnrollError {
    /// Whether a message may have been sent all the same.
    fn may_have_been_sent(&self) -> bool {
        matches!(self, Self::NotDelivered(error) if error.may_have_been_sent())
    }
}

/// A request whose signature and rules hold.
struct Admitted {
    request: Signed<EnrollmentRequest>,
    method: Method,
    language: Language,
}

/// What is to be sent.
struct Letter {
    code: Code,
    language: Language,
}

impl Prover {
    /// Answers a signed request of a user of the MSP whose certificate has `names`; the message is in `language`. Once begun, it goes on even if whoever
    /// asked is gone.
    ///
    /// # Errors
    ///
    /// [`EnrollError`] names the broken rule.
    pub async fn enroll(&self, request: &[u8], names: &[String], language: Language) -> Result<Enrolled, EnrollError> {
        let admitted = self.shared.admit(request, names, language)?;
        let shared = Arc::clone(&self.shared);
        let work = tokio::spawn(async move { shared.enroll(admitted).await });
        work.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Trouble::Busy.into()),
        })
    }
}

impl Shared {
    /// Holds a request to the rules. The cheap ones come first.
    fn admit(&self, request: &[u8], names: &[String], language: Language) -> Result<Admitted, EnrollError> {
        let unverified = Unverified::<EnrollmentRequest>::parse(request)?;
        let claimed = unverified.unverified_document();
        if !names.iter().any(|name| name == claimed.msp.domain()) || !self.policy().msps.admit(&claimed.msp) {
            return Err(EnrollError::NotThisMsp);
        }
        if claimed.prover != self.config.name {
            return Err(EnrollError::OtherProver);
        }
        let now = self.now();
        if claimed.issued_at > now.plus(CLOCK_SKEW) {
            return Err(EnrollError::FromTheFuture);
        }
        if claimed.issued_at.plus(CLOCK_SKEW) < now {
            return Err(EnrollError::TooOld);
        }
        let key = claimed.user_key;
        let request = unverified.verify(&key)?;
        let cpi = &request.document().cpi;
        let method = self.method(cpi.kind()).ok_or(EnrollError::NoMethod)?;
        match cpi {
            Cpi::Phone(number) if !number.is_assigned() => Err(EnrollError::NotReachable),
            Cpi::Phone(_) | Cpi::Email(_) => Ok(Admitted { request, method, language }),
        }
    }

    async fn enroll(&self, admitted: Admitted) -> Result<Enrolled, EnrollError> {
        let document = admitted.request.document();
        let key = request_key(&document.user_key.thumbprint(), &document.id);
        let _held = self.requests.hold(key).await;
        let begun = Instant::now();
        for race in 0.. {
            let known = self.storage.enrollment_of(key).await.map_err(Trouble::from)?;
            let now = self.now();
            let opened = match known {
                None => match self.open(&admitted, now).await {
                    // The budget that is used up may have gone to this very request, at another prover.
                    Err(EnrollError::Limited(wait)) => match self.is_opened_elsewhere(key).await? {
                        true => None,
                        false => return Err(EnrollError::Limited(wait)),
                    },
                    opened => opened?,
                },
                Some(stored) if stored.facts().request_hash != admitted.request.hash() => {
                    return Err(EnrollError::NumberTaken);
                }
                Some(Stored::Locked(_)) => return Err(EnrollError::Locked),
                Some(stored) if stored.facts().is_expired(now) => return Err(EnrollError::Expired),
                Some(Stored::Requested(requested)) if requested.is_sent_by_another(&self.replica, now) => None,
                Some(Stored::Requested(requested)) => self.open_again(requested, admitted.language, now).await?,
                Some(Stored::Challenged(state)) => return Ok(Enrolled::Known(state.challenge)),
                Some(Stored::Proven(state)) => return Ok(Enrolled::Known(state.challenge)),
                Some(Stored::Issued(state)) => return Ok(Enrolled::Known(state.challenge)),
            };
            if let Some(challenge) = opened {
                return Ok(Enrolled::New(challenge));
            }
            // Another prover is at it, or was first: its message counts.
            if begun.elapsed() > PATIENCE {
                break;
            }
            pause(race).await;
        }
        Err(Trouble::Busy.into())
    }

    async fn open(&self, admitted: &Admitted, now: Timestamp) -> Result<Option<Vec<u8>>, EnrollError> {
        let document = admitted.request.document();
        let key = request_key(&document.user_key.thumbprint(), &document.id);
        let (id, code) = (self.storage.new_id(&key), self.new_code());
        let expires_at = now.plus(self.config.codes.lifetime());
        let code_hash = self.keys().hash_code(&id, &code);
        let requested = Requested::open(&admitted.request, admitted.method, id, code_hash, now, expires_at);
        self.send(requested, Letter { code, language: admitted.language }, Change::open, now).await
    }

    async fn is_opened_elsewhere(&self, key: RequestKey) -> Result<bool, Trouble> {
        Ok(self.storage.is_shared() && self.storage.enrollment_of(key).await?.is_some())
    }

    /// The prover went down while a message was on its way: nobody knows the code, so another one is sent.
    async fn open_again(
        &self,
        before: Requested,
        language: Language,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, EnrollError> {
        let code = self.new_code();
        let code_hash = self.keys().hash_code(&before.facts.id, &code);
        let requested = before.clone().with_code(code_hash);
        let reopen = |requested: &Requested, now| Change::reopen(before, requested, now);
        self.send(requested, Letter { code, language }, reopen, now).await
    }

    /// Records, signs, sends, records, and returns the signed challenge; nothing if another prover was first.
    async fn send(
        &self,
        requested: Requested,
        letter: Letter,
        change: impl FnOnce(&Requested, Timestamp) -> Change,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, EnrollError> {
        let taken = self.limits.take(&requested.facts.cpi, &requested.facts.msp).await;
        let taken = taken.map_err(|refused| refused.or_trouble(EnrollError::Limited))?;
        let begun = Instant::now();
        let requested = requested.sent_by(self.sending());
        if let Err(error) = self.storage.write(self.counted(change(&requested, now), &taken)).await {
            self.limits.give_back(taken).await;
            return if error == WriteError::Overtaken { Ok(None) } else { Err(Trouble::from(error).into()) };
        }
        let challenge = match self.sign_and_deliver(&requested, letter, begun, now).await {
            Ok(challenge) => challenge,
            Err(error) => {
                let counters = taken.counters();
                if !error.may_have_been_sent() {
                    self.limits.give_back(taken).await;
                }
                let change = Change::drop(requested, self.now());
                let change =
                    if self.limits.is_own() { change.counting(self.limits.limits(), counters) } else { change };
                self.storage.write(change).await.map_err(Trouble::from)?;
                return Err(error);
            }
        };
        let before = Stored::Requested(requested.clone());
        let challenged = Stored::Challenged(requested.delivered(challenge.clone(), self.config.codes.tries));
        let change = Change::next(before, &challenged, Event::Delivered, self.now());
        self.storage.write(change).await.map_err(Trouble::from)?;
        Ok(Some(challenge))
    }

    /// Signed before it is sent: without a signature, nobody would be given the challenge that the code is for.
    async fn sign_and_deliver(
        &self,
        requested: &Requested,
        letter: Letter,
        begun: Instant,
        now: Timestamp,
    ) -> Result<Vec<u8>, EnrollError> {
        let keys = self.keys();
        let challenge = requested.challenge(&self.config.name, keys.hpke().public(), self.config.codes.length);
        let challenge = self.sign(challenge, keys.signing()).await?;
        if self.storage.change_time().is_some_and(|change| begun.elapsed() > beside_sending(change)) {
            // Another prover may take it up before this one were done.
            return Err(Trouble::Busy.into());
        }
        self.deliver(&requested.facts, letter, now).await?;
        Ok(challenge)
    }

    /// That this prover sends, and until when, where there are others.
    fn sending(&self) -> Option<Sending> {
        let longest = sending_time(self.storage.change_time()?, self.config.courier.longest());
        Some(Sending { by: self.replica, until: self.now().plus(longest) })
    }

    async fn deliver(&self, facts: &Facts, letter: Letter, now: Timestamp) -> Result<(), CourierError> {
        let lifetime = facts.expires_at.since(now);
        let message = Message::new(facts.id, letter.code, &facts.msp, &facts.user_key.thumbprint(), lifetime);
        let message = message.ok_or(CourierError::Unsupported)?.in_language(letter.language);
        self.couriers.deliver(facts.method, &facts.cpi, &message).await
    }

    fn new_code(&self) -> Code {
        Code::generate(self.config.codes.length, &mut rand::rng())
    }
}

/// Within what time of the decision a message is sent where there are other provers, and how long it may take to record that it was:
/// each is one change.
const fn beside_sending(change: Duration) -> Duration {
    change.saturating_add(CLOCKS)
}

/// For how long a request belongs to the prover that sends its message.
const fn sending_time(change: Duration, courier: Duration) -> Duration {
    beside_sending(change).saturating_add(courier).saturating_add(beside_sending(change))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three times the time of a request is one time to settle, and a change has two of them.
    #[test]
    fn a_message_is_one_prover_s_until_it_is_recorded_however_long_requests_may_take() {
        let courier = Duration::from_secs(35);
        for (request_seconds, longest) in [(3, 75), (10, 159), (60, 759)] {
            let change = Duration::from_secs(6 * request_seconds);
            assert_eq!(sending_time(change, courier), Duration::from_secs(longest));
            assert!(sending_time(change, courier) > beside_sending(change) + courier + change);
        }
        assert_eq!(sending_time(Duration::MAX, courier), Duration::MAX);
    }
}
