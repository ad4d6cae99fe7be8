use proptest::prelude::*;

use super::*;

/// Every `mimi:` example of draft-mahy-mimi-identity-04 (§4, Table 3, §5, §6) and of draft-ietf-mimi-protocol-06 §3.
#[test]
fn every_example_of_the_drafts() {
    use IdentifierKind::{Client, Group, Provider, Pseudonym, Room, Team, User};
    for (uri, kind, provider, segments) in [
        ("mimi://example.com", Provider, "example.com", &[][..]),
        ("mimi://example.com/u/juliet", User, "example.com", &["juliet"]),
        ("mimi://example.com/d/juliet/balcony", Client, "example.com", &["juliet", "balcony"]),
        ("mimi://irc.example.com", Provider, "irc.example.com", &[]),
        ("mimi://irc.example.com/u/juliet", User, "irc.example.com", &["juliet"]),
        ("mimi://irc.example.com/u/jcapulet1583@example.com", User, "irc.example.com", &["jcapulet1583@example.com"]),
        (
            "mimi://irc.example.com/r/local_announcements_channel",
            Room,
            "irc.example.com",
            &["local_announcements_channel"],
        ),
        ("mimi://irc.example.com/r/projectX", Room, "irc.example.com", &["projectX"]),
        ("mimi://a.example", Provider, "a.example", &[]),
        ("mimi://a.example/u/alice", User, "a.example", &["alice"]),
        ("mimi://a.example/p/crazykoala75", Pseudonym, "a.example", &["crazykoala75"]),
        ("mimi://a.example/d/ClientA1", Client, "a.example", &["ClientA1"]),
        ("mimi://a.example/d/alice/ClientA1", Client, "a.example", &["alice", "ClientA1"]),
        ("mimi://a.example/r/clubhouse", Room, "a.example", &["clubhouse"]),
        ("mimi://a.example/g/TII9t5viBrXiXc", Group, "a.example", &["TII9t5viBrXiXc"]),
        ("mimi://a.example/t/engineering", Team, "a.example", &["engineering"]),
        ("mimi://local.invalid/u/alice.smith", User, "local.invalid", &["alice.smith"]),
        (
            "mimi://example.com/d/SvPfLlwBQi-6oddVRrkqpw/04c7",
            Client,
            "example.com",
            &["SvPfLlwBQi-6oddVRrkqpw", "04c7"],
        ),
        ("mimi://example.com/u/alice.smith", User, "example.com", &["alice.smith"]),
        ("mimi://example.com/u/alice_smith", User, "example.com", &["alice_smith"]),
        ("mimi://example.com/u/a_smith", User, "example.com", &["a_smith"]),
        ("mimi://a.example/g/clubhouse", Group, "a.example", &["clubhouse"]),
        ("mimi://hub.example/r/Rl33FWLCYWOwxHrYnpWDQg", Room, "hub.example", &["Rl33FWLCYWOwxHrYnpWDQg"]),
    ] {
        let parsed = MimiUri::parse_canonical(uri).unwrap();
        assert_eq!((parsed.kind(), parsed.provider()), (kind, provider), "{uri}");
        assert!(parsed.segments().eq(segments.iter().copied()), "{uri}");
        assert_eq!(parsed.to_string(), uri);
    }
}

#[test]
fn spellings_of_one_uri_are_equal() {
    for (one, other) in [
        ("MIMI://A.EXAMPLE/u/alice", "mimi://a.example/u/alice"),
        ("mimi://a.example/u/%61lice", "mimi://a.example/u/alice"),
        ("mimi://a.example/u/j%c3%bcrgen", "mimi://a.example/u/jürgen"),
        ("mimi://bücher.example", "mimi://xn--bcher-kva.example"),
        ("mimi://a.example/u/a%2fb", "mimi://a.example/u/a%2Fb"),
        ("mimi://a.example/d/%7ealice/1%2E", "mimi://a.example/d/~alice/1."),
        ("mimi://A.EXAMPLE/u/a%c3%b6%40b", "mimi://a.example/u/aö%40b"),
    ] {
        assert_eq!(MimiUri::parse(one).unwrap(), MimiUri::parse(other).unwrap(), "{one}");
        assert!(MimiUri::parse_canonical(one).is_err(), "{one}");
    }
    assert_ne!(MimiUri::parse("mimi://a.example/u/Alice"), MimiUri::parse("mimi://a.example/u/alice"));
    assert_ne!(MimiUri::parse("mimi://a.example/u/alice"), MimiUri::parse("mimi://a.example/p/alice"));
}

