//! The query's encoding against the draft, and every malformed message refused.

use proptest::prelude::*;

use super::*;
use crate::fixtures::{cpi, msp};
use crate::mimi_uri::{MimiUri, Msp, Psi};

fn request(elements: &[QueryElement]) -> IdentifierRequest {
    IdentifierRequest::new(elements.to_vec()).unwrap()
}

fn phone(value: &str) -> QueryElement {
    QueryElement::Phone(value.to_owned())
}

fn email(value: &str) -> QueryElement {
    QueryElement::Email(value.to_owned())
}

fn handle(value: &str) -> QueryElement {
    QueryElement::Handle(value.to_owned())
}

fn every_element() -> [QueryElement; 8] {
    let text = |text: &str| text.to_owned();
    [
        handle("im:alice.smith@a.example"),
        QueryElement::Nick(text("alice.smith")),
        email("asmith@a.example"),
        phone("+12125551212"),
        QueryElement::PartialName(text("mat")),
        QueryElement::WholeProfile(text("mat")),
        QueryElement::OidcStdClaim(text("given_name"), text("Alice")),
        QueryElement::VcardField(text("ORG"), text("Example")),
    ]
}

/// The layout of the draft, octet by octet, for each search type.
#[test]
fn elements_are_laid_out_as_the_draft_says() {
    for (element, layout) in every_element().iter().zip([
        "01 18 696d3a616c6963652e736d69746840612e6578616d706c65",
        "02 0b 616c6963652e736d697468",
        "03 10 61736d69746840612e6578616d706c65",
        "04 0c 2b3132313235353531323132",
        "05 03 6d6174",
        "06 03 6d6174",
        "07 0a 676976656e5f6e616d65 05 416c696365",
        "08 03 4f5247 07 4578616d706c65",
    ]) {
        let element_bytes = hex::decode(layout.replace(' ', "")).unwrap();
        assert_eq!(element.search_type(), element_bytes[0]);
        let mut bytes = vec![u8::try_from(element_bytes.len()).unwrap()];
        bytes.extend_from_slice(&element_bytes);
        bytes.push(0);
        let made = request(std::slice::from_ref(element));
        assert_eq!(hex::encode(made.encode()), hex::encode(&bytes), "{element:?}");
        assert_eq!(IdentifierRequest::decode(&bytes), Ok(made));
    }
}

