//! The body of `POST /v1/enrollments/{id}/proof`, of any bytes: refused, or a proof that is the same when it is written again;
//! opened, it yields a code or nothing; never a panic.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use protocol::SigningKey;
use protocol::enrollment::{Code, EnrollmentId, HpkeSecretKey, Proof};

/// The prover's key of the seeds in `corpus/enrollment_proof`.
static PROVER: LazyLock<HpkeSecretKey> = LazyLock::new(|| HpkeSecretKey::derive(&[2; 32]));

fuzz_target!(|body: &[u8]| {
    // The same bytes as the number in the path.
    if let Some(id) = std::str::from_utf8(body).ok().and_then(EnrollmentId::parse) {
        assert_eq!(id.to_string().as_bytes(), body);
    }
    let Ok(proof) = Proof::decode(body) else { return };
    assert_eq!(proof.encode(), body);
    let (id, user) = (EnrollmentId::from_bytes([7; 16]), SigningKey::from_seed(&[1; 32]).public().thumbprint());
    if let Ok(code) = proof.open(&id, &user, &PROVER) {
        assert_eq!(Code::parse(code.digits()).as_ref().map(Code::digits), Ok(code.digits()));
    }
});
