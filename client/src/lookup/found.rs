//! What an answer says of a CPI, verified: [`Found`], and the pure way from bytes to it.

use bytes::Bytes;
use http::{Request, Uri, header};
use protocol::Timestamp;
use protocol::authenticated::{MappingError, VerifiedMapping};
use protocol::cpi::Cpi;
use protocol::lookup::{Answer, Entry, LookupRequest, Outcome};
use protocol::mapping::State;
use protocol::media;
use protocol::trust::TrustAnchors;

use crate::error::{Error, Fault};
use crate::oblivious::PADDED_REQUEST_BYTES;
use crate::verify::verify;

/// What is known of one CPI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The identifier that was asked for.
    pub cpi: Cpi,
    /// What follows from the verified mappings.
    pub outcome: Outcome,
    /// What the provider says the outcome is.
    pub claimed: Outcome,
    /// The live mappings, each verified.
    pub mappings: Vec<VerifiedMapping>,
    /// Why other documents in the answer do not count.
    pub refused: Vec<Refused>,
}

/// Why a document in an answer does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It does not verify.
    #[error(transparent)]
    Unverified(#[from] MappingError),
    /// It is about another CPI than the one asked for.
    #[error("the provider answered with a mapping of another identifier")]
    OtherCpi,
    /// It has been withdrawn by its holder.
    #[error("the provider served a withdrawn mapping")]
    Withdrawn,
    /// The same holder and MSP are in the answer with a higher seq.
    #[error("the provider served an older mapping beside its replacement")]
    Replaced,
}

impl Found {
    /// From mappings that were verified elsewhere, as from files.
    #[must_use]
    pub fn of(cpi: Cpi, mappings: Vec<VerifiedMapping>) -> Self {
        let outcome = Outcome::of_verified(&mappings);
        Self { cpi, outcome, claimed: outcome, mappings, refused: Vec::new() }
    }

    /// Whether the provider's own judgement is what follows from what it served.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.outcome == self.claimed && self.refused.is_empty()
    }
}

/// The request that asks for `cpis`, to be encapsulated and padded to [`padded_bytes`].
///
/// # Errors
///
/// [`Fault::Caller`] unless there are 1 to 64.
pub fn question(cpis: &[Cpi], lookup_url: &Uri) -> Result<Request<Bytes>, Error> {
    let question = LookupRequest::new(cpis.to_vec(), None).map_err(|error| Error::lasting(Fault::Caller, error))?;
    Request::post(lookup_url)
        .header(header::CONTENT_TYPE, media::CBOR)
        .body(Bytes::from(question.encode()))
        .map_err(|error| Error::lasting(Fault::Caller, error))
}

/// Reads the answer to [`question`] and verifies every document in it: one [`Found`] for each of `cpis`, in their order.
///
/// # Errors
///
/// [`Fault::Store`] if it is no answer, or one for another number of identifiers.
pub fn answer(cpis: &[Cpi], body: &[u8], provers: &TrustAnchors, now: Timestamp) -> Result<Vec<Found>, Error> {
    let answer = Answer::decode(body).map_err(|error| Error::lasting(Fault::Store, error))?;
    if answer.entries.len() != cpis.len() {
        return Err(Error::lasting(Fault::Store, "it answered for another number of identifiers than was asked for"));
    }
    Ok(cpis.iter().zip(answer.entries).map(|(cpi, entry)| judge(cpi, entry, provers, now)).collect())
}

/// How long a question is made, by how many it asks for. The gateway pads its answer to four times as much: room for the
/// mappings of as many people as were asked for, so that neither size tells how many were found.
pub const fn padded_bytes(cpis: usize) -> usize {
    match cpis {
        0..=1 => PADDED_REQUEST_BYTES[0],
        2..=8 => PADDED_REQUEST_BYTES[1],
        _ => PADDED_REQUEST_BYTES[2],
    }
}

/// Verifies what an answer says of one CPI.
pub(crate) fn judge(cpi: &Cpi, entry: Entry, provers: &TrustAnchors, now: Timestamp) -> Found {
    let mut mappings: Vec<VerifiedMapping> = Vec::with_capacity(entry.mappings.len());
    let mut refused = Vec::new();
    for document in entry.mappings {
        match accept(cpi, &document, provers, now) {
            Ok(mapping) => match mappings.iter_mut().find(|known| same_place(known, &mapping)) {
                None => mappings.push(mapping),
                Some(known) => {
                    if known.mapping().seq < mapping.mapping().seq {
                        *known = mapping;
                    }
                    refused.push(Refused::Replaced);
                }
            },
            Err(error) => refused.push(error),
        }
    }
    Found { cpi: cpi.clone(), outcome: Outcome::of_verified(&mappings), claimed: entry.outcome, mappings, refused }
}

fn accept(cpi: &Cpi, document: &[u8], provers: &TrustAnchors, now: Timestamp) -> Result<VerifiedMapping, Refused> {
    let verified = verify(document, provers, now)?;
    if verified.mapping().cpi != *cpi {
        return Err(Refused::OtherCpi);
    }
    match verified.mapping().state {
        State::Live => Ok(verified),
        State::Withdrawn => Err(Refused::Withdrawn),
    }
}

fn same_place(one: &VerifiedMapping, other: &VerifiedMapping) -> bool {
    one.holder() == other.holder() && one.mapping().reachability.msp() == other.mapping().reachability.msp()
}

#[cfg(test)]
mod tests;
