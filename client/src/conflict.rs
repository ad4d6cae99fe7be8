//! Was a mapping of mine displaced? A question that its holder signs, and the provider's signed notice.
//!
//! A mapping stops being found when another claims the CPI afresh, or when the CPI's issuer takes it back. Its holder can learn that
//! and when, but not by whom. Whoever carries question and notice need not be believed.
//!
//! ```
//! # mod fixtures { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures.rs")); }
//! use client::conflict::Asked;
//! use protocol::{Signed, conflict::ConflictNotice};
//! # use fixtures::{HOLDER, NOW as now, cpi, key};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let trust = fixtures::trust();
//! let asked = Asked::new(cpi(), "provider.example", &key(HOLDER), now);
//!
//! // What the store answers to `asked.bytes()` at `POST /v1/conflicts`; 404 if nothing was displaced.
//! let holder = key(HOLDER).public().thumbprint();
//! let provider = "provider.example".to_owned();
//! let notice = ConflictNotice { provider, cpi: cpi(), holder, displaced_at: now, issued_at: now };
//! let notice = Signed::sign(notice, &key(9));
//!
//! let notice = asked.answered(notice.bytes(), &trust.provider.receipt_key)?;
//! assert_eq!(notice.document().displaced_at, now);
//! # Ok(())
//! # }
//! ```

use protocol::conflict::{ConflictNotice, ConflictQuery};
use protocol::cpi::Cpi;
use protocol::{PublicKey, Signed, SigningKey, Timestamp, Unverified};

use crate::error::{Error, Fault};

/// A question that its holder has signed; it holds for five minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked(Signed<ConflictQuery>);

impl Asked {
    /// Asks the provider of this name whether a mapping of `key` for `cpi` was displaced.
    #[must_use]
    pub fn new(cpi: Cpi, provider: &str, key: &SigningKey, now: Timestamp) -> Self {
        let query = ConflictQuery { cpi, provider: provider.to_owned(), user_key: key.public(), issued_at: now };
        Self(Signed::sign(query, key))
    }

    /// What goes to the store, octet for octet.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// Takes the provider's notice.
    ///
    /// # Errors
    ///
    /// [`Fault::Store`] if it is not signed by `receipt_key`, or answers another question.
    pub fn answered(&self, notice: &[u8], receipt_key: &PublicKey) -> Result<Signed<ConflictNotice>, Error> {
        let wrong = |rule: &str| Error::lasting(Fault::Store, format!("conflict notice: {rule}"));
        let notice = Unverified::<ConflictNotice>::parse(notice).map_err(|error| wrong(&error.to_string()))?;
        let notice = notice.verify(receipt_key).map_err(|error| wrong(&error.to_string()))?;
        let (asked, told) = (self.0.document(), notice.document());
        if told.provider != asked.provider {
            Err(wrong("it is by another provider"))
        } else if told.cpi != asked.cpi {
            Err(wrong("it is about another identifier"))
        } else if told.holder != asked.user_key.thumbprint() {
            Err(wrong("it is for another holder"))
        } else {
            Ok(notice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::NOW;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_seed(&[n; 32])
    }

    fn cpi(text: &str) -> Cpi {
        Cpi::parse(text).unwrap()
    }

    #[test]
    fn a_notice_answers_this_question_alone() {
        let asked = Asked::new(cpi("tel:+14155552671"), "dp.example", &key(1), NOW);
        let good = ConflictNotice {
            provider: "dp.example".to_owned(),
            cpi: cpi("tel:+14155552671"),
            holder: key(1).public().thumbprint(),
            displaced_at: NOW,
            issued_at: NOW,
        };
        let told = |notice: ConflictNotice, by: u8| {
            let answer = asked.answered(Signed::sign(notice, &key(by)).bytes(), &key(9).public());
            answer.map(|notice| notice.document().clone()).map_err(|error| error.to_string())
        };
        assert_eq!(told(good.clone(), 9), Ok(good.clone()));
        for (wrong, by, rule) in [
            (good.clone(), 8, "signed by another key"),
            (ConflictNotice { provider: "other.example".to_owned(), ..good.clone() }, 9, "another provider"),
            (ConflictNotice { cpi: cpi("tel:+14155552672"), ..good.clone() }, 9, "another identifier"),
            (ConflictNotice { holder: key(2).public().thumbprint(), ..good }, 9, "another holder"),
        ] {
            let error = told(wrong, by).unwrap_err();
            assert!(error.contains(rule), "{error}");
        }
        assert!(asked.answered(b"\xa0", &key(9).public()).is_err());
    }
}
