//! The people of the book enroll, many at a time, each by their plan.

use std::time::Duration;

use client::enrollment::Wish;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use protocol::Timestamp;
use protocol::cpi::Cpi;
use protocol::mapping::State;
use protocol::mimi_uri::Msp;

use super::plan::{Fate, MSPS, Plan, Step};
use crate::codes::{CodeSource, Maildir, Outbox};
use crate::enroll::{Desk, MAPPING_LIFETIME, now};
use crate::failure::Failure;
use crate::mail_sink::MailSink;
use crate::output::progress;
use crate::stack::Stack;

/// How many enroll at once.
const CONCURRENT: usize = 64;
/// How long a mapping that is to expire holds.
const SHORT_LIFETIME: Duration = Duration::from_secs(3);

/// Enrolls and publishes all of the plan; returns how many enrollments there were, once nothing is left that is to expire.
pub(super) async fn enroll(stack: &Stack, mail: &MailSink, plan: &Plan) -> Result<usize, Failure> {
    let desks = MSPS.iter().map(|domain| {
        let msp = Msp::from_domain(domain)?;
        let identity = stack.msp_identity(&msp)?;
        Desk::open(stack.description(), msp, &identity)
    });
    let desks = desks.collect::<Result<Vec<_>, Failure>>()?;
    let by_phone = CodeSource::Outbox(Outbox::new(&stack.description().outbox));
    let by_email = CodeSource::Maildir(Maildir::new(mail.maildir()));
    let bar = progress("enrolling", plan.steps().len());
    let expiries: Vec<Option<Timestamp>> = stream::iter(plan.steps())
        .map(|step| {
            let codes = match step.cpi {
                Cpi::Phone(_) => &by_phone,
                Cpi::Email(_) => &by_email,
            };
            play(step, &desks[step.msp], codes)
        })
        .buffer_unordered(CONCURRENT)
        .inspect_ok(|_| bar.inc(1))
        .try_collect()
        .await?;
    bar.finish();
    if let Some(last) = expiries.iter().flatten().max() {
        while now() <= *last {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(expiries.len())
}

/// One person enrolls and publishes; returns when the mapping expires, if it is to.
async fn play(step: &Step, desk: &Desk, codes: &CodeSource) -> Result<Option<Timestamp>, Failure> {
    let enrolled = desk.enroll(&step.cpi, &step.key, codes).await?;
    let wish = Wish {
        reachability: step.reachability.clone(),
        tags: step.tags.clone(),
        seq: 1,
        fresh: false,
        state: State::Live,
        lifetime: if step.fate == Fate::Expires { SHORT_LIFETIME } else { MAPPING_LIFETIME },
    };
    desk.publish(&enrolled, wish.clone(), &step.key).await?;
    match step.fate {
        Fate::Lives => Ok(None),
        Fate::Expires => Ok(Some(now().plus(SHORT_LIFETIME))),
        Fate::IsWithdrawn => {
            let withdrawal = Wish { seq: 2, state: State::Withdrawn, ..wish };
            desk.publish(&enrolled, withdrawal, &step.key).await?;
            Ok(None)
        }
    }
}
