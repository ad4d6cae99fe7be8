//! `discovery watch`: asks again and again, and tells when an answer changes.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::time::Duration;

use client::cache::{Cache, Change, Freshness};
use client::lookup::{Client, Found};
use client::retry::Retry;
use protocol::Timestamp;
use protocol::cpi::Cpi;
use service::shutdown_signal;

use super::Outcome;
use super::answers::{Answered, change_name, is_found};
use super::asked::{self, Asked};
use crate::enroll::now;
use crate::failure::Failure;
use crate::output;
use crate::settings::{AskFlags, Flags, Key, Settings};

/// How often one may ask at most.
const LEAST: Duration = Duration::from_secs(1);
/// The random part of a pause, so that watchers do not come together: up to a fifth of it.
const JITTER: f64 = 0.2;

/// Ask again at a steady pace, and print a line when an answer changes, until Ctrl-C
///
/// Prints what is found at first, then changes alone. A mapping that expires earlier is asked for then. Trouble on the way is a
/// remark on standard error, and is over with the next answer. Exit status after --count: 0 if all were found in the last round, 1
/// if not, 2 if there was no answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  discovery watch --stack stack/stack.json --every 30s --count 2 +14155550132")]
pub(super) struct Args {
    /// How long to wait between rounds, such as 30s or 2h; a second at least
    #[arg(long, value_name = "TIME", default_value = "10m")]
    every: humantime::Duration,
    /// End after this many rounds [default: at Ctrl-C]
    #[arg(long, value_name = "ROUNDS")]
    count: Option<NonZeroU64>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Where numbers without country code are at home, such as US
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Phone numbers and email addresses
    #[arg(value_name = "CPI", required = true)]
    cpis: Vec<String>,
    #[command(flatten)]
    deployment: AskFlags,
}

/// What is watched, and what was seen of it.
struct Watch {
    client: Client,
    asked: Vec<Asked>,
    cpis: Vec<Cpi>,
    json: bool,
    /// Tells changes from renewals.
    seen: Cache,
    last: HashMap<Cpi, Found>,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    let settings = Settings::load(&Flags::from(args.deployment).with(Key::Region, args.region.as_deref()))?;
    let every = Duration::from(args.every);
    if every < LEAST {
        return Err(Failure::new("--every is a second at least"));
    }
    let asked = asked::typed(&args.cpis, settings.region()?)?;
    let client = settings.client()?.retry(Retry::default()).build()?;
    let (cpis, seen) = (asked::cpis(&asked), Cache::new(Freshness::default()));
    let mut watch = Watch { client, asked, cpis, json: args.json, seen, last: HashMap::new() };

    let shutdown = shutdown_signal()?;
    let mut rounds = args.count.map(NonZeroU64::get);
    loop {
        let Some(asked) = shutdown.run_until_cancelled(watch.round()).await else { return Ok(Outcome::Done) };
        let unanswered = asked?;
        rounds = rounds.map(|rounds| rounds - 1);
        if rounds == Some(0) {
            let all = !watch.last.is_empty() && watch.last.values().all(is_found);
            return unanswered.map_or(Ok(if all { Outcome::Done } else { Outcome::NotAll }), |error| Err(error.into()));
        }
        if let Some(error) = &unanswered {
            output::note(error);
        }
        let pause = pause(every, watch.first_end(), now(), rand::random());
        if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Ok(Outcome::Done);
        }
    }
}

impl Watch {
    /// Asks once and prints what changed; returns why there was no answer, if there was none.
    async fn round(&mut self) -> Result<Option<client::Error>, Failure> {
        let found = match self.client.lookup(&self.cpis, |_| ()).await {
            Ok(found) => found,
            // What the caller has got wrong does not mend itself.
            Err(error) if error.fault == client::Fault::Caller && !error.is_passing() => return Err(error.into()),
            Err(error) => return Ok(Some(error)),
        };
        for found in found {
            let change = self.seen.insert(&found, now());
            let is_first = self.last.insert(found.cpi.clone(), found.clone()).is_none();
            if change.is_some() || is_first {
                self.print(&found, change.filter(|_| !is_first))?;
            }
        }
        Ok(None)
    }

    fn print(&self, found: &Found, change: Option<Change>) -> Result<(), Failure> {
        let of_cpi = self.asked.iter().filter(|asked| asked.cpi.as_ref() == Ok(&found.cpi));
        for asked in of_cpi.take(1) {
            let answered = Answered { asked, found: Some(found), error: None, chosen: None, change };
            if self.json {
                output::line(answered.json())?;
                continue;
            }
            let word = change.map(|change| format!("{}: ", change_name(change))).unwrap_or_default();
            let mut lines = answered.lines().into_iter();
            if let Some(first) = lines.next() {
                output::line(format_args!("{} {word}{first}", now()))?;
            }
            lines.try_for_each(output::line)?;
        }
        Ok(())
    }

    /// When the first mapping expires.
    fn first_end(&self) -> Option<Timestamp> {
        let mappings = self.last.values().flat_map(|found| &found.mappings);
        mappings.map(|mapping| mapping.mapping().expires_at).min()
    }
}

/// How long to wait: as asked and a random part of it more, or until just after the first mapping has expired.
fn pause(every: Duration, first_end: Option<Timestamp>, now: Timestamp, random: f64) -> Duration {
    let paced = every.saturating_add(every.mul_f64(random * JITTER));
    let until_end = first_end.filter(|end| *end > now).map(|end| end.since(now).saturating_add(LEAST));
    until_end.map_or(paced, |until_end| paced.min(until_end.max(LEAST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_paced_and_ends_with_a_document() {
        let (minute, now) = (Duration::from_secs(60), Timestamp::from_seconds(1_800_000_000));
        let ends = |seconds| Some(now.plus(Duration::from_secs(seconds)));
        assert_eq!(pause(minute, None, now, 0.0), minute);
        assert_eq!(pause(minute, None, now, 1.0), Duration::from_secs(72));
        assert_eq!(pause(minute, ends(3600), now, 0.0), minute);
        assert_eq!(pause(minute, ends(20), now, 0.5), Duration::from_secs(21));
        assert_eq!(pause(minute, Some(now), now, 0.0), minute, "what has expired is not waited for");
    }
}