/// RFC 3986 §2.2: a reserved character and its encoding are not equivalent, although they decode to the same.
#[test]
fn reserved_characters_stay_as_they_are_written() {
    let (plain, encoded) = ("mimi://a.example/u/a@b", "mimi://a.example/u/a%40b");
    let uris = [plain, encoded].map(|uri| MimiUri::parse_canonical(uri).unwrap());
    assert_ne!(uris[0], uris[1]);
    assert!(uris[0].segments().eq(uris[1].segments()));
    assert_eq!(MimiUri::parse("mimi://a.example/u/ü/").unwrap_err(), UriError::Segments);
    assert_eq!(MimiUri::parse("mimi://a.example/u/ü").unwrap().to_string(), "mimi://a.example/u/%C3%BC");
}

#[test]
fn every_rule_refuses() {
    let long = format!("mimi://a.example/u/{}", "x".repeat(MAX_BYTES));
    let long_when_encoded = format!("mimi://a.example/u/{}", "ü".repeat(400));
    for (uri, error) in [
        ("", UriError::Scheme),
        ("mimi:a.example", UriError::Scheme),
        ("xmpp://a.example", UriError::Scheme),
        ("mimi://", UriError::Provider),
        ("mimi://alice@a.example", UriError::Provider),
        ("mimi://a.example:443", UriError::Provider),
        ("mimi://[::1]/u/alice", UriError::Provider),
        ("mimi://a_b.example", UriError::Provider),
        ("mimi://127.0.0.1/u/alice", UriError::Provider),
        ("mimi://a.example.", UriError::Provider),
        ("mimi://a..example", UriError::Provider),
        ("mimi://%61.example", UriError::Provider),
        ("mimi:///u/alice", UriError::Provider),
        ("mimi://a.example?x", UriError::QueryOrFragment),
        ("mimi://a.example/u/alice#x", UriError::QueryOrFragment),
        ("mimi://a.example/", UriError::Kind),
        ("mimi://a.example/x/alice", UriError::Kind),
        ("mimi://a.example/U/alice", UriError::Kind),
        ("mimi://a.example/u", UriError::Segments),
        ("mimi://a.example/u/", UriError::Segments),
        ("mimi://a.example/u/..", UriError::Segments),
        ("mimi://a.example/u/%2e", UriError::Segments),
        ("mimi://a.example/u/a/b", UriError::Segments),
        ("mimi://a.example/d/a/b/c", UriError::Segments),
        ("mimi://a.example/u/%", UriError::Encoding),
        ("mimi://a.example/u/%zz", UriError::Encoding),
        ("mimi://a.example/u/%4", UriError::Encoding),
        ("mimi://a.example/u/%+4", UriError::Encoding),
        ("mimi://a.example/u/%C3", UriError::Encoding),
        ("mimi://a.example/u/%C2%85", UriError::Encoding),
        ("mimi://a.example/u/a\\b", UriError::Encoding),
        ("mimi://a.example/u/a\u{7f}", UriError::Encoding),
        ("mimi://a.example/u/%ff", UriError::Encoding),
        ("mimi://a.example/u/a%00", UriError::Encoding),
        ("mimi://a.example/u/a b", UriError::Encoding),
        (&long, UriError::TooLong),
        (&long_when_encoded, UriError::TooLong),
    ] {
        assert_eq!(MimiUri::parse(uri), Err(error), "{uri}");
    }
}

#[test]
fn providers_and_identifiers_at_them() {
    let msp = Msp::from_domain("A.example").unwrap();
    assert_eq!((msp.to_string().as_str(), msp.domain()), ("mimi://a.example", "a.example"));
    assert_eq!(format!("{msp:?}"), "mimi://a.example");
    assert_eq!(Msp::from_domain("bücher.example").unwrap().domain(), "xn--bcher-kva.example");
    assert_eq!(Msp::from_domain("a.example/u/alice"), Err(UriError::Provider));
    assert_eq!(Msp::parse_canonical("mimi://A.example"), Err(UriError::NotCanonical));
    assert_eq!(Msp::parse("mimi://a.example/u/alice"), Err(UriError::WrongKind));
    for uri in ["mimi://a.example/u/alice", "mimi://a.example/p/koala", "mimi://a.example/d/alice/1"] {
        let psi = Psi::parse_canonical(uri).unwrap();
        assert!(psi.belongs_to(&msp) && psi.provider() == msp);
        assert!(!format!("{psi:?}").contains("alice"));
    }
    assert!(!Psi::parse("mimi://b.example/u/alice").unwrap().belongs_to(&msp));
    for uri in ["mimi://a.example", "mimi://a.example/r/room", "mimi://a.example/g/group", "mimi://a.example/t/team"] {
        assert_eq!(Psi::parse(uri), Err(UriError::WrongKind));
    }
}

