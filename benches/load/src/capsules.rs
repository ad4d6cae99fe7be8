//! Requests made beforehand, so that making them is not measured, and the check that answers are answers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::SystemTime;

use bytes::Bytes;
use client::lookup::{answer, padded_bytes, question};
use client::oblivious::{Opener, encapsulate, select};
use protocol::Timestamp;
use protocol::cpi::Cpi;
use protocol::trust::TrustAnchors;

use crate::place::{LOOKUP_URL, number};
use crate::{Result, ensure};

/// Steps through all numbers so that neighbours in time are none in the database.
const STRIDE: u64 = 7_919;
/// As long as a capsule that asks for one number: header, encapsulated key, padded content, tag.
const OPAQUE_BYTES: usize = 7 + 32 + 1024 + 16;

/// What capsules ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Questions {
    /// Numbers in the store.
    pub records: u64,
    /// Numbers in each capsule.
    pub each: usize,
}

impl Questions {
    /// What the nth capsule asks for.
    #[must_use]
    pub fn nth(&self, n: usize) -> Vec<Cpi> {
        let first = n as u64 * self.each as u64;
        (first..first + self.each as u64).map(|n| number(n.wrapping_mul(STRIDE) % self.records)).collect()
    }
}

/// Capsules, each of its own, and what opens their answers.
pub struct Capsules {
    questions: Questions,
    bodies: Vec<Bytes>,
    openers: Mutex<HashMap<usize, Opener>>,
}

