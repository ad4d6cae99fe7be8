//! Spellings that are equal, forms that are refused, and the older `im:` forms.

use proptest::prelude::*;

use super::*;

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

#[test]
fn older_forms_compare_by_what_they_denote() {
    let of = |uri: &str| ImUri::parse(uri).unwrap();
    assert_eq!(of("IM:IRC=IRC.example.com/%23projectX"), of("im:irc=irc.example.com/#projectX"));
    assert_eq!(of("im:wxyz=%40alice@example.com"), of("im:wxyz=@alice@example.com"));
    assert_eq!(of("im:irc=irc.example.com/%26local,isChannel"), of("im:irc=irc.example.com/&local"));
    assert_ne!(of("im:alice@example.com"), of("im:Alice@example.com"));
    assert_ne!(of("im:irc=irc.example.com/juliet,isuser"), of("im:irc=irc.example.com/juliet"));
    assert!(of("im:xmpp=room@example.com,isChannel").parameters().eq(["ischannel"]));
    assert!(!format!("{:?}", of("im:alice@example.com")).contains("alice"));
}

#[test]
fn older_forms_without_counterpart() {
    for uri in [
        "im:irc=irc.example.com/#projectX,isuser",
        "im:irc=irc.example.com/juliet,isuser,ischannel",
        "im:irc=irc.example.com/juliet,x=y",
        "im:wxyz=##engineering/projX@example.com",
        "im:wxyz=##engineering@example.com,ischannel,isuser",
        "im:wxyz=$group@example.com,isuser",
        "im:wxyz=@a@example.com,ischannel",
        "im:a/b/c@example.com",
        "im:a//b@example.com",
        "im:%2e%2e@example.com",
        "im:#@example.com",
        "im:example.com,isuser",
    ] {
        assert_eq!(ImUri::parse(uri).unwrap().to_mimi(), None, "{uri}");
    }
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
            if let Some(mimi) = uri.to_mimi() {
                prop_assert_eq!(mimi.provider(), uri.domain());
                prop_assert_eq!(MimiUri::parse_canonical(&mimi.to_string()), Ok(mimi));
            }
            prop_assert_eq!(ImUri::parse(&uri.to_string()), Ok(uri));
        }
    }
}