#[test]
fn malformed_requests_are_refused() {
    let long = "x".repeat(MAX_VALUE_BYTES + 1);
    assert_eq!(IdentifierRequest::new(vec![phone(&long)]), Err(QueryError::ValueTooLong));
    assert_eq!(IdentifierRequest::new(vec![phone("+1"); MAX_ELEMENTS + 1]), Err(QueryError::TooMany));
    assert_eq!(IdentifierRequest::new(vec![phone(&long[1..]); 4]), Err(QueryError::TooLong));
    for (what, hex, error) in [
        ("nothing", "", QueryError::Malformed),
        ("no extensions", "05 04 03 2b3132", QueryError::Malformed),
        ("cut in a value", "05 04 03 2b31", QueryError::Malformed),
        ("cut in a length", "40", QueryError::Malformed),
        ("octets behind", "05 04 03 2b3132 00 00", QueryError::Malformed),
        ("an element beyond its vector", "04 04 03 2b3132 00", QueryError::Malformed),
        ("a vector beyond the message", "3f 04 03 2b3132 00", QueryError::Malformed),
        ("a length that could be shorter", "4005 04 03 2b3132 00", QueryError::Malformed),
        ("a length of eight octets", "c000000000000005 04 03 2b3132 00", QueryError::Malformed),
        ("a length of no form", "bfffffff 04 03 2b3132 00", QueryError::Malformed),
        ("text that is not UTF-8", "03 04 01 ff 00", QueryError::Malformed),
        ("the reserved search type", "05 00 03 2b3132 00", QueryError::Malformed),
        ("a search type to come", "05 09 03 2b3132 00", QueryError::UnknownSearchType),
        ("the last search type", "05 ff 03 2b3132 00", QueryError::UnknownSearchType),
        ("a claim without value", "04 07 02 6162 00", QueryError::Malformed),
        ("components out of order", "00 08 0002 01 61 0001 01 61", QueryError::Extensions),
        ("a component twice", "00 08 0001 01 61 0001 01 61", QueryError::Extensions),
        ("half a component", "00 03 0001 01", QueryError::Malformed),
    ] {
        let bytes = hex::decode(hex.replace(' ', "")).unwrap();
        assert_eq!(IdentifierRequest::decode(&bytes), Err(error), "{what}");
    }
    assert_eq!(IdentifierRequest::decode(&vec![0; MAX_REQUEST_BYTES + 1]), Err(QueryError::TooLong));
    let with_extensions = hex::decode("0009000100000203616263").unwrap();
    let decoded = IdentifierRequest::decode(&with_extensions).unwrap();
    let components = decoded.extensions().components();
    assert_eq!(components.iter().map(|one| one.component_id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(components[1].data.as_slice(), b"abc");
    assert_eq!(decoded.encode(), with_extensions);
}

#[test]
fn malformed_responses_are_refused() {
    for (what, hex, error) in [
        ("nothing", "", QueryError::Malformed),
        ("a code to come", "05 00 00 00", QueryError::Malformed),
        ("success with nothing", "00 00 00 00", QueryError::Contradiction),
        ("notFound with something", "01 02 01 61 00 00", QueryError::Contradiction),
        ("an unassigned field source", "00 00 06 01 61 03 06 00 00 00", QueryError::Malformed),
        ("octets behind", "01 00 00 00 00", QueryError::Malformed),
    ] {
        let bytes = hex::decode(hex.replace(' ', "")).unwrap();
        assert_eq!(IdentifierResponse::decode(&bytes), Err(error), "{what}");
    }
    let of_uris = |uris: usize, length: usize| {
        let uri =
            [&[0x40 | u8::try_from(length >> 8).unwrap(), length.to_le_bytes()[0]][..], &vec![b'a'; length]].concat();
        let uris = uri.repeat(uris);
        let length = u32::try_from(uris.len()).unwrap() | 0x8000_0000;
        IdentifierResponse::decode(&[&[0][..], &length.to_be_bytes(), &uris, &[0, 0]].concat())
    };
    assert_eq!(of_uris(MAX_RESULTS, 300).unwrap().uris().len(), MAX_RESULTS);
    assert_eq!(of_uris(MAX_RESULTS + 1, 300), Err(QueryError::TooMany));
    assert_eq!(of_uris(16, MAX_VALUE_BYTES + 1), Err(QueryError::ValueTooLong));
    assert_eq!(of_uris(64, MAX_VALUE_BYTES), Err(QueryError::TooLong));
}

#[test]
fn profiles_of_other_providers_are_read() {
    let hex = "00 00 23 15 6d696d693a2f2f612e6578616d706c652f752f616c 0c 07 04 6e616d65 05 416c696365 00";
    let bytes = hex::decode(hex.replace(' ', "")).unwrap();
    let response = IdentifierResponse::decode(&bytes).unwrap();
    let profile = &response.profiles()[0];
    assert_eq!((response.code(), profile.stable_uri.as_str()), (ResponseCode::Success, "mimi://a.example/u/al"));
    assert_eq!((profile.fields[0].source, profile.fields[0].name.as_str()), (FieldSource::OidcStdClaim, "name"));
    assert_eq!(response.encode(), bytes);
}

#[test]
fn nothing_that_is_asked_or_found_is_printed() {
    let text = format!("{:?} {:?}", request(&every_element()), IdentifierResponse::found(&psi("u/alice")));
    for secret in ["alice", "2125551212", "asmith", "mat", "Example"] {
        assert!(!text.contains(secret), "{text}");
    }
}

fn psi(path: &str) -> Psi {
    Psi::parse(&format!("mimi://a.example/{path}")).unwrap()
}

type Found = std::collections::BTreeSet<(u8, Option<Psi>)>;

fn found(claims: &[(u8, Option<&str>)]) -> Found {
    claims.iter().map(|(holder, user)| (*holder, user.map(psi))).collect()
}

#[test]
fn requests_that_are_answered_at_once() {
    for (elements, refusal) in [
        (vec![], Refusal::Forbidden),
        (vec![handle("mimi://a.example/u/alice")], Refusal::Forbidden),
        (vec![phone("12125551212")], Refusal::NotFound),
        (vec![phone("+1 212 555 1212")], Refusal::NotFound),
        (vec![phone("tel:+12125551212")], Refusal::NotFound),
        (vec![phone("")], Refusal::NotFound),
        (vec![email("ASmith@a.example")], Refusal::NotFound),
        (vec![email("asmith@b\u{fc}cher.example")], Refusal::NotFound),
        (vec![email("mailto:asmith@a.example")], Refusal::NotFound),
        (vec![email("+12125551212")], Refusal::NotFound),
        (vec![phone("+12125551212"), email("no address")], Refusal::NotFound),
        (vec![phone("+12125551212"), handle("mimi://b.example/u/alice")], Refusal::NotFound),
        (vec![phone("+12125551212"), handle("mimi://A.example/u/alice")], Refusal::NotFound),
        (vec![phone("+12125551212"), handle("alice")], Refusal::NotFound),
        (
            vec![phone("+12125551212"), handle("mimi://a.example/u/alice"), handle("mimi://a.example/u/bob")],
            Refusal::NotFound,
        ),
        (vec![phone("not a number"), QueryElement::Nick("alice".to_owned())], Refusal::UnsupportedField),
    ] {
        assert_eq!(Question::of(&request(&elements), &msp()), Err(refusal), "{elements:?}");
    }
    for element in every_element().into_iter().filter(|element| !matches!(element.search_type(), 1 | 3 | 4)) {
        let question = Question::of(&request(&[phone("+12125551212"), element]), &msp());
        assert_eq!(question, Err(Refusal::UnsupportedField));
    }
}

#[test]
fn what_is_found_decides() {
    let ask = |elements: &[QueryElement], found: &[Found]| {
        let question = Question::of(&request(elements), &msp()).unwrap();
        assert_eq!(question.cpis().len(), found.len());
        let response = question.answer(found.to_vec());
        assert_eq!(IdentifierResponse::decode(&response.encode()).as_ref(), Ok(&response));
        (response.code(), response.uris().first().cloned())
    };
    let (number, address) = (phone("+12125551212"), email("asmith@a.example"));
    let alice = || Some("mimi://a.example/u/alice".to_owned());
    let (not_found, success) = ((ResponseCode::NotFound, None), (ResponseCode::Success, alice()));
    let by_number = |claims: &[(u8, Option<&str>)]| ask(std::slice::from_ref(&number), &[found(claims)]);
    assert_eq!(by_number(&[]), not_found);
    assert_eq!(by_number(&[(1, None)]), not_found, "the holder does not tell");
    assert_eq!(by_number(&[(1, Some("u/alice"))]), success);
    assert_eq!(by_number(&[(1, Some("u/alice")), (2, None)]), (ResponseCode::Ambiguous, None));
    assert_eq!(by_number(&[(1, Some("u/alice")), (2, Some("u/alice"))]), (ResponseCode::Ambiguous, None));

    let both = [number.clone(), address, number.clone()];
    let alices = || found(&[(1, Some("u/alice"))]);
    assert_eq!(ask(&both, &[alices(), alices()]), success, "a repeated element asks for nothing more");
    assert_eq!(ask(&both, &[alices(), found(&[])]), not_found);
    assert_eq!(ask(&both, &[alices(), found(&[(2, Some("u/alice"))])]), not_found, "two holders are two persons");
    assert_eq!(ask(&both, &[alices(), found(&[(1, Some("u/bob"))])]), not_found);
    assert_eq!(ask(&both, &[alices(), found(&[(1, Some("u/alice")), (2, Some("u/eve"))])]), success);

    for spelling in ["mimi://a.example/u/alice", "im:alice@a.example", "im:%40alice@A.example"] {
        let with_handle = [number.clone(), handle(spelling)];
        let several = found(&[(1, Some("u/alice")), (2, Some("u/eve")), (3, None)]);
        assert_eq!(ask(&with_handle, &[several]), success, "the handle tells them apart");
        assert_eq!(ask(&with_handle, &[found(&[(1, Some("u/alice")), (2, Some("u/alice"))])]), success);
        assert_eq!(ask(&with_handle, &[found(&[(1, Some("p/alice"))])]), not_found);
        assert_eq!(ask(&with_handle, &[found(&[(1, None)])]), not_found);
    }
}

#[test]
fn directories() {
    let of = |json: &str| Directory::from_json(json.as_bytes());
    let a = Msp::from_domain("b\u{fc}cher.example").unwrap();
    // The example of §5.1, with the colon that it lacks.
    let example = r#"{
        "keyMaterial": "https://mimi.example.com/v1/keyMaterial/{targetUser}",
        "update": "https://mimi.example.com/v1/update{roomId}",
        "identifierQuery":
           "https://mimi.example.com/v1/identifierQuery/{domain}",
        "proxyDownload": "https://mimi.example.com/v1/proxyDownload/{downloadUrl}"
    }"#;
    let url = of(example).unwrap().identifier_query(&a);
    assert_eq!(url, "https://mimi.example.com/v1/identifierQuery/xn--bcher-kva.example");
    assert_eq!(of(&Directory::at("provider.example").to_json()), Ok(Directory::at("provider.example")));
    for json in ["", "[]", "{}", r#"{"identifierQuery":7}"#, &format!("{}{}", " ".repeat(16 * 1024), example)] {
        assert_eq!(of(json), Err(DirectoryError::Malformed), "{json}");
    }
    for template in [
        "http://a.example/{domain}",
        "https://a.example/query",
        "https://{domain}/query",
        "https://a.example/{domain}/{domain}",
        "https://a.example/{domain}/{x}",
        "https://a.example/{domain} ",
        "https://a.example/{domain}#x",
        "",
    ] {
        let json = serde_json::json!({ "identifierQuery": template }).to_string();
        assert_eq!(of(&json), Err(DirectoryError::Template), "{template}");
    }
}

#[test]
fn elements_of_identifiers() {
    assert_eq!(QueryElement::of_cpi(&cpi()), phone("+14155552671"));
    let uri = MimiUri::parse("mimi://a.example/u/j%c3%bcrgen").unwrap();
    let asked = request(&[QueryElement::of_cpi(&cpi()), QueryElement::of_handle(&uri)]);
    assert_eq!(Question::of(&asked, &msp()).unwrap().cpis(), [cpi()]);
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,80}"
}

