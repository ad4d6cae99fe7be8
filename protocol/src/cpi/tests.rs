//! Numbers and addresses as people write them, their canonical form, and the rule that each wrong one breaks.

use proptest::prelude::*;

use super::*;

fn typed(text: &str, region: &str) -> Result<String, CpiError> {
    let region = (!region.is_empty()).then(|| Region::parse(region).unwrap());
    Cpi::from_user_input(text, region).map(|cpi| cpi.to_string())
}

#[test]
fn telephone_numbers_as_people_write_them() {
    for (text, region, uri) in [
        ("(415) 555-2671", "US", "tel:+14155552671"),
        ("+1 415 555 2671", "", "tel:+14155552671"),
        ("tel:+1-415-555-2671", "", "tel:+14155552671"),
        ("TEL:+14155552671", "", "tel:+14155552671"),
        ("0049 30 901820", "", "tel:+4930901820"),
        ("0049 30 901820", "US", "tel:+4930901820"),
        ("011 49 30 901820", "US", "tel:+4930901820"),
        ("030/901820", "de", "tel:+4930901820"),
        ("(+49) 30 901820", "", "tel:+4930901820"),
        ("+49 (30) 901820", "", "tel:+4930901820"),
        ("\u{ff0b}\u{ff18}\u{ff11} 90-1234-5678", "", "tel:+819012345678"),
        ("020 7946 0018", "GB", "tel:+442079460018"),
        ("06 1234 5678", "HU", "tel:+3612345678"),
        ("+39 06 698 12345", "", "tel:+390669812345"),
        ("  +41 44 668 18 00 ", "", "tel:+41446681800"),
    ] {
        assert_eq!(typed(text, region).as_deref(), Ok(uri), "{text}");
    }
}

#[test]
fn wrong_telephone_numbers_name_the_rule() {
    for (text, region, rule) in [
        ("+1 555", "", "7 to 15 digits"),
        ("+999 1234 5678", "", "no such country code"),
        ("+1 800 FLOWERS", "", "letters"),
        ("+1 415 555 2671 ext 5", "", "letters"),
        ("+1 415 555 2671\0", "", "may contain digits"),
        ("+1 415 555 2671;ext=5", "", "may contain digits"),
        ("415 555 2671", "", "needs a region"),
        ("+1 415 555 26711234567", "", "7 to 15 digits"),
        ("+1 011 555 2671", "", "numbering plan"),
        ("", "", "empty"),
        ("   ", "US", "empty"),
        ("+", "", "7 to 15 digits"),
    ] {
        let error = typed(text, region).unwrap_err().to_string();
        assert!(error.contains(rule), "{text:?}: {error}");
    }
    assert!(Region::parse("USA").is_err());
    assert!(Region::parse("").is_err());
}

#[test]
fn email_addresses_as_people_write_them() {
    for (text, uri) in [
        ("Bob@Example.COM", "mailto:bob@example.com"),
        ("mailto:bob@example.com", "mailto:bob@example.com"),
        ("MAILTO:B%6Fb@example.com", "mailto:bob@example.com"),
        ("bob@Bücher.example", "mailto:bob@xn--bcher-kva.example"),
        ("bob@xn--bcher-kva.example", "mailto:bob@xn--bcher-kva.example"),
        ("Bu\u{308}ro@example.org", "mailto:b%C3%BCro@example.org"),
        ("почта@пример.example", "mailto:%D0%BF%D0%BE%D1%87%D1%82%D0%B0@xn--e1afmkfd.example"),
        ("प्रिया@example.com", "mailto:%E0%A4%AA%E0%A5%8D%E0%A4%B0%E0%A4%BF%E0%A4%AF%E0%A4%BE@example.com"),
        ("a.b+tag@example.com", "mailto:a.b+tag@example.com"),
        ("a&b/c=d@example.com", "mailto:a%26b%2Fc%3Dd@example.com"),
        ("bob＠example.com", "mailto:bob@example.com"),
        ("bob@example。com", "mailto:bob@example.com"),
    ] {
        assert_eq!(typed(text, "").as_deref(), Ok(uri), "{text}");
        assert_eq!(Cpi::parse(uri).unwrap().to_string(), uri);
    }
}

#[test]
fn wrong_email_addresses_name_the_rule() {
    let long_local = format!("{}@example.com", "a".repeat(65));
    let long = format!("{}@{}.example", "a".repeat(60), vec!["b".repeat(60); 4].join("."));
    for (text, rule) in [
        ("@example.com", "no local part"),
        ("bob@", "domain"),
        ("bob@localhost", "two labels"),
        ("bob@[192.0.2.1]", "domain literals"),
        ("bob@192.0.2.1", "name, not an address"),
        ("\"bob\"@example.com", "quoted"),
        ("bo b@example.com", "spaces"),
        ("bob\r\n@example.com", "spaces, controls"),
        ("bo\u{202e}b@example.com", "invisible"),
        ("bob..x@example.com", "dot-atom"),
        (".bob@example.com", "dot-atom"),
        ("bob@ex_ample.com", "domain name"),
        ("bob@-example.com", "domain name"),
        ("bob@example.com.", "domain name"),
        ("bob@a@example.com", "dot-atom"),
        ("mailto:bob@example.com?subject=x", "address alone"),
        (&long_local, "64 octets"),
        (&long, "254 octets"),
    ] {
        let error = typed(text, "").unwrap_err().to_string();
        assert!(error.contains(rule), "{text:?}: {error}");
    }
    assert_eq!(typed(&"a".repeat(1025), ""), Err(CpiError::TooLong));
}

