//! S1: every example of draft-mahy-mimi-identity-00 and -04 (and those of draft-ietf-mimi-protocol-06), by section: what it
//! parses to, how it prints, what it equals, and which `mimi:` URI of -04 stands in the place of which `im:` URI of -00.

use protocol::mimi_uri::IdentifierKind::{self, Client, Group, Provider, Pseudonym, Room, Team, User};
use protocol::mimi_uri::{ImUri, ImUriError, MimiUri, Msp, Psi, UriError};

struct Mimi {
    section: &'static str,
    uri: &'static str,
    kind: IdentifierKind,
    provider: &'static str,
    segments: &'static [&'static str],
}

const fn mimi(
    section: &'static str,
    uri: &'static str,
    kind: IdentifierKind,
    provider: &'static str,
    segments: &'static [&'static str],
) -> Mimi {
    Mimi { section, uri, kind, provider, segments }
}

const MIMI: &[Mimi] = &[
    // draft-mahy-mimi-identity-04
    mimi("-04 §4, XMPP", "mimi://example.com", Provider, "example.com", &[]),
    mimi("-04 §4, XMPP", "mimi://example.com/u/juliet", User, "example.com", &["juliet"]),
    mimi("-04 §4, XMPP", "mimi://example.com/d/juliet/balcony", Client, "example.com", &["juliet", "balcony"]),
    mimi("-04 §4, IRC", "mimi://irc.example.com", Provider, "irc.example.com", &[]),
    mimi("-04 §4, IRC", "mimi://irc.example.com/u/juliet", User, "irc.example.com", &["juliet"]),
    mimi(
        "-04 §4, IRC",
        "mimi://irc.example.com/u/jcapulet1583@example.com",
        User,
        "irc.example.com",
        &["jcapulet1583@example.com"],
    ),
    mimi(
        "-04 §4, IRC",
        "mimi://irc.example.com/r/local_announcements_channel",
        Room,
        "irc.example.com",
        &["local_announcements_channel"],
    ),
    mimi("-04 §4, IRC", "mimi://irc.example.com/r/projectX", Room, "irc.example.com", &["projectX"]),
    mimi("-04 §4, Table 3", "mimi://a.example", Provider, "a.example", &[]),
    mimi("-04 §4, Table 3", "mimi://a.example/u/alice", User, "a.example", &["alice"]),
    mimi("-04 §4, Table 3", "mimi://a.example/p/crazykoala75", Pseudonym, "a.example", &["crazykoala75"]),
    mimi("-04 §4, Table 3", "mimi://a.example/d/ClientA1", Client, "a.example", &["ClientA1"]),
    mimi("-04 §4, Table 3", "mimi://a.example/d/alice/ClientA1", Client, "a.example", &["alice", "ClientA1"]),
    mimi("-04 §4, Table 3", "mimi://a.example/r/clubhouse", Room, "a.example", &["clubhouse"]),
    mimi("-04 §4, Table 3", "mimi://a.example/g/TII9t5viBrXiXc", Group, "a.example", &["TII9t5viBrXiXc"]),
    mimi("-04 §4, Table 3", "mimi://a.example/t/engineering", Team, "a.example", &["engineering"]),
    mimi("-04 §4", "mimi://local.invalid/u/alice.smith", User, "local.invalid", &["alice.smith"]),
    mimi(
        "-04 §6.1, §6.2, §6.3",
        "mimi://example.com/d/SvPfLlwBQi-6oddVRrkqpw/04c7",
        Client,
        "example.com",
        &["SvPfLlwBQi-6oddVRrkqpw", "04c7"],
    ),
    mimi("-04 §6.1", "mimi://example.com/u/alice.smith", User, "example.com", &["alice.smith"]),
    mimi("-04 §6.3", "mimi://example.com/u/alice_smith", User, "example.com", &["alice_smith"]),
    mimi("-04 §6.3", "mimi://example.com/u/a_smith", User, "example.com", &["a_smith"]),
    // draft-ietf-mimi-protocol-06
    mimi("protocol-06 §3, Table 1", "mimi://a.example/g/clubhouse", Group, "a.example", &["clubhouse"]),
    mimi("protocol-06 §4.3.2", "mimi://d.example/u/diana", User, "d.example", &["diana"]),
    mimi("protocol-06 §4.3.2", "mimi://e.example/u/eric", User, "e.example", &["eric"]),
    mimi("protocol-06 §4.3.2", "mimi://b.example/u/bob", User, "b.example", &["bob"]),
    mimi("protocol-06 §4.3.2", "mimi://c.example/u/cathy", User, "c.example", &["cathy"]),
    mimi("protocol-06 §5.4.1.1", "mimi://b.example/u/alice", User, "b.example", &["alice"]),
    mimi(
        "protocol-06 §5.4.1.1",
        "mimi://hub.example/r/Rl33FWLCYWOwxHrYnpWDQg",
        Room,
        "hub.example",
        &["Rl33FWLCYWOwxHrYnpWDQg"],
    ),
];

