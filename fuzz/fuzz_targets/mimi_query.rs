//! The MIMI protocol's identifier query in TLS presentation language, and the provider's directory, of any bytes: refused, or written
//! again as it came; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::mimi_query::{Directory, IdentifierRequest, IdentifierResponse, Question};
use protocol::mimi_uri::Msp;

fuzz_target!(|body: &[u8]| {
    if let Ok(request) = IdentifierRequest::decode(body) {
        assert_eq!(request.encode(), body);
        let msp = Msp::parse("mimi://a.example").expect("an MSP");
        if let Ok(question) = Question::of(&request, &msp) {
            assert!(question.cpis().len() <= request.elements().len());
        }
    }
    if let Ok(response) = IdentifierResponse::decode(body) {
        assert_eq!(response.encode(), body);
        let _ = response.uris();
    }
    if let Ok(directory) = Directory::from_json(body) {
        let again = Directory::from_json(directory.to_json().as_bytes());
        assert!(again.is_ok_and(|again| again == directory));
        let _ = directory.identifier_query(&Msp::parse("mimi://a.example").expect("an MSP"));
    }
});
