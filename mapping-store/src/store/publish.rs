//! Publication: verified here, handed to the writer, and answered with a signed receipt once it is durable.

use protocol::authenticated::UnverifiedMapping;
use protocol::receipt::Receipt;
use protocol::removal::Removal;
use protocol::{CLOCK_SKEW, Signed, Unverified};

use super::{PublishError, Published, Store, Submitted};
use crate::storage::{Kind, Stamp, Storage};
use crate::writer::{self, Answer, Document, Written};

impl<S: Storage> Store<S> {
    /// Verifies an authenticated mapping and publishes it; returns once it is durable.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; nothing has changed then.
    pub async fn publish(&self, mapping: &[u8]) -> Result<Published, PublishError> {
        let now = (self.shared.clock)();
        let verified = UnverifiedMapping::parse(mapping)?.verify(&self.shared.trust, now)?;
        let submitted = self.hand_in(Document::Mapping(Box::new(verified)))?;
        self.outcome(submitted).await
    }

    /// Verifies a removal by the CPI's issuer and publishes it; returns once it is durable.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; nothing has changed then.
    pub async fn remove(&self, removal: &[u8]) -> Result<Published, PublishError> {
        let submitted = self.hand_in(self.verify_removal(removal)?)?;
        self.outcome(submitted).await
    }

    /// Hands in a document that another provider's log has. Its place among those handed in is settled when this returns.
    ///
    /// A mapping is verified as of when it was signed: a withdrawal or replacement takes back what is older even if it has
    /// expired since. What has expired is never served, whenever it was verified.
    pub(crate) fn submit(&self, kind: Kind, document: &[u8]) -> Result<Submitted, PublishError> {
        self.hand_in(self.verify_logged(kind, document)?)
    }

    /// Verifies what stands in a log, as [`Store::submit`] does.
    pub(crate) fn verify_logged(&self, kind: Kind, document: &[u8]) -> Result<Document, PublishError> {
        match kind {
            Kind::Mapping => {
                let unverified = UnverifiedMapping::parse(document)?;
                let then = unverified.unverified_mapping().issued_at.min((self.shared.clock)());
                Ok(Document::Mapping(Box::new(unverified.verify(&self.shared.trust, then)?)))
            }
            Kind::Removal => self.verify_removal(document),
        }
    }

    /// Verifies many documents as [`Store::verify_logged`] does, the credentials of each prover together.
    pub(crate) fn verify_many(&self, documents: &[(Kind, &[u8])]) -> Vec<Result<Document, PublishError>> {
        let now = (self.shared.clock)();
        let mut results = Vec::with_capacity(documents.len());
        let (mut places, mut mappings) = (Vec::new(), Vec::new());
        for (place, (kind, document)) in documents.iter().enumerate() {
            results.push(match kind {
                Kind::Removal => Some(self.verify_removal(document)),
                Kind::Mapping => match UnverifiedMapping::parse(document) {
                    Err(error) => Some(Err(error.into())),
                    Ok(unverified) => {
                        let then = unverified.unverified_mapping().issued_at.min(now);
                        places.push(place);
                        mappings.push((unverified, then));
                        None
                    }
                },
            });
        }
        let verified = UnverifiedMapping::verify_all(mappings, &self.shared.trust);
        for (place, verified) in places.into_iter().zip(verified) {
            let document = verified.map(|mapping| Document::Mapping(Box::new(mapping)));
            results[place] = Some(document.map_err(PublishError::from));
        }
        results.into_iter().map(|result| result.expect("each document is refused, a removal, or verified")).collect()
    }

    /// Hands in many verified documents, written in one step. An outcome for each, in their order.
    pub(crate) fn submit_all(&self, documents: Vec<Document>) -> Result<Answer<Vec<writer::Outcome>>, PublishError> {
        Ok(self.shared.writer.publish_all(documents)?)
    }

    /// What became of what was handed in, once it is durable.
    pub(crate) async fn written(&self, submitted: Submitted) -> Result<Written, PublishError> {
        Ok(submitted.0.wait().await?)
    }

    pub(super) async fn outcome(&self, submitted: Submitted) -> Result<Published, PublishError> {
        let Written { hash, stamp, new } = self.written(submitted).await?;
        let receipt = self.receipt(hash, stamp);
        Ok(if new { Published::New(receipt) } else { Published::Known(receipt) })
    }

    fn verify_removal(&self, removal: &[u8]) -> Result<Document, PublishError> {
        let unverified = Unverified::<Removal>::parse(removal)?;
        let claimed = unverified.unverified_document();
        let issuer = self.shared.issuers.ruling(&claimed.issuer, &claimed.cpi).ok_or(PublishError::NotTheIssuer)?;
        let removal = unverified.verify(&issuer.key)?;
        let latest = (self.shared.clock)().plus(CLOCK_SKEW);
        if removal.document().issued_at > latest || removal.document().issued_before > latest {
            return Err(PublishError::RemovalFromTheFuture);
        }
        Ok(Document::Removal(Box::new(removal)))
    }

    fn hand_in(&self, document: Document) -> Result<Submitted, PublishError> {
        Ok(Submitted(self.shared.writer.publish(document)?))
    }

    /// The receipt is not kept but signed anew: Ed25519 is deterministic, so the same publication has the same receipt for as
    /// long as provider and key stay the same.
    fn receipt(&self, hash: [u8; 32], stamp: Stamp) -> Vec<u8> {
        let receipt = Receipt {
            provider: self.shared.provider.clone(),
            published_hash: hash,
            position: stamp.position,
            issued_at: stamp.at,
        };
        Signed::sign(receipt, &self.shared.receipt_key).bytes().to_vec()
    }
}