#[test]
fn s01_mimi_uris_parse_and_print_as_themselves() {
    for Mimi { section, uri, kind, provider, segments } in MIMI {
        let parsed = MimiUri::parse_canonical(uri).unwrap_or_else(|error| panic!("{section}: {uri}: {error}"));
        assert_eq!((parsed.kind(), parsed.provider()), (*kind, *provider), "{section}: {uri}");
        assert!(parsed.segments().eq(segments.iter().copied()), "{section}: {uri}");
        assert_eq!(parsed.to_string(), *uri, "{section}");
        assert_eq!(MimiUri::parse(uri), Ok(parsed), "{section}: {uri}");
        assert_eq!(Msp::parse_canonical(uri).is_ok(), *kind == Provider, "{section}: {uri}");
        assert_eq!(Psi::parse_canonical(uri).is_ok(), matches!(kind, User | Pseudonym | Client), "{section}: {uri}");
    }
}

/// "The first path segment in a MIMI URI discriminates the type of identifier" (-04 §4): all examples differ from each other,
/// and each from itself under another type. A pseudonym "could be represented with a first path segment as a User or as
/// Pseudonym, according to local policy": those are two URIs.
#[test]
fn s01_no_two_examples_are_equal() {
    for (index, one) in MIMI.iter().enumerate() {
        for other in &MIMI[index + 1..] {
            assert_ne!(MimiUri::parse(one.uri), MimiUri::parse(other.uri), "{} and {}", one.section, other.section);
        }
    }
    let of = |kind: &str| MimiUri::parse(&format!("mimi://a.example/{kind}/crazykoala75")).unwrap();
    assert_ne!(of("p"), of("u"));
}

/// What stands in the drafts and is no `mimi:` URI: the styles of other systems (-04 §3, Tables 1 and 2, and the text there),
/// and a slip of protocol-06 §5.3, whose type is `b`.
#[test]
fn s01_other_styles_are_no_mimi_uris() {
    for (section, text, error) in [
        ("-04 §3, Table 1", "juliet@example.com", UriError::Scheme),
        ("-04 §3, Table 1", "sip:juliet@example.com", UriError::Scheme),
        ("-04 §3, Table 1", "@juliet", UriError::Scheme),
        ("-04 §3, Table 1", "@juliet@example.com", UriError::Scheme),
        ("-04 §3", "!jcapulet1583@example.com", UriError::Scheme),
        ("-04 §3, Table 2", "juliet/balcony@example.com", UriError::Scheme),
        ("-04 §3, Table 2", "sip:juliet@[2001:db8::225:96ff:fe12:3456]", UriError::Scheme),
        ("-04 §3, Table 2", "0fd3e0dc-a2ff-4965-8873-509f0af0a75c/072b@example.com", UriError::Scheme),
        ("-04 §6.3", "dns:idp.example.com", UriError::Scheme),
        ("protocol-06 §5.3", "mimi://b.example/b/bob", UriError::Kind),
    ] {
        assert_eq!(MimiUri::parse(text), Err(error), "{section}: {text}");
    }
}

#[derive(Clone, Copy)]
struct Im {
    section: &'static str,
    uri: &'static str,
    prints: &'static str,
    protocol: Option<&'static str>,
    domain: &'static str,
    identifier: Option<&'static str>,
    /// The `mimi:` URI of -04 in its place, or of the same kind.
    mimi: Option<&'static str>,
}

/// An example that prints as itself.
const fn im(
    section: &'static str,
    uri: &'static str,
    protocol: Option<&'static str>,
    domain: &'static str,
    identifier: Option<&'static str>,
    mimi: Option<&'static str>,
) -> Im {
    Im { section, uri, prints: uri, protocol, domain, identifier, mimi }
}

const IRC: &str = "irc.example.com";
const EXAMPLE: &str = "example.com";

