//! What nobody may publish, and must have no effect.

use std::sync::atomic::Ordering::Relaxed;

use discovery::enroll::now;
use protocol::authenticated::VerifiedMapping;
use protocol::credential::CpiCredential;
use protocol::mapping::{Mapping, Reachability, State, Tags};
use protocol::mimi_uri::Msp;
use protocol::problem::ProblemType;
use protocol::removal::Removal;
use protocol::{Signed, SigningKey};
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::{People, hash};
use crate::system::parties::{ISSUER, MSPS};

impl People {
    /// Publications that nobody may make.
    pub(crate) async fn forge(&self, rng: &mut StdRng) {
        let Some(person) = self.any(rng) else { return };
        let Ok(holdings) = person.holdings.try_lock() else { return };
        let Some(holding) = holdings.first() else { return };
        let stranger = SigningKey::generate(&mut rand::rng());
        let credential = holding.enrolled.credential();
        let mapping = Mapping {
            cpi: person.cpi.clone(),
            reachability: Reachability::At { msp: Msp::from_domain(MSPS[holding.msp]).unwrap(), psi: None },
            tags: Tags::new(["Forged"]).unwrap(),
            seq: holding.seq + 100,
            credential_hash: credential.hash(),
            fresh: true,
            state: State::Live,
            issued_at: now(),
            expires_at: credential.document().expires_at,
        };
        let removal = |by: &SigningKey, issuer: &str| {
            let (cpi, issued_before) = (person.cpi.clone(), now());
            let removal = Removal { issuer: issuer.to_owned(), cpi, issued_before, issued_at: now() };
            Signed::sign(removal, by).bytes().to_vec()
        };
        let contacts = self.contacts();
        let store = &contacts.store[holding.msp];
        let answer = match rng.random_range(0..5) {
            0 => store.publish(&VerifiedMapping::encode(credential, &Signed::sign(mapping, &stranger))).await,
            1 => {
                // A prover that nobody trusts, under the name of one that is.
                let theirs = CpiCredential { user_key: stranger.public(), ..credential.document().clone() };
                let theirs = Signed::sign(theirs, &stranger);
                let mapping = Mapping { credential_hash: theirs.hash(), ..mapping };
                store.publish(&VerifiedMapping::encode(&theirs, &Signed::sign(mapping, &stranger))).await
            }
            2 => {
                let mut bytes = self.sign(holding, State::Live, false, rng);
                self.signed.lock().unwrap().remove(&hash(&bytes));
                let at = rng.random_range(0..bytes.len());
                bytes[at] ^= 1 << rng.random_range(0..8);
                store.publish(&bytes).await
            }
            3 => store.remove(&removal(&stranger, ISSUER)).await,
            _ => store.remove(&removal(&self.issuer, "other.example")).await,
        };
        match answer {
            Ok(_) => panic!("a forgery was taken"),
            Err(error) => match error.problem.map(|problem| problem.problem_type) {
                Some(
                    ProblemType::InvalidSignature
                    | ProblemType::UntrustedProver
                    | ProblemType::Malformed
                    | ProblemType::NotTheIssuer,
                ) => self.counts.forged.fetch_add(1, Relaxed),
                None => self.counts.forged_unanswered.fetch_add(1, Relaxed),
                Some(ProblemType::Unavailable) => self.counts.forged_unanswered.fetch_add(1, Relaxed),
                Some(other) => panic!("a forgery is refused for another reason: {other:?}"),
            },
        };
        // What was published once and is so no more proves itself still, and changes nothing.
        if let Some(live) = &holding.live
            && store.publish(live).await.is_ok()
        {
            self.counts.replayed.fetch_add(1, Relaxed);
        }
    }
}
