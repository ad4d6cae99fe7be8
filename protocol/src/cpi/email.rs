//! Email addresses: `mailto:<local>@<domain>` (RFC 6068).
//!
//! Canonical: the domain in lower-case A-labels (IDNA, RFC 5891), the local part in NFC and lower case, a dot-atom
//! (RFC 5322 §3.2.3) or its internationalised form (RFC 6532 §3.2); no quoted strings, no domain literals, at least
//! two labels, 254 octets at most (RFC 5321 §4.5.3.1.3). In the URI, what RFC 6068 reserves is percent-encoded.
//!
//! Dots and `+tags` in the local part are *not* folded: whether `a.b@` and `ab@` are one mailbox is known only to the
//! host of the mail.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use unicode_normalization::UnicodeNormalization as _;

use super::CpiError;

pub(super) const SCHEME: &str = "mailto:";
const MAX_ADDRESS_BYTES: usize = 254;
const MAX_LOCAL_BYTES: usize = 64;

/// What a local part may show unencoded (RFC 6068 §2: unreserved and some-delims).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'\'')
    .remove(b'*')
    .remove(b'+');

/// An email address in canonical form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress {
    uri: String,
    address: String,
}

impl EmailAddress {
    /// Parses the canonical `mailto:` URI.
    pub(super) fn parse(uri: &str) -> Result<Self, CpiError> {
        let parsed = Self::from_uri(uri)?;
        if parsed.uri == uri { Ok(parsed) } else { Err(CpiError::NotCanonical) }
    }

    /// Reads a `mailto:` URI of any spelling, with one address and nothing else.
    pub(super) fn from_uri(uri: &str) -> Result<Self, CpiError> {
        let encoded = uri.get(SCHEME.len()..).unwrap_or_default();
        if encoded.contains(['?', '#']) {
            return Err(CpiError::Email("the mailto: URI must hold an address alone"));
        }
        let address = percent_decode_str(encoded).decode_utf8().map_err(|_| CpiError::Email("not UTF-8"))?;
        Self::from_user_input(&address)
    }

    /// Reads an address as people write it.
    pub(super) fn from_user_input(text: &str) -> Result<Self, CpiError> {
        let text: String = text.replace('\u{ff20}', "@");
        let (local, domain) = text.rsplit_once('@').ok_or(CpiError::Email("has no @"))?;
        let local = canonical_local_part(local)?;
        let domain = canonical_domain(domain)?;
        let address = format!("{local}@{domain}");
        if address.len() > MAX_ADDRESS_BYTES {
            return Err(CpiError::Email("has 254 octets at most"));
        }
        let uri = format!("{SCHEME}{}@{domain}", utf8_percent_encode(&local, ENCODED));
        Ok(Self { uri, address })
    }

    /// The address as mail software takes it: `bob@xn--bcher-kva.example`.
    #[must_use]
    pub fn as_address(&self) -> &str {
        &self.address
    }

    /// The local part, in Unicode.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// The domain, in A-labels.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The address with its domain in Unicode, for people: `bob@bücher.example`.
    #[must_use]
    pub fn to_unicode(&self) -> String {
        let (domain, _) = idna::domain_to_unicode(self.domain());
        format!("{}@{domain}", self.local_part())
    }

    pub(super) fn as_uri(&self) -> &str {
        &self.uri
    }
}

fn canonical_local_part(text: &str) -> Result<String, CpiError> {
    if text.is_empty() {
        return Err(CpiError::Email("has no local part"));
    }
    if text.contains('"') {
        return Err(CpiError::Email("quoted local parts are not allowed"));
    }
    if text.chars().any(is_unwritable) {
        return Err(CpiError::Email("must not contain spaces, controls or invisible characters"));
    }
    if !text.split('.').all(is_atom) {
        return Err(CpiError::Email("the local part is not a dot-atom (RFC 5322, RFC 6532)"));
    }
    let fold = |text: &str| text.nfc().collect::<String>().to_lowercase().nfc().collect::<String>();
    let local = fold(text);
    if fold(&local) != local {
        return Err(CpiError::Email("the local part has no stable lower-case form"));
    }
    if local.len() > MAX_LOCAL_BYTES {
        return Err(CpiError::Email("the local part has 64 octets at most"));
    }
    Ok(local)
}

/// RFC 5322 §3.2.3; RFC 6532 §3.2 adds all that is not ASCII, the combining marks of Indic scripts included.
fn is_atom(text: &str) -> bool {
    let is_atext = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    !text.is_empty() && text.chars().all(is_atext)
}

fn canonical_domain(text: &str) -> Result<String, CpiError> {
    if text.starts_with('[') {
        return Err(CpiError::Email("domain literals are not allowed"));
    }
    let domain = Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
        .map_err(|_| CpiError::Email("the domain is not a valid (internationalised) domain name"))?
        .into_owned();
    let top = domain.rsplit_once('.').ok_or(CpiError::Email("the domain needs at least two labels"))?.1;
    if top.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CpiError::Email("the domain must be a name, not an address"));
    }
    Ok(domain)
}

/// White space, controls, and format characters that could hide or reorder text.
fn is_unwritable(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
