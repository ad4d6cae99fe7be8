//! The questions whose answers prove nothing, inside a capsule: the MIMI protocol's own query, and the compact lookup.

use http::{StatusCode, Uri};
use protocol::cpi::Cpi;
use protocol::mimi_query::{IdentifierRequest, IdentifierResponse};
use protocol::mimi_uri::Msp;

use super::client::Client;
use super::{Claimed, compact_answer, compact_question, padded_bytes};
use crate::error::{Error, Fault};
use crate::http::expect;
use crate::identifier_query::{answer, question, url};

impl Client {
    /// Asks the provider of this client's lookups for a user of `msp`. **The answer is not signed and proves nothing**: see
    /// [`crate::identifier_query`]. To know whom one can reach where, use [`Self::lookup`].
    ///
    /// # Errors
    ///
    /// As a lookup; that nobody was found is no error, but a code of the response.
    pub async fn identifier_query(&self, msp: &Msp, request: &IdentifierRequest) -> Result<IdentifierResponse, Error> {
        self.identifier_query_at(&url(&self.lookup_url, msp)?, request).await
    }

    /// Asks at the URL that a directory named ([`crate::msp::directory`]).
    ///
    /// # Errors
    ///
    /// As [`Self::identifier_query`].
    pub async fn identifier_query_at(
        &self,
        url: &Uri,
        request: &IdentifierRequest,
    ) -> Result<IdentifierResponse, Error> {
        self.patiently(|| self.query(url, request)).await
    }

    /// Asks at which providers `cpis` are found, without documents; 64 at most. **The answers are claims that nobody has
    /// verified**: see [`Claimed`].
    ///
    /// # Errors
    ///
    /// As a lookup; [`Fault::Caller`] unless there are 1 to 64.
    pub async fn claimed(&self, cpis: &[Cpi]) -> Result<Vec<Claimed>, Error> {
        self.patiently(|| self.ask_compact(cpis)).await
    }

    async fn ask_compact(&self, cpis: &[Cpi]) -> Result<Vec<Claimed>, Error> {
        let request = compact_question(cpis, &self.lookup_url)?;
        self.pace.turn().await;
        let response = self.oblivious.send(&request, padded_bytes(cpis.len())).await?;
        let (_, body) = expect(response, &[StatusCode::OK], Fault::Store)?;
        compact_answer(cpis, &body)
    }

    async fn query(&self, url: &Uri, request: &IdentifierRequest) -> Result<IdentifierResponse, Error> {
        let request = question(request, url)?;
        self.pace.turn().await;
        let response = self.oblivious.send(&request, padded_bytes(1)).await?;
        let (_, body) = expect(response, &[StatusCode::OK], Fault::Store)?;
        answer(&body)
    }
}