const IM: &[Im] = &[
    im("§3, XMPP", "im:xmpp=example.com", Some("xmpp"), EXAMPLE, None, Some("mimi://example.com")),
    im(
        "§3, XMPP",
        "im:xmpp=juliet@example.com",
        Some("xmpp"),
        EXAMPLE,
        Some("juliet"),
        Some("mimi://example.com/u/juliet"),
    ),
    im(
        "§3, XMPP",
        "im:xmpp=juliet/balcony@example.com",
        Some("xmpp"),
        EXAMPLE,
        Some("juliet/balcony"),
        Some("mimi://example.com/d/juliet/balcony"),
    ),
    im("§3, IRC", "im:irc=irc.example.com", Some("irc"), IRC, None, Some("mimi://irc.example.com")),
    im(
        "§3, IRC, nick",
        "im:irc=irc.example.com/juliet,isuser",
        Some("irc"),
        IRC,
        Some("juliet"),
        Some("mimi://irc.example.com/u/juliet"),
    ),
    Im {
        prints: "im:irc=irc.example.com/juliet!jcapulet1583%40example.com,isuser",
        ..im(
            "§3, IRC, user",
            "im:irc=irc.example.com/juliet%21jcapulet1583%40example.com,isuser",
            Some("irc"),
            IRC,
            Some("juliet!jcapulet1583@example.com"),
            Some("mimi://irc.example.com/u/jcapulet1583@example.com"),
        )
    },
    Im {
        prints: "im:irc=irc.example.com/&local_announcements_channel",
        ..im(
            "§3, IRC, local channel",
            "im:irc=irc.example.com/%26local_announcements_channel",
            Some("irc"),
            IRC,
            Some("&local_announcements_channel"),
            Some("mimi://irc.example.com/r/local_announcements_channel"),
        )
    },
    PROJECT_X[0],
    PROJECT_X[1],
    PROJECT_X[2],
    im("§3, figure", "im:wxyz=example.com", Some("wxyz"), EXAMPLE, None, Some("mimi://example.com")),
    im(
        "§3, figure",
        "im:wxyz=%40alice@example.com",
        Some("wxyz"),
        EXAMPLE,
        Some("@alice"),
        Some("mimi://example.com/u/alice"),
    ),
    im(
        "§3, figure",
        "im:wxyz=BFuVxW5BfqaMEfJDc8R7Qw/072b@example.com",
        Some("wxyz"),
        EXAMPLE,
        Some("BFuVxW5BfqaMEfJDc8R7Qw/072b"),
        Some("mimi://example.com/d/BFuVxW5BfqaMEfJDc8R7Qw/072b"),
    ),
    Im {
        prints: "im:wxyz=%23projectX@example.com",
        ..im(
            "§3, figure",
            "im:wxyz=#projectX@example.com",
            Some("wxyz"),
            EXAMPLE,
            Some("#projectX"),
            Some("mimi://example.com/r/projectX"),
        )
    },
    Im {
        prints: "im:wxyz=%23%23engineering@example.com",
        ..im(
            "§3, figure",
            "im:wxyz=##engineering@example.com",
            Some("wxyz"),
            EXAMPLE,
            Some("##engineering"),
            Some("mimi://example.com/t/engineering"),
        )
    },
    im(
        "§3, figure",
        "im:wxyz=$TII9t5viBrXiX@example.com",
        Some("wxyz"),
        EXAMPLE,
        Some("$TII9t5viBrXiX"),
        Some("mimi://example.com/g/TII9t5viBrXiX"),
    ),
    im(
        "§3, no domain",
        "im:wxyz=%40alice@local.invalid",
        Some("wxyz"),
        "local.invalid",
        Some("@alice"),
        Some("mimi://local.invalid/u/alice"),
    ),
    im(
        "§5.1, certificate; §5.2, DPoP; §5.3, credential",
        "im:SvPfLlwBQi-6oddVRrkqpw/04c7@example.com",
        None,
        EXAMPLE,
        Some("SvPfLlwBQi-6oddVRrkqpw/04c7"),
        Some("mimi://example.com/d/SvPfLlwBQi-6oddVRrkqpw/04c7"),
    ),
    im(
        "§5.1, certificate",
        "im:%40alice.smith@example.com",
        None,
        EXAMPLE,
        Some("@alice.smith"),
        Some("mimi://example.com/u/alice.smith"),
    ),
    im(
        "§5.3, credential",
        "im:%40alice_smith@example.com",
        None,
        EXAMPLE,
        Some("@alice_smith"),
        Some("mimi://example.com/u/alice_smith"),
    ),
];

