//! Text of any kind as an identifier: a CPI as a server takes it, or as people type it (in a region, if two letters and a space
//! stand in front), a `mimi:` URI, an `im:` URI. Refused, or its canonical form, which is read as itself; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::cpi::{Cpi, Region};
use protocol::mimi_uri::{ImUri, MimiUri, Msp, Psi};

fn is_canonical(cpi: &Cpi) {
    assert_eq!(Cpi::parse(cpi.as_str()).as_ref(), Ok(cpi));
    assert!(!format!("{cpi:?}").contains(&cpi.as_str()[8..]), "Debug shows an identifier");
    if let Cpi::Phone(number) = cpi {
        assert!((8..=16).contains(&number.as_e164().len()));
        let international = number.to_international();
        let (code, _) = international.split_once(' ').expect("the country code stands alone");
        assert!(code.len() <= 4 && number.as_e164().starts_with(code), "{code}");
    }
}

fuzz_target!(|text: &str| {
    if let Ok(cpi) = Cpi::parse(text) {
        assert_eq!(cpi.as_str(), text);
        is_canonical(&cpi);
    }
    let (region, typed) = match text.split_once(' ') {
        Some((region, rest)) if region.len() == 2 => (Region::parse(region).ok(), rest),
        _ => (None, text),
    };
    if let Ok(cpi) = Cpi::from_user_input(typed, region) {
        is_canonical(&cpi);
        if let Cpi::Phone(number) = &cpi {
            assert!(number.is_assigned(), "a number that people type is one of its plan");
        }
        assert_eq!(Cpi::from_user_input(cpi.as_str(), region).as_ref(), Ok(&cpi));
    }
    if let Ok(uri) = MimiUri::parse(text) {
        let shown = uri.to_string();
        assert_eq!(MimiUri::parse(&shown).as_ref(), Ok(&uri));
        assert_eq!(MimiUri::parse_canonical(&shown).as_ref(), Ok(&uri));
        assert!(uri.segments().len() <= 16);
    }
    if let Ok(msp) = Msp::parse(text) {
        assert_eq!(Msp::from_domain(msp.domain()).as_ref(), Ok(&msp));
    }
    if let Ok(psi) = Psi::parse(text) {
        assert!(psi.belongs_to(&psi.provider()));
    }
    if let Ok(uri) = ImUri::parse(text) {
        assert_eq!(ImUri::parse(&uri.to_string()).as_ref(), Ok(&uri));
        let _ = uri.to_mimi();
    }
});
