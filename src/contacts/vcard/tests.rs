//! Cards as address books write them, old and new, and bounds on those that are none.

use protocol::cpi::CpiKind;

use super::*;

fn card(lines: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:4.0\r\n{lines}END:VCARD\r\n")
}

fn one(lines: &str) -> Contact {
    parse(card(lines).as_bytes()).unwrap().remove(0)
}

fn uris(contact: &Contact, default: Option<Region>) -> Vec<String> {
    contact.identifiers(default).map(|(_, cpi)| cpi.unwrap().to_string()).collect()
}

#[test]
fn a_card_as_people_write_it() {
    let contact =
        one("FN:Grażyna Nowak\r\nTEL;TYPE=\"cell,voice\":(415) 555-2671\r\nTEL;VALUE=uri:tel:+49-30-901820\r\n\
        EMAIL;TYPE=work:Grażyna@\r\n Bücher.example\r\nADR;CC=US:;;1 Main St\\, 2nd floor;Springfield;;;\r\n\
        CATEGORIES:friends,several-providers\r\nNOTE:a\\nb\r\n");
    assert_eq!(contact.name, "Grażyna Nowak");
    assert_eq!(contact.phones, ["(415) 555-2671", "tel:+49-30-901820"]);
    assert_eq!(contact.emails, ["Grażyna@Bücher.example"]);
    assert_eq!(contact.region, Some(Region::parse("US").unwrap()));
    assert_eq!(contact.categories, ["friends", "several-providers"]);
    assert_eq!(
        uris(&contact, None),
        ["tel:+14155552671", "tel:+4930901820", "mailto:gra%C5%BCyna@xn--bcher-kva.example"]
    );
    assert_eq!(format!("{contact:?}"), "Contact(2 numbers, 1 addresses, redacted)");
}

#[test]
fn the_region_is_the_cards_then_the_users() {
    let (german, us) = (Region::parse("DE").unwrap(), Region::parse("US").unwrap());
    for (address, region) in [
        ("", None),
        ("ADR;CC=de:;;;;;;\r\n", Some(german)),
        ("ADR:;;;Berlin;;;DE\r\n", Some(german)),
        ("ADR:;;;Berlin;;;Deutschland\r\n", None),
        ("ADR:;;;London;;;UK\r\n", None),
        ("ADR:;;;Berlin;;;Deutschland\r\nADR;TYPE=work;CC=DE:;;;;;;\r\n", Some(german)),
    ] {
        let contact = one(&format!("FN:A\r\nTEL:030 901820\r\n{address}"));
        assert_eq!(contact.region, region, "{address}");
    }
    let number = one("FN:A\r\nTEL:(415) 555-2671\r\n");
    assert_eq!(uris(&number, Some(us)), ["tel:+14155552671"]);
    assert!(number.identifiers(None).all(|(text, cpi)| text == "(415) 555-2671" && cpi.is_err()));
    let at_home = one("FN:A\r\nTEL:030 901820\r\nADR;CC=DE:;;;;;;\r\n");
    assert_eq!(uris(&at_home, Some(us)), ["tel:+4930901820"]);
}

#[test]
fn a_name_is_found_and_safe_to_print() {
    assert_eq!(one("FN:\\n\r\nN:Doe;Jane;;;\r\n").name, "Jane Doe");
    assert_eq!(one("N:Doe\r\nORG:ACME\r\n").name, "Doe");
    assert_eq!(one("ORG:ACME;Sales\r\n").name, "ACME");
    assert_eq!(one("TEL:1\r\n").name, "");
    assert_eq!(one("FN:a\u{1b}[31mb\\nc\r\n").name, "a [31mb c");
    assert_eq!(one(&format!("FN:{}\r\n", "é".repeat(500))).name.chars().count(), MAX_NAME_CHARS);
}

#[test]
fn older_versions_and_line_ends() {
    let book = "\u{feff}BEGIN:VCARD\nVERSION:3.0\nFN:A\nitem1.TEL;type=CELL;type=pref:+1 415 555 2671\nEND:VCARD\n\n\
        BEGIN:VCARD\nVERSION:2.1\nN:B;A\nTEL;CELL:+14155552671\nEND:VCARD";
    let contacts = parse(book.as_bytes()).unwrap();
    assert_eq!(contacts.len(), 2);
    assert!(contacts.iter().all(|contact| uris(contact, None) == ["tel:+14155552671"]));
}

