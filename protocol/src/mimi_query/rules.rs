//! How a discovery provider answers for a messaging provider: a request to a [`Question`], what was found to a response.
//!
//! The rules, in order; the first that applies decides:
//!
//! | rule | code |
//! | --- | --- |
//! | an element other than `phone`, `email`, `handle` | `unsupportedField` |
//! | no `phone` and no `email`: there is no search by handle, since that would list a provider's users | `forbidden` |
//! | a number that is not `+` and digits; an address or a handle that is not written as the identifier it denotes; a handle of another provider; two handles | `notFound` |
//! | no holder has a mapping at the provider for each of the CPIs, with one user there, who has the handle | `notFound` |
//! | several holders do, and no handle was given | `ambiguous` |
//! | the holder does not tell a user there | `notFound` |
//! | else | `success`, with the user's URI |
//!
//! Who has opted out, who was never there and who is at another provider cannot be told apart. Holders at other providers do
//! not count: a conflict between providers is seen by a lookup alone.

use std::collections::BTreeSet;

use super::{IdentifierRequest, IdentifierResponse, QueryElement, Refusal};
use crate::cpi::Cpi;
use crate::mimi_uri::{ImUri, MimiUri, Msp, Psi};

/// What is to be looked up at one messaging provider, and the handle that a match must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    cpis: Vec<Cpi>,
    handle: Option<MimiUri>,
}

impl Question {
    /// What `request`, addressed to `msp`, asks for.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] with which it is to be answered at once.
    pub fn of(request: &IdentifierRequest, msp: &Msp) -> Result<Self, Refusal> {
        let (mut cpis, mut handles) = (Vec::new(), Vec::new());
        for element in request.elements() {
            match element {
                QueryElement::Phone(number) => cpis.push(phone(number)),
                QueryElement::Email(address) => cpis.push(email(address)),
                QueryElement::Handle(handle) => handles.push(handle_uri(handle)),
                QueryElement::Nick(_)
                | QueryElement::PartialName(_)
                | QueryElement::WholeProfile(_)
                | QueryElement::OidcStdClaim(..)
                | QueryElement::VcardField(..) => return Err(Refusal::UnsupportedField),
            }
        }
        if cpis.is_empty() {
            return Err(Refusal::Forbidden);
        }
        let matchable = |exists: Option<_>| exists.ok_or(Refusal::NotFound);
        let cpis: BTreeSet<Cpi> = matchable(cpis.into_iter().collect())?;
        let handles: Option<BTreeSet<MimiUri>> = handles.into_iter().collect();
        let mut handles = handles.ok_or(Refusal::NotFound)?.into_iter();
        let handle = handles.next();
        let elsewhere = handle.as_ref().is_some_and(|handle| handle.provider() != msp.domain());
        if elsewhere || handles.next().is_some() {
            return Err(Refusal::NotFound);
        }
        Ok(Self { cpis: cpis.into_iter().collect(), handle })
    }

    /// The CPIs, each once; 1 to [`super::MAX_ELEMENTS`].
    #[must_use]
    pub fn cpis(&self) -> &[Cpi] {
        &self.cpis
    }

    /// The answer, from what is found at the provider for each of [`Self::cpis`]: holders, and the users they tell.
    #[must_use]
    pub fn answer<H: Ord + Clone>(
        &self,
        found: impl IntoIterator<Item = BTreeSet<(H, Option<Psi>)>>,
    ) -> IdentifierResponse {
        let mut matching = found.into_iter().reduce(|one, other| &one & &other).unwrap_or_default();
        if let Some(handle) = &self.handle {
            matching.retain(|(_, user)| user.as_ref().is_some_and(|user| user.uri() == handle));
        }
        let mut matching = matching.into_iter();
        match (matching.next(), matching.next()) {
            (Some(_), Some(_)) if self.handle.is_none() => IdentifierResponse::refused(Refusal::Ambiguous),
            (Some((_, Some(user))), _) => IdentifierResponse::found(&user),
            (Some((_, None)) | None, _) => IdentifierResponse::refused(Refusal::NotFound),
        }
    }
}

fn phone(number: &str) -> Option<Cpi> {
    if number.starts_with('+') { Cpi::parse(&format!("tel:{number}")).ok() } else { None }
}

/// An addr-spec that is written as its CPI is: local part in Unicode, domain in A-labels, both in lower case.
fn email(address: &str) -> Option<Cpi> {
    let cpi = Cpi::from_user_input(address, None).ok()?;
    match &cpi {
        Cpi::Email(email) if email.as_address() == address => Some(cpi),
        Cpi::Email(_) | Cpi::Phone(_) => None,
    }
}

/// A `mimi:` URI in its canonical form, or the `im:` form that stands for one.
fn handle_uri(handle: &str) -> Option<MimiUri> {
    MimiUri::parse_canonical(handle).ok().or_else(|| ImUri::parse(handle).ok()?.to_mimi())
}
