//! The compact lookup: at which providers, says the provider, and no proof of it.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Request, Uri, header};
use protocol::cpi::Cpi;
use protocol::lookup::{CompactAnswer, LookupRequest, Outcome};
use protocol::media;
use protocol::mimi_uri::Msp;

use crate::error::{Error, Fault};

/// What a provider says of one CPI. **Nobody has verified it**: before a message is sent, look the CPI up
/// (`Client::lookup`), which answers with documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The identifier that was asked for.
    pub cpi: Cpi,
    /// The outcome.
    pub outcome: Outcome,
    /// Where it is found.
    pub msps: BTreeSet<Msp>,
}

/// The request that asks for the compact answer about `cpis`, to be encapsulated and padded to [`super::padded_bytes`].
///
/// # Errors
///
/// [`Fault::Caller`] unless there are 1 to 64.
pub fn compact_question(cpis: &[Cpi], lookup_url: &Uri) -> Result<Request<Bytes>, Error> {
    let question = LookupRequest::new(cpis.to_vec(), None).map_err(|error| Error::lasting(Fault::Caller, error))?;
    Request::post(lookup_url)
        .header(header::CONTENT_TYPE, media::CBOR)
        .body(Bytes::from(question.compact().encode()))
        .map_err(|error| Error::lasting(Fault::Caller, error))
}

/// Reads the answer to [`compact_question`]: one [`Claimed`] for each of `cpis`, in their order.
///
/// # Errors
///
/// [`Fault::Store`] if it is no compact answer, or one for another number of identifiers.
pub fn compact_answer(cpis: &[Cpi], body: &[u8]) -> Result<Vec<Claimed>, Error> {
    let answer = CompactAnswer::decode(body).map_err(|error| Error::lasting(Fault::Store, error))?;
    if answer.entries.len() != cpis.len() {
        return Err(Error::lasting(Fault::Store, "it answered for another number of identifiers than was asked for"));
    }
    let claimed = cpis.iter().zip(answer.entries);
    Ok(claimed.map(|(cpi, entry)| Claimed { cpi: cpi.clone(), outcome: entry.outcome, msps: entry.msps }).collect())
}

#[cfg(test)]
mod tests {
    use protocol::lookup::CompactEntry;

    use super::*;
    use crate::sample::at;

    #[test]
    fn a_compact_answer_is_of_the_identifiers_asked_for() {
        let url = "https://provider.example/v1/lookup".parse().unwrap();
        let request = compact_question(&[at(1), at(2)], &url).unwrap();
        assert!(LookupRequest::decode(request.body()).unwrap().is_compact());

        let msps = BTreeSet::from([Msp::from_domain("a.example").unwrap()]);
        let one = CompactEntry { outcome: Outcome::OneMapping, msps: msps.clone() };
        let none = CompactEntry { outcome: Outcome::NeverMapped, msps: BTreeSet::new() };
        let body = CompactAnswer { entries: vec![one, none] }.encode();
        let claimed = compact_answer(&[at(1), at(2)], &body).unwrap();
        assert_eq!(claimed[0], Claimed { cpi: at(1), outcome: Outcome::OneMapping, msps });
        assert_eq!((claimed[1].outcome, claimed[1].msps.len()), (Outcome::NeverMapped, 0));
        for cpis in [&[at(1)][..], &[at(1), at(2), at(3)]] {
            assert_eq!(compact_answer(cpis, &body).unwrap_err().fault, Fault::Store);
        }
        assert_eq!(compact_answer(&[at(1)], b"no answer").unwrap_err().fault, Fault::Store);
    }
}
