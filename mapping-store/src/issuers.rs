//! Issuers of CPIs, and which CPIs each rules: configuration, not protocol.

use protocol::PublicKey;
use protocol::cpi::Cpi;

/// One issuer.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    pub(crate) name: String,
    pub(crate) key: PublicKey,
    /// `+` and digits.
    pub(crate) number_prefixes: Vec<String>,
    pub(crate) mail_domains: Vec<String>,
}

/// All issuers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Issuers(Vec<Issuer>);

impl Issuers {
    pub(crate) fn new(issuers: Vec<Issuer>) -> Self {
        Self(issuers)
    }

    /// The issuer of this name, if it rules `cpi`.
    pub(crate) fn ruling(&self, name: &str, cpi: &Cpi) -> Option<&Issuer> {
        self.0.iter().find(|issuer| issuer.name == name && issuer.rules(cpi))
    }
}

impl Issuer {
    fn rules(&self, cpi: &Cpi) -> bool {
        match cpi {
            Cpi::Phone(number) => {
                self.number_prefixes.iter().any(|prefix| number.as_e164().starts_with(prefix.as_str()))
            }
            Cpi::Email(address) => self.mail_domains.iter().any(|domain| domain == address.domain()),
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::SigningKey;

    use super::*;

    #[test]
    fn an_issuer_rules_its_ranges_and_domains_alone() {
        let carrier = Issuer {
            name: "carrier.example".to_owned(),
            key: SigningKey::from_seed(&[1; 32]).public(),
            number_prefixes: vec!["+1415555".to_owned()],
            mail_domains: vec!["example.com".to_owned()],
        };
        let issuers = Issuers::new(vec![carrier]);
        let rules = |name: &str, cpi: &str| issuers.ruling(name, &Cpi::parse(cpi).unwrap()).is_some();
        assert!(rules("carrier.example", "tel:+14155552671"));
        assert!(rules("carrier.example", "mailto:bob@example.com"));
        assert!(!rules("carrier.example", "tel:+14155562671"));
        assert!(!rules("carrier.example", "mailto:bob@mail.example.com"));
        assert!(!rules("other.example", "tel:+14155552671"));
    }
}
