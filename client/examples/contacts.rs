//! Keeps a list of telephone numbers and email addresses up to date, and prints where each can be reached.
//!
//! ```text
//! cargo run -p client --example contacts -- RELAY_URL KEYS_URL LOOKUP_URL TRUST.toml CA.pem CACHE < one-a-line.txt
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

use std::error::Error;
use std::io::BufRead as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use client::cache::{Cache, Freshness};
use client::choice::{Choice, Reason, choose};
use client::lookup::Client;
use client::retry::Retry;
use client::trust::Trust;
use protocol::cpi::Cpi;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [relay, keys, lookup, trust, ca, cache_file] = arguments.as_slice() else {
        return Err("arguments: RELAY_URL KEYS_URL LOOKUP_URL TRUST.toml CA.pem CACHE".into());
    };
    let mut book = Vec::new();
    for line in std::io::stdin().lock().lines() {
        book.push(Cpi::from_user_input(&line?, None)?);
    }

    let trust = Trust::from_toml(&std::fs::read_to_string(trust)?)?;
    let provers = trust.provers.clone();
    let client = Client::builder(relay.parse()?, keys.parse()?, lookup.parse()?, trust, std::fs::read(ca)?)
        .retry(Retry::default())
        .pace(Duration::from_millis(100))
        .build()?;

    let cache_file = Path::new(cache_file);
    let mut cache = Cache::load(cache_file, Freshness::default())?;
    let synced =
        client.sync(&book, &mut cache, |progress| eprint!("\r{} of {}", progress.answered, progress.total)).await;
    eprintln!("\r{} kept, {} asked for, {} changed", synced.kept, synced.progress.answered, synced.changed.len());

    for cpi in &book {
        let Some(found) = cache.find(cpi, &provers, SystemTime::now().into()) else {
            println!("{cpi}: no answer");
            continue;
        };
        let chosen = choose(&found, None, cache.choice(cpi, None), rand::random_range(0..usize::MAX));
        match chosen.and_then(|chosen| Some((Choice::of(chosen.mapping)?, chosen.reason))) {
            Some((choice, reason)) => {
                println!("{cpi}: {} ({reason:?})", choice.msp);
                if reason == Reason::Tie {
                    cache.remember(cpi, None, choice);
                }
            }
            None => println!("{cpi}: {:?}", found.outcome),
        }
    }
    cache.save(cache_file)?;
    synced.interrupted.map_or(Ok(()), |error| Err(error.into()))
}
