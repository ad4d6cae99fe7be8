//! What the processor does at present: a capsule opened and its answer sealed, by the gateway's own module alone. On a machine
//! that others use as well, figures of two runs can be compared where these agree; it is also the part of a request at the
//! gateway that no HTTP could take away.

use std::hint::black_box;
use std::time::Duration;

use client::lookup::{padded_bytes, question};
use client::oblivious::{encapsulate, select};
use encapsulation::{AeadName, KemName, Opener, encode_list};

use super::{Bench, PARTS};
use crate::place::{LOOKUP_URL, number};
use crate::process::this_thread;
use crate::{Result, cores};

/// Exchanges in each part.
const EXCHANGES: u32 = 500;
/// As long as an answer about one number, padded.
const ANSWER_BYTES: usize = 4096;

impl Bench {
    pub(super) fn yardstick(&mut self, when: &str) -> Result<()> {
        let least = cores::on(&self.cores.server, least)??;
        let found = format!("{:.1} µs of processor", least.as_secs_f64() * 1e6);
        self.report.fact(format!("A capsule opened and its answer sealed, nothing else, {when}"), found);
        Ok(())
    }
}

/// Of several parts the one that took least.
fn least() -> Result<Duration> {
    let gateway = Opener::derive(1, KemName::X25519, &[AeadName::Aes128Gcm], &[7; 32])?;
    let key = select(&encode_list([gateway.configuration()]))?;
    let request = question(&[number(0)], &LOOKUP_URL.parse()?)?;
    let (capsule, _) = encapsulate(&request, padded_bytes(1), &key)?;
    let mut least = Duration::MAX;
    for _ in 0..PARTS {
        let before = this_thread()?;
        for _ in 0..EXCHANGES {
            let (_, sealer) = gateway.open(black_box(&capsule))?;
            black_box(sealer.seal(&[0; ANSWER_BYTES], &mut rand::rng()));
        }
        least = least.min((this_thread()? - before) / EXCHANGES);
    }
    Ok(least)
}
