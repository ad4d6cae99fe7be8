//! `discovery lookup`: where a few identifiers, or all those of a contact book, can be reached.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use client::choice::choose;
use client::lookup::{Client, Found};
use futures_util::StreamExt as _;
use protocol::cpi::Cpi;

use super::Outcome;
use super::answers::{Answered, Format};
use super::asked;
use crate::enroll::PATIENCE;
use crate::failure::Failure;
use crate::output;
use crate::settings::{AskFlags, Flags, Key, Settings};
use crate::stack::Description;

/// Ask through the relay where phone numbers and email addresses can be reached, and verify every answer
///
/// Give identifiers, or a contact book, or both. Exit status 0 if all were found, 1 if something was not found or could not be
/// read in the contact book, 2 for usage or connection trouble; what was answered until then is printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  discovery lookup --stack stack/stack.json +14155550132 bob@example.com\n  \
                        discovery lookup --stack stack/stack.json --contacts book.vcf --region US --json")]
pub(super) struct Args {
    /// A contact book: vCard, or CSV if its name ends so (columns name, phone, email, region)
    #[arg(long, value_name = "FILE")]
    contacts: Option<PathBuf>,
    /// Where numbers without country code are at home, such as US
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Say which provider to use in this context, such as Business: the one tagged so, else the holder's default
    #[arg(long, value_name = "TAG")]
    context: Option<String>,
    #[command(flatten)]
    format: Format,
    /// Leave every verified mapping in this folder, one file each
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// Phone numbers and email addresses
    #[arg(value_name = "CPI", required_unless_present = "contacts")]
    cpis: Vec<String>,
    #[command(flatten)]
    deployment: AskFlags,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    let settings = Settings::load(&Flags::from(args.deployment).with(Key::Region, args.region.as_deref()))?;
    let region = settings.region()?;
    let mut all = asked::typed(&args.cpis, region)?;
    if let Some(book) = &args.contacts {
        all.extend(asked::of_book(book, region)?);
    }
    let client = settings.client()?.retry(PATIENCE).build()?;
    let (found, errors) = look_up(&client, &asked::cpis(&all)).await;
    if let Some(folder) = &args.save {
        save(found.values(), folder)?;
    }
    let mut outcome = Outcome::Done;
    let mut printer = args.format.lines()?;
    for asked in &all {
        let cpi = asked.cpi.as_ref().ok();
        let found = cpi.and_then(|cpi| found.get(cpi));
        let tie = rand::random_range(0..usize::MAX);
        let chosen = found.and_then(|found| choose(found, Some(args.context.as_deref()?), None, tie));
        let answered = Answered { asked, found, error: cpi.and_then(|cpi| errors.get(cpi)), chosen, change: None };
        if !answered.is_found() {
            outcome = Outcome::NotAll;
        }
        printer.print(&answered)?;
    }
    printer.finish()?;
    errors.into_values().next().map_or(Ok(outcome), |error| Err(error.into()))
}

/// What was answered, and what was not and why.
async fn look_up(client: &Client, cpis: &[Cpi]) -> (HashMap<Cpi, Found>, HashMap<Cpi, client::Error>) {
    let (mut answers, mut errors) = (HashMap::new(), HashMap::new());
    let mut lookups = client.lookups(cpis);
    let bar = output::progress("looking up", lookups.progress().total);
    while let Some(next) = lookups.next().await {
        match next {
            Ok(found) => {
                answers.insert(found.cpi.clone(), found);
                bar.inc(1);
            }
            Err(unanswered) => errors.extend(unanswered.cpis.into_iter().map(|cpi| (cpi, unanswered.error.clone()))),
        }
    }
    bar.finish_and_clear();
    (answers, errors)
}

/// A client of a stack's provider.
pub(crate) fn client(stack: &Description) -> Result<Client, Failure> {
    Ok(Settings::of(stack).client()?.build()?)
}

fn save<'a>(found: impl IntoIterator<Item = &'a Found>, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    for mapping in found.into_iter().flat_map(|found| &found.mappings) {
        let file = folder.join(format!("{}.mapping", hex::encode(&mapping.hash()[..8])));
        service::secret_file::write(&file, mapping.bytes())?;
    }
    Ok(())
}