impl Capsules {
    /// Makes `count` capsules for the gateway that publishes `keys` (`application/ohttp-keys`), on all cores. The answers of one in
    /// `checked` can be opened.
    ///
    /// # Errors
    ///
    /// If the keys cannot be used.
    pub fn make(keys: &[u8], questions: Questions, count: usize, checked: usize) -> Result<Self> {
        let key = select(keys)?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let share = count.div_ceil(cores).max(1);
        let key = key.as_slice();
        let made: Vec<Result<Vec<(Bytes, Opener)>>> = thread::scope(|scope| {
            let shares: Vec<_> = (0..count)
                .step_by(share)
                .map(|from| {
                    scope.spawn(move || {
                        (from..count.min(from + share)).map(|n| capsule(&questions.nth(n), key)).collect()
                    })
                })
                .collect();
            shares
                .into_iter()
                .map(|share| share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let (mut bodies, mut openers) = (Vec::with_capacity(count), HashMap::new());
        for share in made {
            for (body, opener) in share? {
                if bodies.len() % checked.max(1) == 0 {
                    openers.insert(bodies.len(), opener);
                }
                bodies.push(body);
            }
        }
        Ok(Self { questions, bodies, openers: Mutex::new(openers) })
    }

    /// `count` bodies of one length that nobody can open, for a relay, which does not look; each of its own.
    #[must_use]
    pub fn opaque(count: usize) -> Self {
        let body = |n: usize| {
            let mut body = vec![7; OPAQUE_BYTES];
            body[..8].copy_from_slice(&n.to_be_bytes());
            Bytes::from(body)
        };
        let questions = Questions { records: 1, each: 1 };
        Self { questions, bodies: (0..count).map(body).collect(), openers: Mutex::default() }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bodies.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// The nth, from the beginning again after the last.
    #[must_use]
    pub fn body(&self, n: usize) -> Bytes {
        self.bodies[n % self.bodies.len()].clone()
    }

    /// Whether the answer to the nth is one to be opened.
    #[must_use]
    pub fn is_checked(&self, n: usize) -> bool {
        self.openers.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&n)
    }

    /// Opens answers and verifies every document in them: each has one mapping for every number that was asked for.
    ///
    /// # Errors
    ///
    /// If one does not open or verify, was opened before, or lacks a mapping.
    pub fn check(&self, answers: &[(usize, Bytes)], provers: &TrustAnchors) -> Result<()> {
        let now = Timestamp::from(SystemTime::now());
        for (n, sealed) in answers {
            let opener = self.openers.lock().unwrap_or_else(PoisonError::into_inner).remove(n);
            let response = opener.ok_or("an answer to no capsule")?.open(sealed)?;
            ensure(response.status().is_success(), format!("the answer inside a capsule is {}", response.status()))?;
            let found = answer(&self.questions.nth(*n), response.body(), provers, now)?;
            ensure(found.iter().all(|found| found.mappings.len() == 1 && found.agrees()), "an answer lacks a mapping")?;
        }
        Ok(())
    }

    /// Opens echoes of the comparison gateway, which sends back the content of the request.
    ///
    /// # Errors
    ///
    /// If one does not open, was opened before, or is no echo.
    pub fn check_echoes(&self, answers: &[(usize, Bytes)]) -> Result<()> {
        for (n, sealed) in answers {
            let opener = self.openers.lock().unwrap_or_else(PoisonError::into_inner).remove(n);
            let response = opener.ok_or("an answer to no capsule")?.open(sealed)?;
            let asked = question(&self.questions.nth(*n), &LOOKUP_URL.parse()?)?;
            ensure(response.body() == asked.body(), "an answer is no echo")?;
        }
        Ok(())
    }
}

fn capsule(cpis: &[Cpi], key: &[u8]) -> Result<(Bytes, Opener)> {
    let request = question(cpis, &LOOKUP_URL.parse()?)?;
    let (capsule, opener) = encapsulate(&request, padded_bytes(cpis.len()), key)?;
    Ok((capsule.into(), opener))
}

#[cfg(test)]
mod tests {
    use ohttp::hpke::{Aead, Kdf, Kem};
    use ohttp::{KeyConfig, Server, SymmetricSuite};

    use super::*;

    const QUESTIONS: Questions = Questions { records: 100, each: 3 };

    fn capsules() -> (Server, Capsules) {
        let suite = SymmetricSuite::new(Kdf::HkdfSha256, Aead::Aes128Gcm);
        let server = Server::new(KeyConfig::new(1, Kem::X25519Sha256, vec![suite]).unwrap()).unwrap();
        let keys = KeyConfig::encode_list(&[server.config()]).unwrap();
        let capsules = Capsules::make(&keys, QUESTIONS, 10, 4).unwrap();
        (server, capsules)
    }

    #[test]
    fn each_capsule_is_its_own_and_some_answers_can_be_opened() {
        let (server, capsules) = capsules();
        assert_eq!((capsules.len(), capsules.is_empty()), (10, false));
        let distinct: std::collections::HashSet<_> = (0..10).map(|n| capsules.body(n)).collect();
        assert_eq!(distinct.len(), 10);
        assert_eq!((0..10).filter(|n| capsules.is_checked(*n)).collect::<Vec<_>>(), [0, 4, 8]);
        assert_eq!(capsules.body(13), capsules.body(3));
        let opaque = Capsules::opaque(2);
        assert_ne!(opaque.body(0), opaque.body(1));
        assert!(!opaque.is_checked(0));
        let one = Questions { each: 1, ..QUESTIONS };
        let keys = KeyConfig::encode_list(&[server.config()]).unwrap();
        assert_eq!(opaque.body(0).len(), Capsules::make(&keys, one, 1, 1).unwrap().body(0).len());
        assert_eq!(server.decapsulate(&capsules.body(9)).unwrap().0.len(), padded_bytes(3));
    }

    #[test]
    fn an_answer_without_mappings_does_not_pass() {
        let (server, capsules) = capsules();
        let provers = TrustAnchors::new(Vec::new());
        let sealed = |n: usize, status: u16| {
            let mut answer = bhttp::Message::response(bhttp::StatusCode::try_from(status).unwrap());
            answer.write_content(b"no answer");
            let mut binary = Vec::new();
            answer.write_bhttp(bhttp::Mode::KnownLength, &mut binary).unwrap();
            let (_, sealer) = server.decapsulate(&capsules.body(n)).unwrap();
            Bytes::from(sealer.encapsulate(&binary).unwrap())
        };
        let refused = |n, answer| capsules.check(&[(n, answer)], &provers).unwrap_err().to_string();
        assert!(refused(0, sealed(0, 503)).contains("503"));
        assert!(refused(0, sealed(0, 200)).contains("no capsule"), "an opener opens once");
        assert!(refused(4, sealed(0, 200)).contains("does not open"));
        assert!(refused(8, sealed(8, 200)).contains("lookup: "));
    }

    #[test]
    fn questions_go_through_all_numbers() {
        let asked: std::collections::HashSet<_> = (0..34).flat_map(|n| QUESTIONS.nth(n)).collect();
        assert_eq!(asked.len(), 100);
    }
}
