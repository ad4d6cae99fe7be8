//! The languages of messages, and the choice among them.
//!
//! A language is chosen by RFC 4647 look-up: the tags that somebody prefers, best first, each shortened from the end until
//! one is known. English, if none is.
//!
//! Texts have places in braces: `{code}`, `{provider}`, `{key}` (the fingerprint of the user's key), `{time}` (how long the
//! code holds). Whatever is put in comes in once: what looks like a place in it stays as it is.

mod texts;

use std::time::Duration;

use texts::TEXTS;

/// A language that messages are written in.
#[derive(Clone, Copy, Debug)]
pub struct Language(&'static Texts);

/// The texts of a language.
#[derive(Debug)]
pub(super) struct Texts {
    /// Its primary tag (RFC 5646).
    tag: &'static str,
    right_to_left: bool,
    /// Of an email. It does not show the code, since locked screens show subjects.
    pub(super) subject: &'static str,
    /// An SMS, in one line, the code first.
    pub(super) short: &'static str,
    /// The first line of an email.
    pub(super) headline: &'static str,
    /// What to do with the code.
    pub(super) enter: &'static str,
    /// What to compare.
    pub(super) compare: &'static str,
    /// What to do if one did not ask for it.
    pub(super) unasked: &'static str,
    one_minute: &'static str,
    minutes: &'static str,
    seconds: &'static str,
}

impl Language {
    /// English.
    pub const ENGLISH: Self = Self(&TEXTS[0]);

    /// All languages, English first.
    pub fn all() -> impl Iterator<Item = Self> {
        TEXTS.iter().map(Self)
    }

    /// Its primary tag (RFC 5646).
    #[must_use]
    pub const fn tag(self) -> &'static str {
        self.0.tag
    }

    /// The language of a tag such as `pt-BR`; none if it is not known.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let mut tag = tag.trim();
        loop {
            if let Some(language) = Self::all().find(|language| language.tag().eq_ignore_ascii_case(tag)) {
                return Some(language);
            }
            (tag, _) = tag.rsplit_once('-')?;
        }
    }

    /// The best known of those in an `Accept-Language` field (RFC 9110 §12.5.4), or English.
    #[must_use]
    pub fn negotiate(accepted: &str) -> Self {
        const MOST: usize = 16;
        let mut wanted: Vec<_> = accepted.split(',').take(MOST).filter_map(weighted).collect();
        wanted.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        wanted.into_iter().find_map(|(tag, _)| Self::from_tag(tag)).unwrap_or(Self::ENGLISH)
    }

    /// `rtl` or `ltr`, as HTML has it.
    pub(super) const fn direction(self) -> &'static str {
        if self.0.right_to_left { "rtl" } else { "ltr" }
    }

    pub(super) const fn texts(self) -> &'static Texts {
        self.0
    }

    /// In whole minutes, rounded down; under two of them, in seconds.
    pub(super) fn lifetime(self, lifetime: Duration) -> String {
        let (text, number) = match lifetime.as_secs() {
            60 => (self.0.one_minute, 1),
            seconds if seconds >= 120 => (self.0.minutes, seconds / 60),
            seconds => (self.0.seconds, seconds),
        };
        fill(text, &[("n", &number.to_string())])
    }
}

/// A tag and its weight in thousandths; none if it is refused by weight 0 or cannot be read.
fn weighted(item: &str) -> Option<(&str, u16)> {
    let (tag, weight) = match item.split_once(';') {
        None => (item, 1000),
        Some((tag, weight)) => {
            let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is held between 0 and 1000")]
            let weight = (weight.clamp(0.0, 1.0) * 1000.0) as u16;
            (tag, weight)
        }
    };
    (weight > 0).then_some((tag, weight))
}

/// Puts `values` in their places, in one pass.
pub(super) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, from_place)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, after) = from_place.split_once('}').unwrap_or((from_place, ""));
        let value = values.iter().find(|(known, _)| *known == name);
        filled.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_chosen_by_weight_and_by_its_beginning() {
        for (accepted, tag) in [
            ("de", "de"),
            ("pt-BR", "pt"),
            ("zh-Hant-TW", "zh"),
            ("xx, fr;q=0.5, de;q=0.9", "de"),
            ("FR-ca;q=0.3,en;q=0.2", "fr"),
            ("de;q=0, it", "it"),
            ("", "en"),
            ("*", "en"),
            ("xx-yy", "en"),
            ("de;q=x, ja", "ja"),
            ("de\r\nBcc: eve@e.example", "en"),
        ] {
            assert_eq!(Language::negotiate(accepted).tag(), tag, "{accepted}");
        }
    }

    #[test]
    fn there_are_at_least_ten_and_each_says_everything() {
        assert!(Language::all().count() >= 10);
        for language in Language::all() {
            let texts = language.texts();
            for (text, places) in [
                (texts.subject, ["{provider}"].as_slice()),
                (texts.short, &["{code}", "{provider}", "{key}", "{time}"]),
                (texts.headline, &["{code}", "{provider}"]),
                (texts.enter, &["{provider}", "{time}"]),
                (texts.compare, &["{key}"]),
                (texts.unasked, &[]),
                (texts.minutes, &["{n}"]),
                (texts.seconds, &["{n}"]),
            ] {
                assert!(!text.is_empty());
                assert!(places.iter().all(|place| text.contains(place)), "{}: {text}", language.tag());
                let other =
                    fill(text, &places.iter().map(|place| (place.trim_matches(['{', '}']), "x")).collect::<Vec<_>>());
                assert!(!other.contains(['{', '}']), "{}: {text}", language.tag());
            }
            assert!(!texts.subject.contains("{code}"));
            assert!(texts.short.starts_with("{code}") && texts.headline.starts_with("{code}"), "{}", language.tag());
        }
    }

    #[test]
    fn what_is_put_in_is_not_read_again() {
        assert_eq!(fill("{a} and {b}", &[("a", "{b}"), ("b", "{a}")]), "{b} and {a}");
        assert_eq!(fill("{none}.", &[]), ".");
    }
}
