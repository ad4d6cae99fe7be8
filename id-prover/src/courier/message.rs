//! What is said to the holder of a CPI: the code, for which MSP and key, and for how long, in a language of theirs.
//!
//! The code comes first, so that people and phones find it. An SMS ends with the line that binds the code to the MSP's
//! domain (`@msp.example #12345678`, the origin-bound one-time codes of the WICG), so that phones fill it in there and
//! nowhere else. What is put into the text comes from types that hold no control characters; [`Message::new`] checks it all
//! the same, since a line break would let a sender write headers.

use std::time::Duration;

use protocol::Thumbprint;
use protocol::enrollment::{Code, EnrollmentId};
use protocol::mimi_uri::Msp;
use zeroize::Zeroizing;

use super::language::{Language, fill};

/// A message with a code. `Debug` shows neither.
#[derive(Clone)]
pub struct Message {
    id: EnrollmentId,
    code: Code,
    provider: String,
    fingerprint: String,
    lifetime: Duration,
    language: Language,
}

impl Message {
    /// A message for one enrollment, in English; none if a name in it could break out of its line.
    #[must_use]
    pub fn new(id: EnrollmentId, code: Code, msp: &Msp, user_key: &Thumbprint, lifetime: Duration) -> Option<Self> {
        let (provider, fingerprint) = (msp.domain().to_owned(), user_key.fingerprint());
        let safe = stays_in_its_line(&provider) && stays_in_its_line(&fingerprint);
        safe.then_some(Self { id, code, provider, fingerprint, lifetime, language: Language::ENGLISH })
    }

    /// The same in another language.
    #[must_use]
    pub fn in_language(self, language: Language) -> Self {
        Self { language, ..self }
    }

