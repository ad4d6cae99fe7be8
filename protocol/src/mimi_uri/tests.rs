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
        assert_eq!(parsed.segments(), segments, "{uri}");
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
    ] {
        assert_eq!(MimiUri::parse(one).unwrap(), MimiUri::parse(other).unwrap(), "{one}");
        assert!(MimiUri::parse_canonical(one).is_err(), "{one}");
    }
    assert_ne!(MimiUri::parse("mimi://a.example/u/Alice"), MimiUri::parse("mimi://a.example/u/alice"));
    assert_ne!(MimiUri::parse("mimi://a.example/u/alice"), MimiUri::parse("mimi://a.example/p/alice"));
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
    assert_eq!(msp.to_string(), "mimi://a.example");
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
        ("im:wxyz=%40alice@local.invalid", Some("wxyz"), "local.invalid", Some("@alice")),
        ("im:SvPfLlwBQi-6oddVRrkqpw/04c7@example.com", None, "example.com", Some("SvPfLlwBQi-6oddVRrkqpw/04c7")),
        ("im:%40alice.smith@example.com", None, "example.com", Some("@alice.smith")),
        ("im:%40alice_smith@example.com", None, "example.com", Some("@alice_smith")),
    ] {
        let parsed = ImUri::parse(uri).unwrap();
        assert_eq!((parsed.protocol(), parsed.domain(), parsed.identifier()), (protocol, domain, identifier), "{uri}");
        assert_eq!(ImUri::parse(&parsed.to_string()), Ok(parsed), "{uri}");
    }
    let same = ["im:irc=irc.example.com/#projectX", "IM:IRC=IRC.example.com/%23projectX"];
    assert_eq!(ImUri::parse(same[0]), ImUri::parse(same[1]));
    assert_ne!(ImUri::parse("im:irc=irc.example.com/%23projectX,ischannel"), ImUri::parse(same[0]));
    for (uri, error) in [
        ("im:", UriError::Provider),
        ("mailto:a", UriError::Scheme),
        ("im:a@", UriError::Provider),
        ("im:@a", UriError::Encoding),
    ] {
        assert_eq!(ImUri::parse(uri), Err(error), "{uri}");
    }
}

proptest! {
    #[test]
    fn printing_and_parsing_agree(user in "\\PC{1,40}", kind in prop::sample::select(vec!["u", "p", "r", "g", "t"])) {
        let text = format!("mimi://a.example/{kind}/{}", utf8_percent_encode(&user, ENCODED));
        if let Ok(uri) = MimiUri::parse(&text) {
            prop_assert_eq!(MimiUri::parse_canonical(&uri.to_string()), Ok(uri.clone()));
            prop_assert_eq!(uri.segments(), &[user]);
        }
    }

    #[test]
    fn the_canonical_form_is_what_prints_as_itself(tail in "[a-zA-Z0-9%/._~!@:é-]{0,30}") {
        let text = format!("mimi://a.example/{tail}");
        let canonical = MimiUri::parse(&text).is_ok_and(|uri| uri.to_string() == text);
        prop_assert_eq!(MimiUri::parse_canonical(&text).is_ok(), canonical);
    }

    #[test]
    fn older_forms_never_panic(text in "im:\\PC{0,40}") {
        if let Ok(uri) = ImUri::parse(&text) {
            prop_assert_eq!(ImUri::parse(&uri.to_string()), Ok(uri));
        }
    }
}
