//! Example numbers, and how people write them.

use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, PhoneNumber};
use protocol::cpi::{Cpi, Region};

/// An example number of a region.
pub(crate) struct Example {
    /// Two letters.
    pub(crate) region: String,
    number: PhoneNumber,
    cpi: Cpi,
}

/// A number as someone wrote it down.
pub(crate) struct WrittenPhone {
    /// The text.
    pub(crate) text: String,
    /// Whether it is read only with its country told.
    pub(crate) needs_country: bool,
}

/// Mobile and fixed-line examples of all regions, each number once, by region.
pub(crate) fn examples() -> Vec<Example> {
    let mut metadata: Vec<_> = DATABASE.iter().filter(|metadata| Region::parse(metadata.id()).is_ok()).collect();
    metadata.sort_by_key(|metadata| metadata.id().to_owned());
    let mut examples: Vec<Example> = Vec::new();
    for metadata in metadata {
        let descriptors = metadata.descriptors();
        for descriptor in [descriptors.mobile(), descriptors.fixed_line()].into_iter().flatten() {
            let national = descriptor.example().unwrap_or_default();
            let text = format!("+{}{national}", metadata.country_code());
            let Ok(cpi) = Cpi::from_user_input(&text, None) else { continue };
            let Ok(number) = phonenumber::parse(None, &text) else { continue };
            if examples.iter().all(|example| example.cpi != cpi) {
                examples.push(Example { region: metadata.id().to_owned(), number, cpi });
            }
        }
    }
    examples
}

impl Example {
    /// The number in the hand of the one whose turn it is: the first way of writing, from there on, that reads back.
    pub(crate) fn written(&self, turn: usize) -> WrittenPhone {
        let ways = WAYS.iter().cycle().skip(turn % WAYS.len()).take(WAYS.len());
        let region = Region::parse(&self.region).ok();
        ways.map(|way| way(&self.number, &self.region))
            .find(|text| self.is_read_from(text, region))
            .map(|text| WrittenPhone { needs_country: !self.is_read_from(&text, None), text })
            .expect("the international form is read back")
    }

    fn is_read_from(&self, text: &str, region: Option<Region>) -> bool {
        Cpi::from_user_input(text, region).as_ref() == Ok(&self.cpi)
    }
}

const WAYS: [fn(&PhoneNumber, &str) -> String; 9] = [
    |number, _| national(number),
    |number, _| international(number),
    |number, _| format!("00{}", &international(number)[1..]),
    |number, region| if is_full_width(region) { full_width(&national(number)) } else { national(number) },
    |number, _| international(number).replace([' ', '-'], "."),
    |number, _| national(number).chars().filter(char::is_ascii_digit).collect(),
    |number, _| format!("tel:{}", international(number).replace(' ', "-")),
    |number, _| {
        let text = international(number);
        text.split_once([' ', '-']).map_or_else(|| text.clone(), |(code, rest)| format!("({code}) {rest}"))
    },
    |number, _| number.format().mode(Mode::E164).to_string(),
];

fn national(number: &PhoneNumber) -> String {
    number.format().mode(Mode::National).to_string()
}

fn international(number: &PhoneNumber) -> String {
    number.format().mode(Mode::International).to_string()
}

/// Where keyboards have full-width digits.
fn is_full_width(region: &str) -> bool {
    matches!(region, "CN" | "HK" | "JP" | "KR" | "MO" | "TW")
}

fn full_width(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() { wide(c) } else { c }).collect()
}

fn wide(c: char) -> char {
    char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c)
}
