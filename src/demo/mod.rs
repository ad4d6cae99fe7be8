//! The demo: a contact book enrolls and is found.
//!
//! The people of the book enroll with three MSPs by the plan in their `CATEGORIES` (`plan`); codes come to telephone
//! numbers by the development courier and to email addresses by real SMTP. Then somebody else, who has the relay's address,
//! the trust file and the book, looks everybody up: one by one for the time it takes, and all at once. Every answer is
//! compared with what was published, and every document is verified once more, offline (`report`).

mod enrolling;
mod plan;
mod report;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use client::lookup::{Client, Found};
use protocol::cpi::Cpi;

use crate::commands::client;
use crate::contacts::vcard;
use crate::failure::Failure;
use crate::mail_sink::MailSink;
use crate::output::progress;
use crate::stack::{EmailRoute, Foundation, Options, Stack};
use plan::Plan;

pub use report::Report;

/// What the demo plays with.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The contact book.
    pub contacts: PathBuf,
}

/// One answer, and how long it took through the relay, by itself.
struct Timed {
    found: Found,
    took: Duration,
}

/// Plays the demo on a stack of its own.
///
/// # Errors
///
/// [`Failure`] if something did not work; what worked and was not as expected is in the report.
pub async fn run(foundation: Foundation, setting: &Setting) -> Result<Report, Failure> {
    let contacts = vcard::read(&setting.contacts)
        .map_err(|error| Failure::new(format!("{}: {error}", setting.contacts.display())))?;
    let plan = Plan::make(&contacts)?;
    let folder = foundation.folder().to_owned();
    let mail = MailSink::start(&folder, &foundation.server_identity("mail")?).await?;
    let options = Options { folder, base_port: None, email: EmailRoute::Smtp { port: mail.port() } };
    let stack = Stack::start_on(foundation, &options).await?;

    let played = async {
        let enrolled = enrolling::enroll(&stack, &mail, &plan).await?;
        let asker = client(stack.description())?;
        let one_by_one = one_by_one(&asker, plan.cpis()).await?;
        let start = Instant::now();
        let at_once = at_once(&asker, plan.cpis()).await?;
        let provers = crate::enroll::read_trust(stack.description())?.provers;
        Ok(Report::new(contacts, plan, enrolled, one_by_one, (at_once, start.elapsed()), &provers))
    };
    let played: Result<Report, Failure> = played.await;
    let stopped = stack.stop().await.and(mail.stop().await);
    let report = played?;
    stopped.map(|()| report)
}

async fn one_by_one(asker: &Client, cpis: &[Cpi]) -> Result<Vec<Timed>, Failure> {
    let bar = progress("looking up one by one", cpis.len());
    let mut answers = Vec::with_capacity(cpis.len());
    for cpi in cpis {
        let start = Instant::now();
        let found = asker.lookup(std::slice::from_ref(cpi), |_| ()).await?;
        let took = start.elapsed();
        answers.extend(found.into_iter().map(|found| Timed { found, took }));
        bar.inc(1);
    }
    bar.finish();
    Ok(answers)
}

async fn at_once(asker: &Client, cpis: &[Cpi]) -> Result<Vec<Found>, Failure> {
    let bar = progress("looking up at once", cpis.len());
    let found = asker.lookup(cpis, |more| bar.inc(more as u64)).await?;
    bar.finish();
    Ok(found)
}
