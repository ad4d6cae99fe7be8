//! Key configurations and the heads of capsules (RFC 9458 §3.1, §4.3).

use std::fmt::Write as _;

/// `application/ohttp-keys`: `(length (2) ‖ key id (1) ‖ KEM (2) ‖ public key ‖ length (2) ‖ (KDF (2) ‖ AEAD (2))…)…`
pub(super) fn keys(mut list: &[u8]) -> Option<String> {
    let mut text = String::from("key configuration list (application/ohttp-keys)\n");
    while !list.is_empty() {
        let length = usize::from(number(take(&mut list, 2)?)?);
        let mut configuration = take(&mut list, length)?;
        let id = take(&mut configuration, 1)?[0];
        let kem = number(take(&mut configuration, 2)?)?;
        let public_key = take(&mut configuration, key_length(kem)?)?;
        let _ = writeln!(text, "  key {id}: {}", kem_name(kem));
        let _ =
            writeln!(text, "    public key of {} octets: {}…", public_key.len(), hex::encode(public_key.get(..16)?));
        let suites_length = usize::from(number(take(&mut configuration, 2)?)?);
        let suites = take(&mut configuration, suites_length)?;
        if suites.is_empty() || suites.len() % 4 != 0 || !configuration.is_empty() {
            return None;
        }
        for suite in suites.chunks_exact(4) {
            let (kdf, aead) = (number(&suite[..2])?, number(&suite[2..])?);
            let _ = writeln!(text, "    suite: {} with {}", kdf_name(kdf), aead_name(aead));
        }
    }
    Some(text)
}

/// An encapsulated request: `key id (1) ‖ KEM (2) ‖ KDF (2) ‖ AEAD (2) ‖ enc ‖ sealed`.
pub(super) fn capsule(mut capsule: &[u8]) -> Option<String> {
    let id = take(&mut capsule, 1)?[0];
    let (kem, kdf, aead) =
        (number(take(&mut capsule, 2)?)?, number(take(&mut capsule, 2)?)?, number(take(&mut capsule, 2)?)?);
    let encapsulated = take(&mut capsule, encapsulated_length(kem)?)?;
    let mut text = String::from("encapsulated request (message/ohttp-req)\n");
    let _ = writeln!(text, "  for key {id}: {}, {} with {}", kem_name(kem), kdf_name(kdf), aead_name(aead));
    let _ = writeln!(text, "  encapsulated key of {} octets", encapsulated.len());
    let _ = writeln!(text, "  sealed content of {} octets, which only the gateway can open", capsule.len());
    Some(text)
}

const X25519: u16 = 0x0020;
const X_WING: u16 = 0x647a;

fn key_length(kem: u16) -> Option<usize> {
    match kem {
        X25519 => Some(32),
        X_WING => Some(1216),
        _ => None,
    }
}

fn encapsulated_length(kem: u16) -> Option<usize> {
    match kem {
        X25519 => Some(32),
        X_WING => Some(1120),
        _ => None,
    }
}

fn kem_name(kem: u16) -> String {
    match kem {
        X25519 => "DHKEM(X25519, HKDF-SHA256)".to_owned(),
        X_WING => "X-Wing (ML-KEM-768 and X25519)".to_owned(),
        other => format!("KEM {other:#06x}"),
    }
}

fn kdf_name(kdf: u16) -> String {
    match kdf {
        1 => "HKDF-SHA256".to_owned(),
        2 => "HKDF-SHA384".to_owned(),
        3 => "HKDF-SHA512".to_owned(),
        other => format!("KDF {other:#06x}"),
    }
}

fn aead_name(aead: u16) -> String {
    match aead {
        1 => "AES-128-GCM".to_owned(),
        2 => "AES-256-GCM".to_owned(),
        3 => "ChaCha20-Poly1305".to_owned(),
        other => format!("AEAD {other:#06x}"),
    }
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(head)
}

fn number(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}
