//! What is said to the holder of a CPI: the code, for which MSP and key, and for how long.
//!
//! The code comes first, so that people and phones find it. What is put into the text comes from types that hold no
//! control characters; [`Message::new`] checks it all the same, since a line break would let a sender write headers.

use std::time::Duration;

use protocol::Thumbprint;
use protocol::enrollment::{Code, EnrollmentId};
use protocol::mimi_uri::Msp;
use zeroize::Zeroizing;

/// A message with a code. `Debug` shows neither.
#[derive(Clone)]
pub struct Message {
    id: EnrollmentId,
    code: Code,
    provider: String,
    fingerprint: String,
    lifetime: Duration,
}

impl Message {
    /// A message for one enrollment; none if a name in it could break out of its line.
    #[must_use]
    pub fn new(id: EnrollmentId, code: Code, msp: &Msp, user_key: &Thumbprint, lifetime: Duration) -> Option<Self> {
        let (provider, fingerprint) = (msp.domain().to_owned(), user_key.fingerprint());
        let safe = stays_in_its_line(&provider) && stays_in_its_line(&fingerprint);
        safe.then_some(Self { id, code, provider, fingerprint, lifetime })
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

    /// The subject of an email. It does not show the code, since locked screens show subjects.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("Your code for {}", self.provider)
    }

    /// In one line, for SMS: within 160 characters for a provider's name of 55.
    #[must_use]
    pub fn short_text(&self) -> Zeroizing<String> {
        let Self { provider, fingerprint, .. } = self;
        let (code, minutes) = (self.code.digits(), self.minutes());
        Zeroizing::new(format!(
            "{code} is your code for {provider}, valid {minutes}. Key {fingerprint}. Never pass it on."
        ))
    }

    /// In full, for email.
    #[must_use]
    pub fn long_text(&self) -> Zeroizing<String> {
        let Self { provider, fingerprint, .. } = self;
        let (code, minutes) = (self.code.digits(), self.minutes());
        Zeroizing::new(format!(
            "{code} is your code for {provider}.\n\
             \n\
             Enter it in the app of {provider} if you have just asked for it there, so that you can be found there under\n\
             this address. It is valid for {minutes}.\n\
             \n\
             The app shows the key that this code is for: {fingerprint}. If it shows another one, do not enter the code.\n\
             \n\
             If you did not ask for a code, you need do nothing. Never pass the code on, whoever asks for it.\n"
        ))
    }

    /// In whole minutes, rounded down; under two of them, in seconds.
    fn minutes(&self) -> String {
        match self.lifetime.as_secs() {
            60 => "1 minute".to_owned(),
            seconds if seconds >= 120 => format!("{} minutes", seconds / 60),
            seconds => format!("{seconds} seconds"),
        }
    }
}

/// Whether `text` can stand in a line of a message or header without ending it.
pub(crate) fn stays_in_its_line(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn an_sms_fits_one_part() {
        let name = format!("{}.example", "m".repeat(47));
        assert_eq!(name.len(), 55);
        assert!(message(&name, 600).short_text().len() <= 160);
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
