//! Signing keys from announced to forgotten, rotation cut short, and a token in place of the files.

use protocol::{Signed, SigningKey};
use service::secret_file;

use super::files::{SIGNING, key_file, next_file, retired_file};
use super::*;
use crate::fixtures::{DAY, HOUR, NOW};

fn thumbprints(keys: &Keys, now: Timestamp) -> Vec<Thumbprint> {
    keys.retired_signing(now).map(|retired| retired.key.public().thumbprint()).collect()
}

#[test]
fn a_signing_key_is_announced_then_used_then_retired_then_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let first = public_signing_key(path).unwrap();
    assert!(matches!(rotation::activate(path, NOW, DAY), Err(rotation::RotationError::NotPrepared)));

    let next = rotation::prepare(path).unwrap();
    assert_eq!(rotation::prepare(path).unwrap(), next);
    let keys = Keys::read(path).unwrap();
    assert_eq!((keys.signing().public(), keys.next_signing().copied()), (first, Some(next)));

    assert_eq!(rotation::activate(path, NOW, DAY).unwrap(), next);
    let keys = Keys::read(path).unwrap();
    assert_eq!((keys.signing().public(), keys.next_signing().copied()), (next, None));
    assert_eq!(thumbprints(&keys, NOW.plus(DAY)), [first.thumbprint()]);
    assert_eq!(thumbprints(&keys, NOW.plus(DAY + HOUR)), []);
    assert_eq!(keys.signing_key(&first.thumbprint()).map(|key| key.public()), Some(first));

    assert_eq!(rotation::forget(path, NOW.plus(DAY)).unwrap(), 0);
    assert_eq!(rotation::forget(path, NOW.plus(DAY + HOUR)).unwrap(), 1);
    assert!(Keys::read(path).unwrap().signing_key(&first.thumbprint()).is_none());
}

#[test]
fn a_rotation_that_is_cut_short_leaves_the_present_key_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let first = public_signing_key(path).unwrap();
    rotation::prepare(path).unwrap();
    let content = std::fs::read(key_file(path, SIGNING)).unwrap();
    secret_file::write(&retired_file(path, SIGNING, NOW.plus(DAY)), &content).unwrap();
    let keys = Keys::read(path).unwrap();
    assert_eq!(keys.signing().public(), first);
    assert_eq!(thumbprints(&keys, NOW), []);
}

#[test]
fn a_proof_opens_for_an_hour_after_its_hpke_key_retired() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (id, user) = (EnrollmentId::from_bytes([7; 16]), crate::fixtures::user().public().thumbprint());
    let code = Code::parse("12345678").unwrap();
    let sealed_to = Keys::read(path).unwrap().hpke().public();
    let proof = Proof::seal(&code, &id, &user, &sealed_to, &mut rand::rng()).unwrap();
    rotation::renew_hpke(path, NOW).unwrap();
    let keys = Keys::read(path).unwrap();
    assert_ne!(keys.hpke().public(), sealed_to);
    assert!(keys.open_proof(&proof, &id, &user, NOW.plus(HOUR)) == Some(keys.hash_code(&id, &code)));
    assert!(keys.open_proof(&proof, &id, &user, NOW.plus(HOUR + HOUR)).is_none());
}

#[test]
fn an_exposed_or_damaged_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    Keys::read(path).unwrap();
    secret_file::write(&next_file(path), b"no key").unwrap();
    assert!(matches!(Keys::read(path), Err(SecretFileError::Content { bytes: 32, .. })));
}

/// A token whose one key has another public half than it says.
struct Liar(Arc<dyn Signer>);

impl Signer for Liar {
    fn label(&self) -> &str {
        "liar"
    }

    fn public(&self) -> PublicKey {
        crate::fixtures::user().public()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], TokenError> {
        self.0.sign(message)
    }
}

#[test]
fn a_token_signs_as_the_key_itself_does_and_a_wrong_signature_does_not_leave() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::read(folder.path()).unwrap();
    let seed = files::read_or_create(folder.path(), SIGNING).unwrap();
    let document = crate::fixtures::request(7).document().clone();
    let signed = token::sign(&document, &**keys.signing()).unwrap();
    assert_eq!(signed, Signed::sign(document.clone(), &SigningKey::from_seed(&seed)));
    let liar = Liar(Arc::clone(keys.signing()));
    assert!(matches!(token::sign(&document, &liar), Err(TokenError::Wrong(label)) if label == "liar"));
}