/// Every `im:` example of draft-mahy-mimi-identity-00.
#[test]
fn every_example_of_the_older_draft() {
    for (uri, protocol, domain, identifier) in [
        ("im:xmpp=example.com", Some("xmpp"), "example.com", None),
        ("im:xmpp=juliet@example.com", Some("xmpp"), "example.com", Some("juliet")),
        ("im:xmpp=juliet/balcony@example.com", Some("xmpp"), "example.com", Some("juliet/balcony")),
        ("im:irc=irc.example.com", Some("irc"), "irc.example.com", None),
        ("im:irc=irc.example.com/juliet,isuser", Some("irc"), "irc.example.com", Some("juliet")),
        (
            "im:irc=irc.example.com/juliet%21jcapulet1583%40example.com,isuser",
            Some("irc"),
            "irc.example.com",
            Some("juliet!jcapulet1583@example.com"),
        ),
        (
            "im:irc=irc.example.com/%26local_announcements_channel",
            Some("irc"),
            "irc.example.com",
            Some("&local_announcements_channel"),
        ),
        ("im:irc=irc.example.com/#projectX", Some("irc"), "irc.example.com", Some("#projectX")),
        ("im:irc=irc.example.com/%23projectX", Some("irc"), "irc.example.com", Some("#projectX")),
        ("im:irc=irc.example.com/%23projectX,ischannel", Some("irc"), "irc.example.com", Some("#projectX")),
        ("im:wxyz=example.com", Some("wxyz"), "example.com", None),
        ("im:wxyz=%40alice@example.com", Some("wxyz"), "example.com", Some("@alice")),
        (
            "im:wxyz=BFuVxW5BfqaMEfJDc8R7Qw/072b@example.com",
            Some("wxyz"),
            "example.com",
            Some("BFuVxW5BfqaMEfJDc8R7Qw/072b"),
        ),
        ("im:wxyz=#projectX@example.com", Some("wxyz"), "example.com", Some("#projectX")),
        ("im:wxyz=##engineering@example.com", Some("wxyz"), "example.com", Some("##engineering")),
        ("im:wxyz=$TII9t5viBrXiX@example.com", Some("wxyz"), "example.com", Some("$TII9t5viBrXiX")),
        // The domain scoped forms of the table of id types, written as im: URIs.
        ("im:wxyz=@alice@example.com", Some("wxyz"), "example.com", Some("@alice")),
        ("im:wxyz=BFuVxW5BfJc8R7Qw@example.com", Some("wxyz"), "example.com", Some("BFuVxW5BfJc8R7Qw")),
        ("im:wxyz=BFuVxW5BfJc8R7Qw/072b@example.com", Some("wxyz"), "example.com", Some("BFuVxW5BfJc8R7Qw/072b")),
        ("im:wxyz=##engineering/projX@example.com", Some("wxyz"), "example.com", Some("##engineering/projX")),
        ("im:wxyz=$TII9t5viBrXiXc@example.com", Some("wxyz"), "example.com", Some("$TII9t5viBrXiXc")),
        ("im:wxyz=%40alice@local.invalid", Some("wxyz"), "local.invalid", Some("@alice")),
        ("im:SvPfLlwBQi-6oddVRrkqpw/04c7@example.com", None, "example.com", Some("SvPfLlwBQi-6oddVRrkqpw/04c7")),
        ("im:%40alice.smith@example.com", None, "example.com", Some("@alice.smith")),
        ("im:%40alice_smith@example.com", None, "example.com", Some("@alice_smith")),
    ] {
        let parsed = ImUri::parse(uri).unwrap();
        assert_eq!((parsed.protocol(), parsed.domain(), parsed.identifier()), (protocol, domain, identifier), "{uri}");
        assert_eq!(ImUri::parse(&parsed.to_string()), Ok(parsed), "{uri}");
    }
    let channel = ImUri::parse("im:irc=irc.example.com/#projectX").unwrap();
    assert_eq!(ImUri::parse("IM:IRC=IRC.example.com/%23projectX").as_ref(), Ok(&channel));
    assert_eq!(ImUri::parse("im:wxyz=%40alice@example.com"), ImUri::parse("im:wxyz=@alice@example.com"));
    let with_parameter = ImUri::parse("im:irc=irc.example.com/%23projectX,isChannel").unwrap();
    assert!(with_parameter.parameters().eq(["ischannel"]));
    assert_ne!(with_parameter, channel);
    assert_ne!(ImUri::parse("im:alice@example.com"), ImUri::parse("im:Alice@example.com"));
    assert!(!format!("{:?}", ImUri::parse("im:alice@example.com").unwrap()).contains("alice"));
}