/// "three ways to specify the projectX channel" (-00 §3); the second is given twice.
const PROJECT_X: [Im; 3] = [
    project_x("im:irc=irc.example.com/#projectX"),
    project_x("im:irc=irc.example.com/%23projectX"),
    project_x("im:irc=irc.example.com/%23projectX,ischannel"),
];

const fn project_x(uri: &'static str) -> Im {
    Im {
        section: "§3, IRC, projectX",
        uri,
        prints: "im:irc=irc.example.com/%23projectX",
        protocol: Some("irc"),
        domain: IRC,
        identifier: Some("#projectX"),
        mimi: Some("mimi://irc.example.com/r/projectX"),
    }
}

/// The domain scoped forms of the table of id types (-00 §3), which are no URIs, written as `im:` URIs of their protocol.
const SCOPED: &[(&str, &str, Option<&str>)] = &[
    ("domain", "example.com", Some("mimi://example.com")),
    ("handle", "@alice@example.com", Some("mimi://example.com/u/alice")),
    ("user", "BFuVxW5BfJc8R7Qw@example.com", Some("mimi://example.com/u/BFuVxW5BfJc8R7Qw")),
    ("device", "BFuVxW5BfJc8R7Qw/072b@example.com", Some("mimi://example.com/d/BFuVxW5BfJc8R7Qw/072b")),
    ("channel", "#projectX@example.com", Some("mimi://example.com/r/projectX")),
    ("team", "##engineering@example.com", Some("mimi://example.com/t/engineering")),
    // -04 has no room within a team.
    ("channel", "##engineering/projX@example.com", None),
    ("group id", "$TII9t5viBrXiXc@example.com", Some("mimi://example.com/g/TII9t5viBrXiXc")),
];

#[test]
fn s01_im_uris_parse_print_and_have_their_counterpart() {
    for Im { section, uri, prints, protocol, domain, identifier, mimi } in IM {
        let parsed = ImUri::parse(uri).unwrap_or_else(|error| panic!("{section}: {uri}: {error}"));
        let parts = (parsed.protocol(), parsed.domain(), parsed.identifier());
        assert_eq!(parts, (*protocol, *domain, *identifier), "{section}: {uri}");
        assert_eq!(parsed.to_string(), *prints, "{section}");
        assert_eq!(ImUri::parse(prints).as_ref(), Ok(&parsed), "{section}: {uri}");
        assert_eq!(parsed.to_mimi().map(|uri| uri.to_string()).as_deref(), *mimi, "{section}: {uri}");
    }
    for (id_type, scoped, mimi) in SCOPED {
        let parsed = ImUri::parse(&format!("im:wxyz={scoped}")).unwrap_or_else(|error| panic!("{id_type}: {error}"));
        assert_eq!(ImUri::parse(&parsed.to_string()).as_ref(), Ok(&parsed), "{id_type}");
        assert_eq!(parsed.to_mimi().map(|uri| uri.to_string()).as_deref(), *mimi, "{id_type}");
    }
}

#[test]
fn s01_three_ways_to_specify_one_channel_are_equal() {
    let ways = PROJECT_X.map(|way| ImUri::parse(way.uri).unwrap());
    assert_eq!((&ways[0], &ways[1]), (&ways[1], &ways[2]));
    for (index, one) in IM.iter().enumerate() {
        for other in &IM[index + 1..] {
            let same = one.prints == other.prints;
            assert_eq!(ImUri::parse(one.uri) == ImUri::parse(other.uri), same, "{} and {}", one.uri, other.uri);
        }
    }
}

/// The `wxyz:` scheme of the figure, the unscoped forms of the table, and the parameter that §3 mentions ("ex:
/// `;id-type=`") but does not use.
#[test]
fn s01_other_schemes_are_no_im_uris() {
    for (text, error) in [
        ("wxyz:example.com", ImUriError::Scheme),
        ("wxyz:%40alice@example.com", ImUriError::Scheme),
        ("wxyz:BFuVxW5BfqaMEfJDc8R7Qw/072b@example.com", ImUriError::Scheme),
        ("wxyz:#projectX@example.com", ImUriError::Scheme),
        ("wxyz:##engineering@example.com", ImUriError::Scheme),
        ("wxyz:$TII9t5viBrXiX@example.com", ImUriError::Scheme),
        ("@alice", ImUriError::Scheme),
        ("im:wxyz=@alice", ImUriError::Encoding),
        ("im:wxyz=BFuVxW5BfJc8R7Qw@example.com;id-type=user", ImUriError::Domain),
    ] {
        assert_eq!(ImUri::parse(text), Err(error), "{text}");
    }
}