#[test]
fn servers_take_the_canonical_form_alone() {
    assert!(Cpi::parse("tel:+14155552671").is_ok());
    for (uri, error) in [
        ("tel:14155552671", CpiError::Phone("the canonical form starts with +")),
        ("tel:+1-415-555-2671", CpiError::Phone("the canonical form has digits only after the +")),
        ("tel:+123456", CpiError::Phone("must have 7 to 15 digits, country code included (E.164)")),
        ("tel:+1234567890123456", CpiError::Phone("must have 7 to 15 digits, country code included (E.164)")),
        ("tel:+99912345678", CpiError::Phone("no such country code")),
        ("tel:+04155552671", CpiError::Phone("no such country code")),
        ("TEL:+14155552671", CpiError::UnknownKind),
        ("+14155552671", CpiError::UnknownKind),
        ("", CpiError::UnknownKind),
        ("mailto:Bob@example.com", CpiError::NotCanonical),
        ("mailto:bob@Example.com", CpiError::NotCanonical),
        ("mailto:b%6Fb@example.com", CpiError::NotCanonical),
        ("mailto:bob@b\u{fc}cher.example", CpiError::NotCanonical),
        ("mailto:b\u{fc}ro@example.org", CpiError::NotCanonical),
        ("mailto:b%c3%bcro@example.org", CpiError::NotCanonical),
    ] {
        assert_eq!(Cpi::parse(uri), Err(error), "{uri}");
    }
}

#[test]
fn a_number_range_of_tomorrow_is_canonical_but_not_assigned() {
    let Cpi::Phone(number) = Cpi::parse("tel:+10005552671").unwrap() else { unreachable!() };
    assert!(!number.is_assigned());
    let Cpi::Phone(number) = Cpi::parse("tel:+14155552671").unwrap() else { unreachable!() };
    assert!(number.is_assigned());
}

/// Numbers that begin with the digit which their country dials first for long distances.
#[test]
fn a_country_code_is_followed_by_the_number_and_by_no_prefix() {
    for number in ["+78121234567", "+78432123456", "+37080012345", "+3758011234567"] {
        let Cpi::Phone(phone) = Cpi::from_user_input(number, None).unwrap() else { unreachable!() };
        assert_eq!(phone.as_e164(), number);
        assert!(phone.is_assigned(), "{number}");
        assert!(phone.to_international().split_once(' ').is_some_and(|(code, _)| code.len() <= 4), "{number}");
        let shown: String = phone.to_international().chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        assert_eq!(shown, number);
    }
    let london = Cpi::from_user_input("+44 (0)20 7946 0018", None).unwrap();
    assert_eq!(london.as_str(), "tel:+442079460018");
}

/// Numbers that begin as one of their country's plan does, and go on: of a length that other numbers of the plan have.
#[test]
fn a_number_of_the_plan_with_more_digits_is_none() {
    for (short, long) in [("+3728002123", "+37280021234"), ("+390236618300", "+39023661830000")] {
        assert!(typed(short, "").is_ok(), "{short}");
        assert!(typed(long, "").unwrap_err().to_string().contains("numbering plan"), "{long}");
        let Cpi::Phone(number) = Cpi::parse(&format!("tel:{long}")).unwrap() else { unreachable!() };
        assert!(!number.is_assigned(), "{long}");
    }
}

#[test]
fn debug_shows_no_identifier() {
    let cpi = Cpi::parse("tel:+14155552671").unwrap();
    assert!(!format!("{cpi:?}").contains("415"));
}

proptest! {
    #[test]
    fn whatever_is_typed_yields_a_canonical_form_or_an_error(text in "\\PC{0,60}") {
        if let Ok(cpi) = Cpi::from_user_input(&text, None) {
            prop_assert_eq!(Cpi::parse(cpi.as_str()), Ok(cpi));
        }
    }

    #[test]
    fn likely_addresses(local in "[a-zA-Zäöüßİσςж!#$%&'*+/=?^_`{|}~.-]{1,20}", domain in "[a-zA-Zäßçж0-9-]{1,12}\\.[a-z]{2,6}") {
        let text = format!("{local}@{domain}");
        if let Ok(cpi) = Cpi::from_user_input(&text, None) {
            prop_assert_eq!(Cpi::parse(cpi.as_str()), Ok(cpi.clone()));
            // Of ASCII alone: "ß" in capitals is "SS", another name, and not always a valid one.
            prop_assert_eq!(Cpi::from_user_input(&text.to_ascii_uppercase(), None), Ok(cpi));
        }
    }

    #[test]
    fn likely_numbers(digits in "\\+[1-9][0-9 ().-]{5,20}") {
        if let Ok(cpi) = Cpi::from_user_input(&digits, None) {
            prop_assert_eq!(Cpi::parse(cpi.as_str()), Ok(cpi));
        }
    }
}
