//! `discovery lookup`: where a few identifiers, or all those of a contact book, can be reached.

mod print;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use client::lookup::{Client, Found};
use protocol::cpi::{Cpi, Region};
use protocol::lookup::Outcome as Answer;

use super::Outcome;
use crate::contacts::vcard;
use crate::enroll::read_trust;
use crate::failure::Failure;
use crate::stack::Description;

/// Ask through the relay where phone numbers and email addresses can be reached, and verify every answer
///
/// Give identifiers, or a contact book in vCard form, or both. Exit status 0 if all were found, 1 if something was not
/// found or could not be read in the contact book, 2 for usage or connection trouble.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  discovery lookup --stack stack/stack.json +14155550132 bob@example.com\n  \
                        discovery lookup --stack stack/stack.json --contacts book.vcf --region US --json")]
pub(super) struct Args {
    /// The stack's description, as `discovery up` wrote it
    #[arg(long, value_name = "FILE")]
    stack: PathBuf,
    /// A contact book (vCard)
    #[arg(long, value_name = "FILE")]
    contacts: Option<PathBuf>,
    /// Where numbers without country code are at home, such as US
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Leave every verified mapping in this folder, one file each
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// Phone numbers and email addresses
    #[arg(value_name = "CPI", required_unless_present = "contacts")]
    cpis: Vec<String>,
}

/// One thing to look up: from the command line, or from a card of the contact book.
struct Wanted {
    /// The name on its card.
    name: Option<String>,
    /// As written.
    text: String,
    /// As read, or the rule it broke.
    cpi: Result<Cpi, protocol::cpi::CpiError>,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    let region = args.region.as_deref().map(Region::parse).transpose()?;
    let wanted = wanted(&args, region)?;
    let cpis: Vec<Cpi> = wanted.iter().filter_map(|wanted| wanted.cpi.clone().ok()).collect();
    let client = client(&Description::read(&args.stack)?)?;
    let found = client.lookup(&cpis, |_| ()).await?;
    if let Some(folder) = &args.save {
        save(&found, folder)?;
    }
    let by_cpi: HashMap<&Cpi, &Found> = found.iter().map(|found| (&found.cpi, found)).collect();
    let mut outcome = Outcome::Done;
    for wanted in &wanted {
        let found = wanted.cpi.as_ref().ok().and_then(|cpi| by_cpi.get(cpi).copied());
        if !found.is_some_and(is_found) {
            outcome = Outcome::NotAll;
        }
        match args.json {
            true => print::json(wanted, found)?,
            false => print::text(wanted, found)?,
        }
    }
    Ok(outcome)
}

/// A client of the stack's provider.
pub(crate) fn client(stack: &Description) -> Result<Client, Failure> {
    let uri =
        |text: &str| text.parse().map_err(|_| Failure::new(format!("the stack's description has a bad URL: {text}")));
    let (relay, keys, lookup) = (uri(&stack.relay_url)?, uri(&stack.keys_url)?, uri(&stack.lookup_url)?);
    Ok(Client::builder(relay, keys, lookup, read_trust(stack)?, std::fs::read(&stack.ca_cert)?).build()?)
}

/// Whether at least one provider was found.
pub(crate) fn is_found(found: &Found) -> bool {
    match found.outcome {
        Answer::OneMapping | Answer::SeveralProviders | Answer::SeveralHolders => true,
        Answer::NeverMapped | Answer::Unreachable => false,
    }
}

/// What is typed must be right; what stands in a contact book need not be.
fn wanted(args: &Args, region: Option<Region>) -> Result<Vec<Wanted>, Failure> {
    let mut wanted = Vec::new();
    for text in &args.cpis {
        let cpi = Cpi::from_user_input(text, region).map_err(|error| Failure::new(format!("{text}: {error}")))?;
        wanted.push(Wanted { name: None, text: text.clone(), cpi: Ok(cpi) });
    }
    if let Some(book) = &args.contacts {
        for contact in vcard::read(book).map_err(|error| Failure::new(format!("{}: {error}", book.display())))? {
            let of_card = contact.identifiers(region);
            wanted.extend(of_card.map(|(text, cpi)| Wanted {
                name: Some(contact.name.clone()),
                text: text.to_owned(),
                cpi,
            }));
        }
    }
    Ok(wanted)
}

fn save(found: &[Found], folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    for mapping in found.iter().flat_map(|found| &found.mappings) {
        let file = folder.join(format!("{}.mapping", hex::encode(&mapping.hash()[..8])));
        service::secret_file::write(&file, mapping.bytes())?;
    }
    Ok(())
}