#[test]
fn what_is_wrong_is_named_with_its_card() {
    let good = card("FN:A\r\n");
    let many = card(&"TEL:1\r\n".repeat(MAX_VALUES + 1));
    for (book, message) in [
        (String::new(), "the file has no vCard"),
        (
            "hello\n".into(),
            "card 1 of the contact book, or what stands before it, has a line that is no vCard property",
        ),
        (format!("{good}hello: you\n"), "card 2 of the contact book, or what"),
        (card("no property\r\n"), "card 1 of the contact book, or what"),
        (format!("{good}BEGIN:VCARD\nFN:B\n"), "card 2 of the contact book does not end with END:VCARD"),
        (format!("BEGIN:VCARD\nFN:B\n{good}"), "card 1 of the contact book does not end with END:VCARD"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR\n".into(), "where card 1 of the contact book should stand is something else"),
        (format!("{good}{}", card("ADR;CC=UK:;;;;;;\r\n")), "card 2 of the contact book has an ADR whose CC"),
        (many, "card 1 of the contact book has more than 64 numbers or addresses"),
    ] {
        let error = parse(book.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    assert!(matches!(parse(b"BEGIN:VCARD\nFN:\xff\n"), Err(BookError::Encoding { line: 2 })));
    assert!(matches!(read(Path::new("/nonexistent/book.vcf")), Err(BookError::Io(_))));
}

#[test]
fn a_book_is_bounded() {
    let largest = usize::try_from(MAX_BYTES).unwrap();
    assert!(matches!(parse(&vec![b' '; largest + 1]), Err(BookError::TooLarge)));
    let cards = "BEGIN:VCARD\nFN:A\nEND:VCARD\n".repeat(MAX_CARDS + 1);
    assert!(matches!(parse(cards.as_bytes()), Err(BookError::TooManyCards)));
}

/// The sample book of the demo: every entry is a CPI, each region's numbers are there, each plan is.
#[test]
fn the_sample_book() {
    let contacts = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples/contacts.vcf")).unwrap();
    assert!(contacts.len() >= 500, "{}", contacts.len());
    let mut kinds = std::collections::BTreeMap::<_, usize>::new();
    for contact in &contacts {
        assert!(!contact.name.is_empty());
        let mut found = 0;
        for (text, cpi) in contact.identifiers(None) {
            *kinds.entry(cpi.unwrap_or_else(|error| panic!("{text}: {error}")).kind()).or_default() += 1;
            found += 1;
        }
        assert!(found > 0, "{}", contact.name);
        assert_eq!(contact.categories.len(), 1, "{}", contact.name);
    }
    assert!(kinds[&CpiKind::Phone] > 400 && kinds[&CpiKind::Email] > 150, "{kinds:?}");
    let regions: std::collections::BTreeSet<_> =
        contacts.iter().filter_map(|contact| contact.region).map(|region| region.to_string()).collect();
    assert!(regions.len() > 220, "{}", regions.len());
    for plan in
        ["enrolled", "several-providers", "opted-out", "never-enrolled", "expired", "withdrawn", "several-holders"]
    {
        assert!(contacts.iter().filter(|contact| contact.categories == [plan]).count() >= 10, "{plan}");
    }
}

proptest::proptest! {
    #[test]
    fn no_input_panics(text in "(BEGIN:VCARD\n)?((TEL|FN|ADR|N|EMAIL|CATEGORIES|X)(;[A-Z]{1,3}=[\"a-z,]{0,4})?:[\\PC\\\\;,=\n\r\t\u{0}]{0,12}\n){0,4}(END:VCARD\n)?") {
        let _ = parse(text.as_bytes());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), at in 0_usize..200) {
        let mut book = card("FN:A\r\nTEL;TYPE=cell:+1 415 555 2671\r\nADR;CC=US:;;;;;;\r\n").into_bytes();
        book.splice(at.min(book.len()).., bytes.iter().copied());
        let _ = parse(&book);
        let _ = parse(&bytes);
    }
}