    /// The number of the enrollment.
    #[must_use]
    pub const fn id(&self) -> &EnrollmentId {
        &self.id
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> &Code {
        &self.code
    }

    /// How long the code is taken from here on.
    #[must_use]
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// What it is written in.
    #[must_use]
    pub const fn language(&self) -> Language {
        self.language
    }

    /// The subject of an email. It does not show the code, since locked screens show subjects.
    #[must_use]
    pub fn subject(&self) -> String {
        fill(self.language.texts().subject, &[("provider", &self.provider)])
    }

    /// For SMS: one line, and the line that binds the code to the MSP's domain.
    #[must_use]
    pub fn short_text(&self) -> Zeroizing<String> {
        let line = Zeroizing::new(self.fill(self.language.texts().short));
        Zeroizing::new(format!("{}\n@{} #{}", &*line, self.provider, self.code.digits()))
    }

    /// In full, for email, as plain text.
    #[must_use]
    pub fn long_text(&self) -> Zeroizing<String> {
        let texts = self.language.texts();
        let paragraphs = [texts.headline, texts.enter, texts.compare, texts.unasked].map(|text| self.fill(text));
        Zeroizing::new(paragraphs.join("\n\n") + "\n")
    }

    /// In full, for email, as HTML: no links, no pictures, nothing that is fetched.
    #[must_use]
    pub fn html(&self) -> Zeroizing<String> {
        let texts = self.language.texts();
        let code = format!("<strong style=\"font-size:1.6em\"><bdi>{}</bdi></strong>", self.code.digits());
        let isolated = |text: &str| format!("<bdi>{}</bdi>", escape(text));
        let values = [
            ("code", code),
            ("provider", isolated(&self.provider)),
            ("key", isolated(&self.fingerprint)),
            ("time", escape(&self.language.lifetime(self.lifetime))),
        ];
        let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let paragraphs = [texts.headline, texts.enter, texts.compare, texts.unasked];
        let body: String = paragraphs.map(|text| format!("<p>{}</p>\n", fill(&escape(text), &values))).concat();
        Zeroizing::new(format!(
            "<!DOCTYPE html>\n<html lang=\"{}\" dir=\"{}\">\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n\
             <body>\n{body}</body>\n</html>\n",
            self.language.tag(),
            self.language.direction(),
            escape(&self.subject()),
        ))
    }

    fn fill(&self, text: &str) -> String {
        fill(
            text,
            &[
                ("code", self.code.digits()),
                ("provider", &self.provider),
                ("key", &self.fingerprint),
                ("time", &self.language.lifetime(self.lifetime)),
            ],
        )
    }
}

/// Whether `text` can stand in a line of a message or header without ending it.
pub(crate) fn stays_in_its_line(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// As text of HTML, also within quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::courier::sms::{Alphabet, ShortMessage};
    use protocol::SigningKey;

    fn message(msp: &str, lifetime: u64) -> Message {
        let msp = Msp::parse(&format!("mimi://{msp}")).unwrap();
        let key = SigningKey::from_seed(&[1; 32]).public().thumbprint();
        let code = Code::parse("12345678").unwrap();
        Message::new(EnrollmentId::from_bytes([7; 16]), code, &msp, &key, Duration::from_secs(lifetime)).unwrap()
    }

    #[test]
    fn names_provider_key_code_and_lifetime() {
        let message = message("a.example", 600);
        let fingerprint = SigningKey::from_seed(&[1; 32]).public().thumbprint().fingerprint();
        for text in [message.short_text(), message.long_text()] {
            assert!(text.starts_with("12345678 is your code for a.example"), "{}", &*text);
            assert!(text.contains(&fingerprint));
            assert!(text.contains("10 minutes"));
        }
        assert!(!message.subject().contains("1234"));
        assert!(!format!("{message:?}").contains("1234"));
    }

    #[test]
    fn an_sms_ends_with_the_line_that_binds_its_code_to_the_provider() {
        for language in Language::all() {
            let text = message("msp.example", 600).in_language(language).short_text();
            let (first, last) = text.split_once('\n').unwrap();
            assert_eq!(last, "@msp.example #12345678");
            assert!(first.starts_with("12345678"));
            assert!(first.contains("msp.example"));
        }
    }

    /// 160 characters of the GSM alphabet or 70 of UCS-2 fit one part; a longer message has parts of 153 or 67.
    #[test]
    fn every_language_has_its_number_of_parts() {
        let mut in_one_part = Vec::new();
        for language in Language::all() {
            let short = ShortMessage::encode(&message("msp.example", 600).in_language(language).short_text());
            match short.alphabet() {
                Alphabet::Gsm => {
                    assert!(short.units() <= 160, "{}: {}", language.tag(), short.units());
                    assert_eq!(short.parts(7).len(), 1, "{}", language.tag());
                    in_one_part.push(language.tag());
                }
                Alphabet::Ucs2 => {
                    assert!(short.units() <= 2 * 67, "{}: {}", language.tag(), short.units());
                    assert_eq!(short.parts(7).len(), 2, "{}", language.tag());
                }
            }
        }
        assert_eq!(in_one_part, ["en", "de", "fr", "es", "it", "pt", "nl", "sv", "id"]);
    }

    #[test]
    fn an_english_sms_fits_one_part_for_a_name_of_33() {
        let name = format!("{}.example", "m".repeat(25));
        assert_eq!((name.len(), ShortMessage::encode(&message(&name, 600).short_text()).units()), (33, 159));
    }

    #[test]
    fn html_says_the_same_and_fetches_nothing() {
        for language in Language::all() {
            let message = message("a.example", 600).in_language(language);
            let html = message.html();
            assert!(html.contains(&format!("<html lang=\"{}\" dir=", language.tag())));
            assert!(!["http", "src=", "href", "<img", "<a ", "url("].iter().any(|part| html.contains(part)));
            let (_, body) = html.split_once("<body>").unwrap();
            let mut text = String::new();
            for part in body.split('<') {
                text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
            }
            let text = text.replace("&#39;", "'").replace("&quot;", "\"");
            let same: Vec<_> = message.long_text().split_whitespace().map(str::to_owned).collect();
            assert_eq!(text.split_whitespace().collect::<Vec<_>>(), same);
        }
        let arabic = Language::from_tag("ar").unwrap();
        assert!(message("a.example", 600).in_language(arabic).html().contains("dir=\"rtl\""));
    }

    #[test]
    fn html_is_escaped() {
        assert_eq!(escape("<b a=\"1\" c='2'>&"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
    }

    #[test]
    fn lifetimes_read_well() {
        for (seconds, text) in [(60, "1 minute"), (600, "10 minutes"), (599, "9 minutes"), (90, "90 seconds")] {
            assert!(message("a.example", seconds).long_text().contains(&format!("valid for {text}.")));
        }
    }

    #[test]
    fn line_breaks_are_seen() {
        for text in ["a\r\nBcc: b", "a\nb", "a\u{0}b", "a\u{85}b", "a\u{2028}b"] {
            assert!(!stays_in_its_line(text));
        }
        assert!(stays_in_its_line("xn--bcher-kva.example"));
    }
}