fn element() -> impl Strategy<Value = QueryElement> {
    prop_oneof![
        text().prop_map(QueryElement::Handle),
        text().prop_map(QueryElement::Nick),
        text().prop_map(QueryElement::Email),
        text().prop_map(QueryElement::Phone),
        text().prop_map(QueryElement::PartialName),
        text().prop_map(QueryElement::WholeProfile),
        (text(), text()).prop_map(|(name, value)| QueryElement::OidcStdClaim(name, value)),
        (text(), text()).prop_map(|(name, value)| QueryElement::VcardField(name, value)),
    ]
}

proptest! {
    #[test]
    fn requests_round_trip(elements in proptest::collection::vec(element(), 0..=MAX_ELEMENTS)) {
        let made = IdentifierRequest::new(elements).unwrap();
        prop_assert_eq!(IdentifierRequest::decode(&made.encode()), Ok(made));
    }

    /// No octets make a decoder panic, and what it accepts is what it would write.
    #[test]
    fn what_is_accepted_encodes_to_itself(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(request) = IdentifierRequest::decode(&bytes) {
            prop_assert_eq!(request.encode(), bytes.clone());
        }
        if let Ok(response) = IdentifierResponse::decode(&bytes) {
            prop_assert_eq!(response.encode(), bytes);
        }
    }

    /// Near misses: a good message with a few octets changed, cut or doubled.
    #[test]
    fn damaged_messages_are_refused_or_encode_to_themselves(
        elements in proptest::collection::vec(element(), 0..4),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut bytes = IdentifierRequest::new(elements).unwrap().encode();
        for (at, octet) in damage {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        if let Ok(request) = IdentifierRequest::decode(&bytes) {
            prop_assert_eq!(request.encode(), bytes.clone());
            // Whatever is asked, there is one answer to nothing found.
            if let Ok(question) = Question::of(&request, &msp()) {
                let nothing = question.cpis().iter().map(|_| Found::new());
                prop_assert_eq!(question.answer(nothing).code(), ResponseCode::NotFound);
            }
        }
        if let Ok(response) = IdentifierResponse::decode(&bytes) {
            prop_assert_eq!(response.encode(), bytes);
        }
    }
}
