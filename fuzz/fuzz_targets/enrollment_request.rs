//! The body of `POST /v1/enrollments`, of any bytes: refused, or a request that is the same when it is written again; never
//! a panic. What stands in front of it in the first line is its `Accept-Language`.
#![no_main]

use std::sync::LazyLock;

use id_prover::courier::Language;
use libfuzzer_sys::fuzz_target;
use protocol::cpi::Cpi;
use protocol::enrollment::EnrollmentRequest;
use protocol::{Document as _, Signed, SigningKey, Unverified};

/// The user's key of the seeds in `corpus/enrollment_request`.
static USER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed(&[1; 32]));

fuzz_target!(|request: &[u8]| {
    let line = request.iter().position(|byte| *byte == b'\n');
    let (language, body) = line.map_or((&b""[..], request), |end| (&request[..end], &request[end + 1..]));
    if let Ok(language) = std::str::from_utf8(language) {
        let language = Language::negotiate(language);
        assert!(Language::from_tag(language.tag()).is_some());
    }
    let Ok(unverified) = Unverified::<EnrollmentRequest>::parse(body) else { return };
    assert!(body.len() <= EnrollmentRequest::MAX_BYTES);
    let document = unverified.unverified_document().clone();
    assert_eq!(Cpi::parse(document.cpi.as_str()).as_ref(), Ok(&document.cpi));
    if let Cpi::Phone(number) = &document.cpi {
        // What the limits and the numbering plan ask of it.
        let _ = number.is_assigned();
        assert!(number.to_international().starts_with('+'));
    }
    let again = Signed::sign(document.clone(), &USER);
    let read = Unverified::<EnrollmentRequest>::parse(again.bytes()).expect("what is written can be read");
    assert_eq!(*read.unverified_document(), document);
    if let Ok(signed) = unverified.verify(&USER.public()) {
        assert_eq!((signed.bytes(), again.bytes()), (body, body));
    }
});