#[test]
fn every_rule_of_the_older_forms_refuses() {
    let long = format!("im:{}@example.com", "x".repeat(MAX_BYTES));
    let long_when_encoded = format!("im:{}@example.com", "<".repeat(400));
    for (uri, error) in [
        ("im:", ImUriError::Domain),
        ("mailto:a", ImUriError::Scheme),
        ("im", ImUriError::Scheme),
        ("im:a@", ImUriError::Domain),
        ("im:a@b_c.example", ImUriError::Domain),
        ("im:a@127.0.0.1", ImUriError::Domain),
        ("im:@a.example", ImUriError::Encoding),
        ("im:a.example/", ImUriError::Encoding),
        ("im:%zz@a.example", ImUriError::Encoding),
        ("im:%ff@a.example", ImUriError::Encoding),
        ("im:%0a@a.example", ImUriError::Encoding),
        ("im:alice@a.example?Subject=x", ImUriError::Query),
        ("im:alice@a.example,", ImUriError::Parameter),
        ("im:alice@a.example,is user", ImUriError::Parameter),
        ("im:alice,bob@a.example", ImUriError::Parameter),
        (&long, ImUriError::TooLong),
        (&long_when_encoded, ImUriError::TooLong),
    ] {
        assert_eq!(ImUri::parse(uri), Err(error), "{uri}");
    }
}

proptest! {
    #[test]
    fn printing_and_parsing_agree(
        user in "\\PC{1,40}",
        kind in prop::sample::select(vec!["u", "p", "d", "r", "g", "t"]),
    ) {
        prop_assume!(user != "." && user != "..");
        let encoded: String = user.bytes().map(percent_encode_byte).collect();
        let uri = MimiUri::parse(&format!("mimi://a.example/{kind}/{encoded}")).unwrap();
        prop_assert_eq!(MimiUri::parse_canonical(&uri.to_string()), Ok(uri.clone()));
        prop_assert_eq!(uri.segments().collect::<Vec<_>>(), [user]);
    }

    #[test]
    fn the_canonical_form_is_what_prints_as_itself(tail in "[updrgt]/([a-zA-Z0-9._~!@:é-]|%[2-7][0-9a-fA-F]){0,12}(/[a-z%]{0,3})?") {
        let text = format!("mimi://a.example/{tail}");
        let parsed = MimiUri::parse(&text);
        let canonical = parsed.as_ref().is_ok_and(|uri| uri.to_string() == text);
        prop_assert_eq!(MimiUri::parse_canonical(&text).is_ok(), canonical);
        if let Ok(uri) = parsed {
            prop_assert_eq!(MimiUri::parse_canonical(&uri.to_string()), Ok(uri));
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "(mimi://)?\\PC{0,60}") {
        if let Ok(uri) = MimiUri::parse(&text) {
            prop_assert_eq!(MimiUri::parse_canonical(&uri.to_string()), Ok(uri));
        }
    }

    #[test]
    fn older_forms_agree_with_what_they_print(text in "im:([a-z]{1,4}=)?[#@/a-zé%2-9<]{0,12}@?[a-z.]{1,12}(/[a-z#é]{1,5})?(,[a-z]{1,5})?") {
        if let Ok(uri) = ImUri::parse(&text) {
            prop_assert_eq!(ImUri::parse(&uri.to_string()), Ok(uri));
        }
    }
}
