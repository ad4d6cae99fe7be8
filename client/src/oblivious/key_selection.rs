//! The choice among the gateway's keys: `application/ohttp-keys` (RFC 9458 §3).
//!
//! A list may hold what this client does not know: other KEMs, other suites, reserved (GREASE) values. Each is stepped
//! over; the first configuration with a suite we have is used, with that suite alone. The `ohttp` crate is given nothing
//! but that one configuration, rebuilt, since a list with an unknown AEAD would make it refuse everything and one with a
//! known but unsupported suite would make it panic.

/// DHKEM(X25519, HKDF-SHA256) (RFC 9180 §7.1).
const KEM_X25519: u16 = 0x0020;
const X25519_KEY_BYTES: usize = 32;
/// HKDF-SHA256 (RFC 9180 §7.2).
const KDF_HKDF_SHA256: u16 = 0x0001;
/// AES-128-GCM and ChaCha20-Poly1305 (RFC 9180 §7.3).
const AEADS: [u16; 2] = [0x0001, 0x0003];

/// Why no key could be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySelectionError {
    /// The list is not `application/ohttp-keys`.
    #[error("the gateway's key configuration list is malformed")]
    Malformed,
    /// No configuration has a suite this client supports.
    #[error("the gateway offers no key with X25519, HKDF-SHA256 and AES-128-GCM or ChaCha20-Poly1305")]
    Unsupported,
}

/// Picks the first configuration of `list` that this client supports, re-encoded with one suite.
///
/// # Errors
///
/// [`KeySelectionError`].
pub fn select(mut list: &[u8]) -> Result<Vec<u8>, KeySelectionError> {
    let mut chosen = None;
    while !list.is_empty() {
        let configuration = take_prefixed(&mut list).ok_or(KeySelectionError::Malformed)?;
        chosen = chosen.or_else(|| supported(configuration));
    }
    chosen.ok_or(KeySelectionError::Unsupported)
}

/// `key id (1) ‖ KEM (2) ‖ public key ‖ length (2) ‖ (KDF (2) ‖ AEAD (2))…`, cut down to one suite; `None` if there is none
/// for us, or the layout is one we do not know.
fn supported(mut configuration: &[u8]) -> Option<Vec<u8>> {
    let key_id = take(&mut configuration, 1)?[0];
    if number(take(&mut configuration, 2)?) != KEM_X25519 {
        return None;
    }
    let public_key = take(&mut configuration, X25519_KEY_BYTES)?;
    let suites = take_prefixed(&mut configuration)?;
    if !configuration.is_empty() || suites.len() % 4 != 0 {
        return None;
    }
    let suite = suites
        .chunks_exact(4)
        .find(|suite| number(&suite[..2]) == KDF_HKDF_SHA256 && AEADS.contains(&number(&suite[2..])))?;
    let mut encoded = vec![key_id];
    encoded.extend_from_slice(&KEM_X25519.to_be_bytes());
    encoded.extend_from_slice(public_key);
    encoded.extend_from_slice(&[0, 4]);
    encoded.extend_from_slice(suite);
    Some(encoded)
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = input.split_at_checked(length)?;
    *input = tail;
    Some(head)
}

fn take_prefixed<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::from(number(take(input, 2)?));
    take(input, length)
}

fn number(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn configuration(key_id: u8, kem: u16, key_bytes: usize, suites: &[(u16, u16)]) -> Vec<u8> {
        let mut body = vec![key_id];
        body.extend(kem.to_be_bytes());
        body.extend(vec![9; key_bytes]);
        body.extend(u16::try_from(suites.len() * 4).unwrap().to_be_bytes());
        suites.iter().for_each(|(kdf, aead)| {
            body.extend(kdf.to_be_bytes());
            body.extend(aead.to_be_bytes());
        });
        let mut prefixed = u16::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        prefixed.extend(body);
        prefixed
    }

    fn bare(key_id: u8, suite: (u16, u16)) -> Vec<u8> {
        configuration(key_id, KEM_X25519, 32, &[suite])[2..].to_vec()
    }

    #[test]
    fn the_first_supported_configuration_and_suite_win() {
        let list =
            [configuration(1, KEM_X25519, 32, &[(1, 3), (1, 1)]), configuration(2, KEM_X25519, 32, &[(1, 1)])].concat();
        assert_eq!(select(&list), Ok(bare(1, (1, 3))));
    }

    /// GREASE values, an unknown AEAD, a known AEAD with another KDF, the export-only AEAD, another KEM.
    #[test]
    fn what_is_unknown_is_stepped_over() {
        let list = [
            configuration(1, 0x4a4a, 7, &[(1, 1)]),
            configuration(2, 0x647a, 1216, &[(1, 1)]),
            configuration(3, KEM_X25519, 32, &[(0x1a1a, 0x2a2a), (3, 1), (1, 2), (1, 0xffff)]),
            configuration(4, KEM_X25519, 32, &[(0x7a7a, 1), (1, 0x0002), (1, 1)]),
        ]
        .concat();
        assert_eq!(select(&list), Ok(bare(4, (1, 1))));
        ohttp::ClientRequest::from_encoded_config(&select(&list).unwrap()).unwrap();
    }

    #[test]
    fn nothing_to_choose_from() {
        assert_eq!(select(&[]), Err(KeySelectionError::Unsupported));
        assert_eq!(select(&configuration(1, KEM_X25519, 32, &[(1, 2)])), Err(KeySelectionError::Unsupported));
        assert_eq!(select(&configuration(1, KEM_X25519, 31, &[(1, 1)])), Err(KeySelectionError::Unsupported));
        assert_eq!(select(&[0]), Err(KeySelectionError::Malformed));
        assert_eq!(select(&[0, 5, 1]), Err(KeySelectionError::Malformed));
    }

    proptest! {
        #[test]
        fn noise_never_panics(list in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(encoded) = select(&list) {
                prop_assert!(ohttp::ClientRequest::from_encoded_config(&encoded).is_ok());
            }
        }
    }
}
