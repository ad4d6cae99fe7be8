//! What relay and gateway saw of the last few lookups: in memory, bounded in number and size, forgotten when the stack stops.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// How many lookups are remembered of each party.
pub const MAX_RECORDED: usize = 16;
/// How many octets of a body are remembered.
pub const MAX_RECORDED_BYTES: usize = 8 * 1024;

/// Both parties' recordings, apart: nothing in the one points to the other.
#[derive(Clone, Debug, Default)]
pub struct Recordings(Arc<Mutex<Rings>>);

#[derive(Debug, Default)]
struct Rings {
    relay: VecDeque<RelaySaw>,
    gateway: VecDeque<GatewaySaw>,
}

/// Octets, of which the first [`MAX_RECORDED_BYTES`] are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Octets {
    /// How many there were.
    pub bytes: usize,
    /// In hexadecimal.
    pub hex: String,
}

/// One request to the relay and its answer, as they went over the connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RelaySaw {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The client's address and port.
    pub client: String,
    /// The head of the request, as text.
    pub request_head: String,
    /// Its body: the capsule.
    pub request: Octets,
    /// The head of the answer, as text.
    pub answer_head: String,
    /// Its body, sealed.
    pub answer: Octets,
}

/// One request as it came out of a capsule, and its answer before it was sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GatewaySaw {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The relay, by the name in its certificate.
    pub relay: String,
    /// The request line and fields inside the capsule, as text.
    pub request_head: String,
    /// The question.
    pub request: Octets,
    /// The status and fields of the answer, as text.
    pub answer_head: String,
    /// The answer, without padding.
    pub answer: Octets,
}

/// A copy of everything, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// What the relay saw.
    pub relay: Vec<RelaySaw>,
    /// What the gateway saw.
    pub gateway: Vec<GatewaySaw>,
}

impl Recordings {
    pub(super) fn relay_saw(&self, saw: RelaySaw) {
        push(&mut self.rings().relay, saw);
    }

    pub(super) fn gateway_saw(&self, saw: GatewaySaw) {
        push(&mut self.rings().gateway, saw);
    }

    /// Everything that is remembered.
    #[must_use]
    pub fn all(&self) -> Recorded {
        let rings = self.rings();
        Recorded { relay: rings.relay.iter().cloned().collect(), gateway: rings.gateway.iter().cloned().collect() }
    }

    /// Forgets everything.
    pub fn forget(&self) {
        *self.rings() = Rings::default();
    }

    fn rings(&self) -> std::sync::MutexGuard<'_, Rings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<&[u8]> for Octets {
    fn from(octets: &[u8]) -> Self {
        Self { bytes: octets.len(), hex: hex::encode(&octets[..octets.len().min(MAX_RECORDED_BYTES)]) }
    }
}

fn push<T>(ring: &mut VecDeque<T>, saw: T) {
    if ring.len() == MAX_RECORDED {
        ring.pop_front();
    }
    ring.push_back(saw);
}

/// The present time for a recording.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saw(at_ms: u64, body: &[u8]) -> GatewaySaw {
        let (relay, head) = ("relay.example".to_owned(), String::new());
        let (request, answer) = (Octets::from(body), Octets::default());
        GatewaySaw { at_ms, relay, request_head: head.clone(), request, answer_head: head, answer }
    }

    #[test]
    fn recordings_are_bounded_and_forgotten() {
        let recordings = Recordings::default();
        let many = MAX_RECORDED as u64 + 3;
        (0..many).for_each(|at_ms| recordings.gateway_saw(saw(at_ms, &[7; MAX_RECORDED_BYTES + 1])));
        let recorded = recordings.all();
        let times: Vec<u64> = recorded.gateway.iter().map(|saw| saw.at_ms).collect();
        assert_eq!(times, (3..many).collect::<Vec<_>>());
        let Octets { bytes, hex } = &recorded.gateway[0].request;
        assert_eq!((*bytes, hex.len()), (MAX_RECORDED_BYTES + 1, 2 * MAX_RECORDED_BYTES));
        recordings.forget();
        assert_eq!(recordings.all(), Recorded { relay: vec![], gateway: vec![] });
    }
}
