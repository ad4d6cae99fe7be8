//! The choice among the gateway's keys: `application/ohttp-keys` (RFC 9458 §3).
//!
//! A list may hold what this client does not know: other KEMs, other suites, reserved (GREASE) values. Each is stepped
//! over. Of the rest, X-Wing (post-quantum) goes before X25519, then the earlier in the list before the later, then
//! AES-128-GCM before ChaCha20-Poly1305. The rule leaves nothing to the device, so that all clients choose alike and the
//! choice says nothing about them. The `ohttp` crate is given nothing but one configuration with one suite, rebuilt, since
//! a list with an unknown AEAD would make it refuse everything and one with a known but unsupported suite would make it panic.

/// The KEMs, best first, with the length of a public key: X-Wing (draft-connolly-cfrg-xwing-kem; ML-KEM-768 and X25519) and
/// DHKEM(X25519, HKDF-SHA256) (RFC 9180 §7.1).
const KEMS: [(u16, usize); 2] = [(0x647a, 1216), (0x0020, 32)];
/// HKDF-SHA256 (RFC 9180 §7.2).
const KDF_HKDF_SHA256: u16 = 0x0001;
/// AES-128-GCM and ChaCha20-Poly1305 (RFC 9180 §7.3), best first.
const AEADS: [u16; 2] = [0x0001, 0x0003];

/// Why no key could be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySelectionError {
    /// The list is not `application/ohttp-keys`.
    #[error("the gateway's key configuration list is malformed")]
    Malformed,
    /// No configuration has a suite this client supports.
    #[error("the gateway offers no key with X-Wing or X25519, HKDF-SHA256 and AES-128-GCM or ChaCha20-Poly1305")]
    Unsupported,
}

/// Picks the best configuration of `list` that this client supports, re-encoded with one suite.
///
/// # Errors
///
/// [`KeySelectionError`].
pub fn select(mut list: &[u8]) -> Result<Vec<u8>, KeySelectionError> {
    let mut candidates = Vec::new();
    while !list.is_empty() {
        let configuration = take_prefixed(&mut list).ok_or(KeySelectionError::Malformed)?;
        candidates.extend(supported(configuration));
    }
    // A stable sort: the earlier in the list stays before the later.
    candidates.sort_by_key(|(kem_rank, _)| *kem_rank);
    let usable = |encoded: &Vec<u8>| ohttp::KeyConfig::decode(encoded).is_ok();
    candidates.into_iter().map(|(_, encoded)| encoded).find(usable).ok_or(KeySelectionError::Unsupported)
}

/// `key id (1) ‖ KEM (2) ‖ public key ‖ length (2) ‖ (KDF (2) ‖ AEAD (2))…`, cut down to one suite, and the rank of its KEM;
/// `None` if there is none for us, or the layout is one we do not know.
fn supported(mut configuration: &[u8]) -> Option<(usize, Vec<u8>)> {
    let key_id = take(&mut configuration, 1)?[0];
    let kem = number(take(&mut configuration, 2)?);
    let kem_rank = KEMS.iter().position(|(known, _)| *known == kem)?;
    let public_key = take(&mut configuration, KEMS[kem_rank].1)?;
    let suites = take_prefixed(&mut configuration)?;
    if !configuration.is_empty() || suites.len() % 4 != 0 {
        return None;
    }
    let suite_rank = |suite: &&[u8]| AEADS.iter().position(|aead| *aead == number(&suite[2..]));
    let suite = suites
        .chunks_exact(4)
        .filter(|suite| number(&suite[..2]) == KDF_HKDF_SHA256 && suite_rank(suite).is_some())
        .min_by_key(suite_rank)?;
    let mut encoded = vec![key_id];
    encoded.extend_from_slice(&kem.to_be_bytes());
    encoded.extend_from_slice(public_key);
    encoded.extend_from_slice(&[0, 4]);
    encoded.extend_from_slice(suite);
    Some((kem_rank, encoded))
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

    const KEM_X25519: u16 = 0x0020;

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
    fn the_earlier_configuration_and_aes_win() {
        let list =
            [configuration(1, KEM_X25519, 32, &[(1, 3), (1, 1)]), configuration(2, KEM_X25519, 32, &[(1, 1)])].concat();
        assert_eq!(select(&list), Ok(bare(1, (1, 1))));
        let list = [configuration(1, KEM_X25519, 32, &[(1, 3)]), configuration(2, KEM_X25519, 32, &[(1, 1)])].concat();
        assert_eq!(select(&list), Ok(bare(1, (1, 3))));
    }

    /// A real key of each kind, in either order; and one of X-Wing that is no key.
    #[test]
    fn the_post_quantum_key_is_preferred_where_it_is_usable() {
        use ohttp::hpke::{Aead, Kdf, Kem};
        use ohttp::{KeyConfig, SymmetricSuite};
        let key = |id, kem| {
            let suites =
                [Aead::ChaCha20Poly1305, Aead::Aes128Gcm].map(|aead| SymmetricSuite::new(Kdf::HkdfSha256, aead));
            let encoded = KeyConfig::new(id, kem, suites.to_vec()).unwrap().encode().unwrap();
            [u16::try_from(encoded.len()).unwrap().to_be_bytes().to_vec(), encoded].concat()
        };
        let (classic, post_quantum) = (key(1, Kem::X25519Sha256), key(2, Kem::XWing));
        for list in [[&classic[..], &post_quantum].concat(), [&post_quantum[..], &classic].concat()] {
            let selected = select(&list).unwrap();
            assert_eq!((&selected[..3], &selected[selected.len() - 4..]), (&[2, 0x64, 0x7a][..], &[0, 1, 0, 1][..]));
            ohttp::ClientRequest::from_encoded_config(&selected).unwrap();
        }
        let mut unusable = configuration(3, 0x647a, 1216, &[(1, 1)]);
        unusable[5..1157].fill(0xff);
        assert_eq!(select(&[&unusable[..], &classic].concat()).unwrap()[0], 1);
    }

    /// GREASE values, an unknown AEAD, a known AEAD with another KDF, the export-only AEAD, another KEM.
    #[test]
    fn what_is_unknown_is_stepped_over() {
        let list = [
            configuration(1, 0x4a4a, 7, &[(1, 1)]),
            configuration(2, 0x0030, 1216, &[(1, 1)]),
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
        fn noise_never_panics(mut list in proptest::collection::vec(any::<u8>(), 0..200), shaped in any::<bool>()) {
            if shaped && list.len() > 5 {
                list.truncate(60);
                let rest = u16::try_from(list.len() - 2).unwrap();
                list[..2].copy_from_slice(&rest.to_be_bytes());
                list[3..5].copy_from_slice(&KEM_X25519.to_be_bytes());
            }
            if let Ok(encoded) = select(&list) {
                prop_assert!(ohttp::ClientRequest::from_encoded_config(&encoded).is_ok());
            }
        }
    }
}
