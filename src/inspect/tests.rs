//! Every vector is described, and what we do not know is refused.

use super::*;

fn vector(name: &str) -> String {
    let path = format!("{}/docs/vectors/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    describe(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn documents_are_shown_with_names_and_times() {
    let text = vector("mapping");
    assert!(text.starts_with("signed document (COSE_Sign1)\n  18(\n"), "{text}");
    for shown in ["16 /typ/: \"application/mimi-mapping+cwt\"", "2 /sub/: \"tel:+", "/seq/: ", "Z /\n"] {
        assert!(text.contains(shown), "{shown} is missing from {text}");
    }
    assert!(vector("authenticated-mapping").contains("<<\n"));
}

#[test]
fn every_vector_is_described() {
    let folder = format!("{}/docs/vectors", env!("CARGO_MANIFEST_DIR"));
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let described = names.map(|path| describe(&std::fs::read(&path).unwrap()).unwrap_or_else(|_| panic!("{path:?}")));
    assert!(described.filter(|text| text.lines().count() > 2).count() >= 11);
}

#[test]
fn key_configurations_and_capsules_are_told_apart() {
    let suite = ohttp::SymmetricSuite::new(ohttp::hpke::Kdf::HkdfSha256, ohttp::hpke::Aead::ChaCha20Poly1305);
    let config = ohttp::KeyConfig::new(7, ohttp::hpke::Kem::X25519Sha256, vec![suite]).unwrap();
    let list = ohttp::KeyConfig::encode_list(&[&config]).unwrap();
    let text = describe(&list).unwrap();
    assert!(text.contains("key 7: DHKEM(X25519") && text.contains("HKDF-SHA256 with ChaCha20-Poly1305"), "{text}");
    let (capsule, _) = ohttp::ClientRequest::from_encoded_config_list(&list).unwrap().encapsulate(b"hello").unwrap();
    let text = describe(&capsule).unwrap();
    assert!(text.contains("for key 7: DHKEM(X25519") && text.contains("sealed content of 21 octets"), "{text}");
}

#[test]
fn what_we_do_not_know_is_refused() {
    for input in [&b""[..], &[0; 40], b"{\"json\": true}"] {
        assert!(describe(input).is_err(), "{input:?}");
    }
    assert!(describe(b"hello").is_err());
}
