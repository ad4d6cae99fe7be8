//! Email addresses of all the shapes that validators are tried with (those of the `isemail` set, made anew), held to RFC 5321, 5322 and
//! 6532 as far as `docs/protocol.md` §1 takes them: what is no plain dot-atom at a domain name is refused, whatever the RFCs would allow.

use protocol::cpi::Cpi;

/// Taken, and written so.
const TAKEN: [(&str, &str); 34] = [
    ("the plainest", "a@b.example"),
    ("one label more", "test@mail.b.example"),
    ("dots in between", "first.middle.last@b.example"),
    ("a tag", "user+tag@b.example"),
    ("only signs", "!#$%&'*+-/=?^_`{|}~@b.example"),
    ("a leading sign", "-user@b.example"),
    ("a trailing sign", "user-@b.example"),
    ("only digits", "123@b.example"),
    ("a domain that begins with digits", "user@123.example"),
    ("a one-letter domain and top", "user@a.x"),
    ("a digit in the top domain", "user@b.c4"),
    ("a hyphen in the domain", "user@a-b.example"),
    ("a tilde", "~user@b.example"),
    ("an apostrophe", "o'neill@b.example"),
    ("a slash", "a/b@b.example"),
    ("an equals sign", "a=b@b.example"),
    ("a question mark", "a?b@b.example"),
    ("a percent sign, once a route", "user%host@b.example"),
    ("an exclamation mark, once a route", "host!user@b.example"),
    ("64 octets of local part", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.example"),
    ("63 octets of a label", "a@bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.example"),
    ("an A-label", "user@xn--bcher-kva.example"),
    ("an internationalised local part", "bücher@b.example"),
    ("Cyrillic", "почта@b.example"),
    ("Chinese", "用户@b.example"),
    ("Devanagari with its marks", "हिन्दी@b.example"),
    ("Arabic", "بريد@b.example"),
    ("Hangul", "사용자@b.example"),
    ("Greek with a final sigma", "λόγος@b.example"),
    ("a combining mark that has no composed form", "q\u{323}@b.example"),
    ("an emoji", "😀@b.example"),
    ("a name under .test", "user@b.test"),
    ("a name under .invalid", "user@b.invalid"),
    ("three hyphens apart", "user@a-b-c.example"),
];

/// Taken, and written otherwise: what is typed, and the address that it is.
const FOLDED: [(&str, &str, &str); 12] = [
    ("capitals", "User.Name@B.Example", "user.name@b.example"),
    ("space around it", "  user@b.example\t", "user@b.example"),
    ("a domain in Unicode", "user@bücher.example", "user@xn--bcher-kva.example"),
    ("a domain in capitals and Unicode", "user@BÜCHER.example", "user@xn--bcher-kva.example"),
    ("a decomposed letter", "bu\u{308}cher@b.example", "bücher@b.example"),
    ("a capital with a mark", "BÜCHER@b.example", "bücher@b.example"),
    ("a full-width at sign", "user\u{ff20}b.example", "user@b.example"),
    ("an ideographic full stop in the domain", "user@b\u{3002}example", "user@b.example"),
    ("a full-width domain", "user@\u{ff42}.example", "user@b.example"),
    ("a sharp s, which stays in domains", "user@straße.example", "user@xn--strae-oqa.example"),
    ("a URI", "mailto:User@b.example", "user@b.example"),
    ("a URI with what is encoded", "MAILTO:us%65r@b.example", "user@b.example"),
];

/// Refused.
const REFUSED: [(&str, &str); 66] = [
    ("nothing", ""),
    ("an at sign alone", "@"),
    ("no at sign", "user"),
    ("no local part", "@b.example"),
    ("no domain", "user@"),
    ("two at signs", "a@b@c.example"),
    ("two at signs in a row", "a@@b.example"),
    ("a leading dot", ".user@b.example"),
    ("a trailing dot", "user.@b.example"),
    ("two dots", "a..b@b.example"),
    ("a dot alone", ".@b.example"),
    ("a space within", "us er@b.example"),
    ("a space before the at sign", "user @b.example"),
    ("a space after the at sign", "user@ b.example"),
    ("a tab within", "us\ter@b.example"),
    ("a line break within", "us\r\ner@b.example"),
    ("folding white space", "user\r\n @b.example"),
    ("a control", "us\u{7}er@b.example"),
    ("a null", "us\0er@b.example"),
    ("a delete", "us\u{7f}er@b.example"),
    ("a non-breaking space", "us\u{a0}er@b.example"),
    ("a zero-width space", "us\u{200b}er@b.example"),
    ("a soft hyphen", "us\u{ad}er@b.example"),
    ("a turn of direction", "us\u{202e}er@b.example"),
    ("a byte order mark", "us\u{feff}er@b.example"),
    ("a line separator", "us\u{2028}er@b.example"),
    ("a quoted local part", "\"user\"@b.example"),
    ("a quoted space", "\"us er\"@b.example"),
    ("a quoted at sign", "\"a@b\"@b.example"),
    ("an empty quotation", "\"\"@b.example"),
    ("a quotation as one of two words", "\"a\".b@b.example"),
    ("an open quotation", "\"user@b.example"),
    ("a quotation mark within", "us\"er@b.example"),
    ("a quoted pair", "\"a\\\"b\"@b.example"),
    ("a backslash", "us\\er@b.example"),
    ("a comment before", "(comment)user@b.example"),
    ("a comment after", "user(comment)@b.example"),
    ("a comment in the domain", "user@(comment)b.example"),
    ("a comment at the end", "user@b.example(comment)"),
    ("an open bracket", "us(er@b.example"),
    ("angle brackets", "<user@b.example>"),
    ("a name before it", "User <user@b.example>"),
    ("a comma", "a,b@b.example"),
    ("two addresses", "a@b.example,c@d.example"),
    ("a semicolon", "a;b@b.example"),
    ("a colon", "a:b@b.example"),
    ("square brackets in the local part", "a[b]@b.example"),
    ("a route", "@a.example:user@b.example"),
    ("an IPv4 literal", "user@[192.0.2.1]"),
    ("an IPv6 literal", "user@[IPv6:2001:db8::1]"),
    ("another literal", "user@[tag:content]"),
    ("an IPv4 address without brackets", "user@192.0.2.1"),
    ("a single label", "user@localhost"),
    ("a numeric top domain", "user@b.123"),
    ("a leading dot in the domain", "user@.b.example"),
    ("a final dot", "user@b.example."),
    ("two dots in the domain", "user@b..example"),
    ("a leading hyphen in a label", "user@-b.example"),
    ("a trailing hyphen in a label", "user@b-.example"),
    ("an underscore in the domain", "user@a_b.example"),
    ("a sign in the domain", "user@a!b.example"),
    ("a slash in the domain", "user@b.example/path"),
    ("hyphens in third and fourth place", "user@ab--cd.example"),
    ("an A-label that decodes to nothing", "user@xn--.example"),
    ("an A-label of what is not in IDNA's form", "user@xn--BCHER-KVA-.example"),
    ("header fields", "mailto:user@b.example?subject=x"),
];

fn typed(text: &str) -> Option<String> {
    match Cpi::from_user_input(text, None) {
        Ok(Cpi::Email(address)) => Some(address.as_address().to_owned()),
        Ok(Cpi::Phone(_)) => panic!("{text:?} is no number"),
        Err(_) => None,
    }
}

#[test]
fn addresses_of_every_shape() {
    let mut wrong = Vec::new();
    for (shape, address) in TAKEN {
        if typed(address).as_deref() != Some(address) {
            wrong.push(format!("{shape}: {address:?} is read as {:?}", typed(address)));
        }
    }
    for (shape, text, address) in FOLDED {
        if typed(text).as_deref() != Some(address) {
            wrong.push(format!("{shape}: {text:?} is read as {:?}", typed(text)));
        }
    }
    for (shape, text) in REFUSED {
        if let Some(address) = typed(text) {
            wrong.push(format!("{shape}: {text:?} is read as {address:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What is too long is refused, and what is just as long as may be is not.
#[test]
fn lengths_of_addresses() {
    let label = |length: usize| "b".repeat(length);
    let local = |length: usize| "a".repeat(length);
    assert!(typed(&format!("{}@b.example", local(65))).is_none());
    assert!(typed(&format!("{}@b.example", "ü".repeat(32))).is_some(), "64 octets");
    assert!(typed(&format!("{}@b.example", "ü".repeat(33))).is_none(), "66 octets");
    assert!(typed(&format!("a@{}.example", label(64))).is_none());
    let domain = format!("{0}.{0}.{0}", label(61));
    // 185 octets of domain, and one for the at sign: 254 in all, or one more.
    assert!(typed(&format!("{}@{domain}", local(64))).is_some());
    let longer = format!("{domain}.{}", label(1));
    assert_eq!(longer.len() + 65, 252);
    assert!(typed(&format!("{}@{longer}bb", local(64))).is_some(), "254 octets");
    assert!(typed(&format!("{}@{longer}bbb", local(64))).is_none(), "255 octets");
}

/// Every address that is taken is its own canonical form's address, and servers take that form alone.
#[test]
fn what_is_taken_is_canonical() {
    for (_, address) in TAKEN {
        let cpi = Cpi::from_user_input(address, None).unwrap();
        assert_eq!(Cpi::parse(cpi.as_str()).as_ref(), Ok(&cpi));
        assert_eq!(Cpi::from_user_input(cpi.as_str(), None).as_ref(), Ok(&cpi));
    }
    for (shape, text, _) in FOLDED {
        let uri = if text.to_lowercase().starts_with("mailto:") { text.to_owned() } else { format!("mailto:{text}") };
        assert!(Cpi::parse(&uri).is_err(), "{shape}");
    }
}
