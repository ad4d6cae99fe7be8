//! Makes `docs/samples/contacts.vcf`, the contact book of the demo: `cargo run --example make-contacts`.
//!
//! For every region of the phone metadata that has an example number there are up to two people, one with the example of a
//! mobile number, one with that of a fixed line; every third has an email address too, and more people have an address
//! alone. Numbers and addresses are written the many ways people write them; each is checked here to be read back as the CPI
//! it stands for. Domains are the reserved ones of RFC 2606. No randomness: turns are taken, and the same bytes come out.
//!
//! A number without country code is told its country by its card: `ADR;CC=DE:…` (RFC 8605 §3.1).
//!
//! The plan of the demo for a person is the one entry of `CATEGORIES`, and holds for all numbers and addresses of the card:
//!
//! | category | what the demo does |
//! | --- | --- |
//! | `enrolled` | enrolls with one MSP |
//! | `several-providers` | one holder enrolls with several MSPs |
//! | `several-holders` | two cards share one number or address: each holder enrolls with a key of their own |
//! | `opted-out` | enrolls, and publishes that no MSP is to be used |
//! | `never-enrolled` | nothing |
//! | `expired` | enrolls, and the mapping expires before the lookup |
//! | `withdrawn` | enrolls, and withdraws the mapping before the lookup |

#[path = "make_contacts/emails.rs"]
mod emails;
#[path = "make_contacts/languages.rs"]
mod languages;
#[path = "make_contacts/phones.rs"]
mod phones;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use calcard::vcard::{
    VCard, VCardEntry, VCardParameter, VCardParameterName, VCardProperty, VCardValueType, VCardVersion,
};
use protocol::cpi::Cpi;

use languages::{LANGUAGES, Language, Person, Shelf};
use phones::WrittenPhone;

/// Of how many people with a number one has an email address too.
const WITH_EMAIL: usize = 3;
/// People with an address alone, for each language.
const EMAIL_ONLY: usize = 2;

/// A plan for each turn; `several-holders` makes two cards of it.
const PLANS: [&str; 25] = [
    "enrolled",
    "several-providers",
    "enrolled",
    "enrolled",
    "never-enrolled",
    "enrolled",
    "enrolled",
    "withdrawn",
    "enrolled",
    "several-providers",
    "enrolled",
    "opted-out",
    "enrolled",
    "enrolled",
    "several-providers",
    "enrolled",
    "several-holders",
    "enrolled",
    "expired",
    "enrolled",
    "never-enrolled",
    "enrolled",
    "several-providers",
    "enrolled",
    "enrolled",
];
const SHARED: &str = "several-holders";

fn main() -> std::io::Result<()> {
    let target = std::env::args_os().nth(1).map_or_else(default_target, PathBuf::from);
    std::fs::write(target, book())
}

fn default_target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples/contacts.vcf")
}

/// The whole book.
fn book() -> String {
    let mut book = Book::default();
    for (turn, number) in phones::examples().into_iter().enumerate() {
        book.add_with_number(turn, &number);
    }
    for turn in 0..EMAIL_ONLY * LANGUAGES.len() {
        book.add_with_email(turn, &LANGUAGES[turn % LANGUAGES.len()]);
    }
    book.text
}

#[derive(Default)]
struct Book {
    text: String,
    shelf: Shelf,
    emails: BTreeSet<Cpi>,
    cards: usize,
}

/// One person's card.
struct Card<'a> {
    person: Person,
    country: Option<&'a str>,
    phone: Option<WrittenPhone>,
    email: Option<String>,
    plan: &'static str,
}

impl Book {
    fn add_with_number(&mut self, turn: usize, number: &phones::Example) {
        let language = languages::spoken_in(&number.region);
        let plan = self.next_plan();
        let holders = if plan == SHARED { 2 } else { 1 };
        for holder in 0..holders {
            let person = self.shelf.person(language);
            let phone = number.written(turn + holder);
            // Someone abroad need not say where: the number tells.
            let country = (phone.needs_country || turn.is_multiple_of(2)).then_some(number.region.as_str());
            let with_email = plan != SHARED && turn.is_multiple_of(WITH_EMAIL);
            let email = with_email.then(|| self.new_address(turn, &person, language));
            self.add(&Card { person, country, phone: Some(phone), email, plan });
        }
    }

    fn add_with_email(&mut self, turn: usize, language: &Language) {
        let plan = self.next_plan();
        let person = self.shelf.person(language);
        let address = self.new_address(turn, &person, language);
        if plan == SHARED {
            let person = self.shelf.person(language);
            let email = Some(emails::otherwise_written(&address));
            self.add(&Card { person, country: None, phone: None, email, plan });
        }
        self.add(&Card { person, country: None, phone: None, email: Some(address), plan });
    }

    fn next_plan(&self) -> &'static str {
        PLANS[self.cards % PLANS.len()]
    }

    fn new_address(&mut self, turn: usize, person: &Person, language: &Language) -> String {
        let emails = &mut self.emails;
        emails::addresses(turn, person, language)
            .find(|address| emails.insert(emails::cpi(address)))
            .unwrap_or_else(|| panic!("no address for {} is read", person.full))
    }

    fn add(&mut self, card: &Card<'_>) {
        self.cards += 1;
        card.vcard().write_to(&mut self.text, VCardVersion::V4_0).expect("writing to a string does not fail");
    }
}

impl Card<'_> {
    fn vcard(&self) -> VCard {
        let Person { full, family, given, .. } = &self.person;
        let text = |property, value: &str| VCardEntry::new(property).with_value(value.to_owned());
        let parts = [family.as_str(), given, "", "", ""].map(|part| part.to_owned().into());
        let mut entries =
            vec![text(VCardProperty::Fn, full), VCardEntry::new(VCardProperty::N).with_values(parts.into())];
        if let Some(phone) = &self.phone {
            let entry = text(VCardProperty::Tel, &phone.text);
            let is_uri = phone.text.starts_with("tel:");
            entries.push(entry.with_param_opt(is_uri.then(|| VCardParameter::value(VCardValueType::Uri))));
        }
        entries.extend(self.email.iter().map(|email| text(VCardProperty::Email, email)));
        if let Some(country) = self.country {
            let parts = ["", "", "", "", "", "", country].map(|part| part.to_owned().into());
            let code = VCardParameter::new(VCardParameterName::Cc, country.to_owned());
            entries.push(VCardEntry::new(VCardProperty::Adr).with_values(parts.into()).with_param(code));
        }
        entries.push(text(VCardProperty::Categories, self.plan));
        VCard { entries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_in_the_repository_is_the_one_made_here() {
        let kept = std::fs::read_to_string(default_target()).expect("the sample is kept");
        assert!(kept == book(), "make it anew: cargo run --example make-contacts");
    }
}
