//! A content sealed into a capsule, and its answer opened (RFC 9458 §4.3, §4.4): on aws-lc where that is at hand (feature `net`), elsewhere, as in a
//! browser, by the `ohttp` crate in pure Rust, which takes three times as long.

#[cfg(feature = "net")]
pub(super) use native::{AnswerOpener, seal};
#[cfg(not(feature = "net"))]
pub(super) use portable::{AnswerOpener, seal};

#[cfg(feature = "net")]
mod native {
    use encapsulation::Recipient;

    /// Opens the answer to one capsule.
    pub(in super::super) struct AnswerOpener(encapsulation::AnswerOpener);

    /// Seals `content` to the key of `configuration`, which has one suite. `None` if the key is not usable.
    pub(in super::super) fn seal(configuration: &[u8], content: &[u8]) -> Option<(Vec<u8>, AnswerOpener)> {
        let (capsule, opener) = Recipient::decode(configuration).ok()?.encapsulate(content, &mut rand::rng()).ok()?;
        Some((capsule, AnswerOpener(opener)))
    }

    impl AnswerOpener {
        /// `None` if `answer` was not sealed for this capsule.
        pub(in super::super) fn open(self, answer: &[u8]) -> Option<Vec<u8>> {
            self.0.open(answer).ok()
        }
    }
}

#[cfg(any(test, not(feature = "net")))]
mod portable {
    use ohttp::ClientRequest;

    /// Opens the answer to one capsule.
    pub(in super::super) struct AnswerOpener(ohttp::ClientResponse);

    /// Seals `content` to the key of `configuration`, which has one suite. `None` if the key is not usable.
    pub(in super::super) fn seal(configuration: &[u8], content: &[u8]) -> Option<(Vec<u8>, AnswerOpener)> {
        let (capsule, opener) = ClientRequest::from_encoded_config(configuration).ok()?.encapsulate(content).ok()?;
        Some((capsule, AnswerOpener(opener)))
    }

    impl AnswerOpener {
        /// `None` if `answer` was not sealed for this capsule.
        pub(in super::super) fn open(self, answer: &[u8]) -> Option<Vec<u8>> {
            self.0.decapsulate(answer).ok()
        }
    }
}

#[cfg(all(test, feature = "net"))]
mod tests {
    use encapsulation::{AeadName, KemName, Opener};

    use super::{native, portable};

    #[test]
    fn either_way_is_opened_by_the_gateway_and_opens_its_answer() {
        for kem in [KemName::X25519, KemName::XWing] {
            for aead in [AeadName::Aes128Gcm, AeadName::ChaCha20Poly1305] {
                let gateway = Opener::derive(3, kem, &[aead], &[1; 32]).unwrap();
                let answer = |capsule: &[u8]| {
                    let (content, sealer) = gateway.open(capsule).unwrap();
                    assert_eq!(content, b"question");
                    sealer.seal(b"answer", &mut rand::rng())
                };
                let (capsule, opener) = native::seal(gateway.configuration(), b"question").unwrap();
                assert_eq!(opener.open(&answer(&capsule)).as_deref(), Some(&b"answer"[..]));
                let (capsule, opener) = portable::seal(gateway.configuration(), b"question").unwrap();
                assert_eq!(opener.open(&answer(&capsule)).as_deref(), Some(&b"answer"[..]));
                let (_, other) = native::seal(gateway.configuration(), b"question").unwrap();
                assert_eq!(other.open(&answer(&capsule)), None);
            }
        }
        assert!(native::seal(b"no key", b"").is_none() && portable::seal(b"no key", b"").is_none());
    }
}
