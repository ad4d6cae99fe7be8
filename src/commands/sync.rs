//! `discovery sync`: a contact book kept up to date.

use std::collections::HashMap;
use std::path::PathBuf;

use client::cache::{Cache, Change, Freshness};
use client::choice::{Choice, Reason, choose};
use client::lookup::{Found, Synced};
use client::retry::Retry;
use protocol::cpi::Cpi;

use super::Outcome;
use super::answers::{Answered, Format};
use super::asked;
use crate::enroll::now;
use crate::failure::Failure;
use crate::output;
use crate::settings::{AskFlags, Flags, Key, Settings};

/// Keep a contact book up to date: ask only for what is new or has expired, and tell what changed
///
/// Answers are kept in a file that only its owner can read, until their documents expire: an hour if nothing was found, a week at
/// most. Where a contact can be reached at several providers alike, one is chosen once and kept. Exit status 0 if all has been
/// asked for, found or not; 1 if something could not be read in the contact book; 2 for trouble, after which the next run goes
/// on where this one ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  discovery sync --stack stack/stack.json --region US book.vcf\n  \
                        discovery sync --stack stack/stack.json --all --changed --json contacts.csv")]
pub(super) struct Args {
    /// Where numbers without country code are at home, such as US
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Where answers are kept, one file for a book [default: in ~/.cache/discovery]
    #[arg(long, value_name = "FILE")]
    cache: Option<PathBuf>,
    /// In which context to choose among providers, such as Business
    #[arg(long, value_name = "TAG")]
    context: Option<String>,
    /// Print what changed since the last time, and nothing else
    #[arg(long)]
    changed: bool,
    /// Ask for everything, as if all had expired
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    format: Format,
    /// The contact book: vCard, or CSV if its name ends so (columns name, phone, email, region)
    #[arg(value_name = "FILE")]
    book: PathBuf,
    #[command(flatten)]
    deployment: AskFlags,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    let flags = Flags::from(args.deployment).with(Key::Region, args.region.as_deref());
    let settings = Settings::load(&flags.with(Key::Cache, args.cache.as_deref()))?;
    let all = asked::of_book(&args.book, settings.region()?)?;
    let cpis = asked::cpis(&all);
    let trust = settings.trust()?;
    let file = settings.cache(&args.book, &trust.provider.name)?;
    let unusable = |error| Failure::new(format!("{}: {error}", file.display()));
    let mut cache = Cache::load(&file, Freshness::default()).map_err(unusable)?;
    cache.retain(&cpis);
    if args.all {
        cache.expire();
    }

    let client = settings.client()?.retry(Retry::default()).build()?;
    let bar = output::progress("asking", 0);
    let synced = client
        .sync(&cpis, &mut cache, |progress| {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.answered as u64);
        })
        .await;
    bar.finish_and_clear();

    let found: HashMap<Cpi, Found> =
        cpis.iter().filter_map(|cpi| Some((cpi.clone(), cache.find(cpi, &trust.provers, now())?))).collect();
    remember(&mut cache, &found, args.context.as_deref());
    cache.save(&file).map_err(unusable)?;

    let changes: HashMap<&Cpi, Change> = synced.changed.iter().map(|(cpi, change)| (cpi, *change)).collect();
    let mut printer = args.format.table()?;
    for asked in &all {
        let cpi = asked.cpi.as_ref().ok();
        let (found, change) = (cpi.and_then(|cpi| found.get(cpi)), cpi.and_then(|cpi| changes.get(cpi).copied()));
        let context = args.context.as_deref();
        let chosen = found.and_then(|found| choose(found, context, cache.choice(&found.cpi, context), 0));
        if change.is_some() || !args.changed {
            printer.print(&Answered { asked, found, error: synced.interrupted.as_ref(), chosen, change })?;
        }
    }
    printer.finish()?;
    output::note(summary(&synced, &changes));
    match synced.interrupted {
        Some(error) => Err(error.into()),
        None if cpis.len() < all.len() => Ok(Outcome::NotAll),
        None => Ok(Outcome::Done),
    }
}

/// Breaks ties, once.
fn remember(cache: &mut Cache, found: &HashMap<Cpi, Found>, context: Option<&str>) {
    for (cpi, found) in found {
        let chosen = choose(found, context, cache.choice(cpi, context), rand::random_range(0..usize::MAX));
        let tie = chosen.filter(|chosen| chosen.reason == Reason::Tie).and_then(|chosen| Choice::of(chosen.mapping));
        if let Some(choice) = tie {
            cache.remember(cpi, context, choice);
        }
    }
}

fn summary(synced: &Synced, changes: &HashMap<&Cpi, Change>) -> String {
    let count = |of: Change| changes.values().filter(|change| **change == of).count();
    format!(
        "{} were known, {} asked for: {} new, {} gone, {} changed.",
        synced.kept,
        synced.progress.answered,
        count(Change::New),
        count(Change::Gone),
        count(Change::Otherwise)
    )
}
