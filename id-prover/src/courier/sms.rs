//! The text of an SMS as octets: the GSM 7-bit default alphabet (3GPP TS 23.038 §6.2.1), one character an octet as SMPP
//! carries it, or UCS-2 (UTF-16, big-endian), in parts with a concatenation header (3GPP TS 23.040 §9.2.3.24.1).

use zeroize::Zeroizing;

/// The default alphabet by code; the escape at 27 stands for itself alone.
const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const ESCAPE: u8 = 27;
/// Its extension: each takes an escape and a code.
const GSM_EXTENSION: [(char, u8); 10] = [
    ('\u{c}', 10),
    ('^', 20),
    ('{', 40),
    ('}', 41),
    ('\\', 47),
    ('[', 60),
    ('~', 61),
    (']', 62),
    ('|', 64),
    ('€', 101),
];

/// Length of the header, information element "concatenated, 8-bit reference", its length.
const CONCATENATED: [u8; 3] = [5, 0, 3];

/// How the characters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// One octet a unit; a character of the extension is two units.
    Gsm,
    /// Two octets a unit; a character beyond the basic plane is two units.
    Ucs2,
}

/// A text, encoded.
pub(crate) struct ShortMessage {
    alphabet: Alphabet,
    /// The units of each character, which stay together.
    characters: Vec<Zeroizing<Vec<u8>>>,
}

/// One part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Whether the octets begin with a header.
    pub(crate) has_header: bool,
    pub(crate) octets: Zeroizing<Vec<u8>>,
}

impl Alphabet {
    const fn octets_a_unit(self) -> usize {
        match self {
            Self::Gsm => 1,
            Self::Ucs2 => 2,
        }
    }

    /// Units of a message in one part, and of each part of a longer one.
    const fn most(self) -> (usize, usize) {
        match self {
            Self::Gsm => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }
}

impl ShortMessage {
    /// In the GSM alphabet if it has all characters, in UCS-2 otherwise.
    pub(crate) fn encode(text: &str) -> Self {
        let gsm: Option<Vec<_>> = text.chars().map(gsm).collect();
        let ucs2 = |c: char| {
            let mut units = [0; 2];
            Zeroizing::new(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()).collect())
        };
        match gsm {
            Some(characters) => Self { alphabet: Alphabet::Gsm, characters },
            None => Self { alphabet: Alphabet::Ucs2, characters: text.chars().map(ucs2).collect() },
        }
    }

    pub(crate) const fn alphabet(&self) -> Alphabet {
        self.alphabet
    }

    /// How many units it has.
    pub(crate) fn units(&self) -> usize {
        self.characters.iter().map(|character| character.len()).sum::<usize>() / self.alphabet.octets_a_unit()
    }

    /// Its parts; `reference` is the same in all parts of a message, and another for the next.
    pub(crate) fn parts(&self, reference: u8) -> Vec<Part> {
        let (alone, each) = self.alphabet.most();
        if self.units() <= alone {
            let octets = self.characters.iter().flat_map(|character| character.iter().copied()).collect();
            return vec![Part { has_header: false, octets: Zeroizing::new(octets) }];
        }
        let most_octets = each * self.alphabet.octets_a_unit();
        let mut bodies = vec![Vec::new()];
        for character in &self.characters {
            if bodies.last().is_some_and(|body| body.len() + character.len() > most_octets) {
                bodies.push(Vec::new());
            }
            if let Some(body) = bodies.last_mut() {
                body.extend_from_slice(character);
            }
        }
        // A message names a domain of 253 octets at most, so that there are few.
        let count = u8::try_from(bodies.len()).unwrap_or(u8::MAX);
        let part = |(number, body): (u8, Vec<u8>)| {
            let octets = [CONCATENATED.as_slice(), &[reference, count, number], &Zeroizing::new(body)].concat();
            Part { has_header: true, octets: Zeroizing::new(octets) }
        };
        (1..=count).zip(bodies).map(part).collect()
    }
}

fn gsm(c: char) -> Option<Zeroizing<Vec<u8>>> {
    if c == '\u{1b}' {
        return None;
    }
    if let Some(code) = GSM.chars().position(|known| known == c) {
        return Some(Zeroizing::new(vec![u8::try_from(code).ok()?]));
    }
    let (_, code) = GSM_EXTENSION.iter().find(|(known, _)| *known == c)?;
    Some(Zeroizing::new(vec![ESCAPE, *code]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_alphabet_has_128_codes() {
        assert_eq!(GSM.chars().count(), 128);
        let code = |c| gsm(c).map(|octets| octets.to_vec());
        for (c, octets) in [
            ('@', [0].as_slice()),
            ('\n', &[10]),
            (' ', &[32]),
            ('A', &[65]),
            ('Ä', &[91]),
            ('z', &[122]),
            ('à', &[127]),
            ('€', &[27, 101]),
        ] {
            assert_eq!(code(c), Some(octets.to_vec()), "{c}");
        }
        for c in ['ç', 'ó', 'ż', 'я', '\u{1b}', '`'] {
            assert_eq!(code(c), None, "{c}");
        }
    }

    #[test]
    fn one_part_holds_160_or_70() {
        for (character, alone, each) in [('a', 160, 153), ('я', 70, 67)] {
            let parts = |count: usize| ShortMessage::encode(&character.to_string().repeat(count)).parts(9);
            let [only] = &parts(alone)[..] else { panic!("not one part") };
            assert!(!only.has_header);
            let two = parts(alone + 1);
            let unit = if character == 'a' { 1 } else { 2 };
            assert_eq!(two[0].octets[..6], [5, 0, 3, 9, 2, 1]);
            assert_eq!(two[1].octets[..6], [5, 0, 3, 9, 2, 2]);
            assert_eq!([two[0].octets.len(), two[1].octets.len()], [6 + each * unit, 6 + (alone + 1 - each) * unit]);
            assert!(two.iter().all(|part| part.has_header));
            assert_eq!([parts(2 * each).len(), parts(2 * each + 1).len()], [2, 3]);
        }
    }

    #[test]
    fn no_character_is_torn_apart() {
        let escapes = ShortMessage::encode(&format!("a{}", "€".repeat(100)));
        assert_eq!((escapes.alphabet(), escapes.units()), (Alphabet::Gsm, 201));
        assert_eq!(escapes.parts(0)[0].octets.len(), 6 + 153);
        let even = ShortMessage::encode(&"€".repeat(100)).parts(0);
        assert_eq!(even[0].octets.len(), 6 + 152);
        assert_eq!(even[1].octets[6], ESCAPE);
        let pairs = ShortMessage::encode(&"😀".repeat(50)).parts(0);
        assert_eq!(pairs[0].octets.len(), 6 + 132);
        assert_eq!(pairs[1].octets[6..8], [0xd8, 0x3d]);
    }
}
