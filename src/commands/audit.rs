//! `discovery audit`: holds a provider to its receipts.

use std::collections::HashMap;
use std::path::PathBuf;

use client::http::Bounds;
use client::lookup::Found;
use client::retry::Retry;
use protocol::cpi::Cpi;
use protocol::receipt::Position;
use serde_json::json;

use super::Outcome;
use crate::audit::{Feed, Finding, Findings, Promise, cpis, judge, promises, unexplained};
use crate::enroll::now;
use crate::failure::Failure;
use crate::output::{self, Table, Tone};
use crate::receipts;
use crate::settings::{Flags, Key, Settings};

/// Compare receipts with what the provider's lookups and its change feed show, and say what that proves
///
/// Every receipt (see --receipts of enroll, publish and withdraw) is the provider's signed promise that a document is durable, at
/// a position of its log. Lookups go through the relay, as anybody's do. The feed is read if there is a certificate that the store
/// lets read it. Exit status 0 if every promise is kept, 1 if one is not, 2 for usage or trouble.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  discovery audit --stack stack/stack.json --receipts receipts")]
pub(super) struct Args {
    /// The receipts
    #[arg(long, value_name = "FILE")]
    receipts: Option<PathBuf>,
    /// Leave the change feed alone
    #[arg(long)]
    no_feed: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    deployment: Flags,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    let settings = Settings::load(&args.deployment.with(Key::Receipts, args.receipts.as_deref()))?;
    let (kept, trust) = (receipts::read(settings.required(Key::Receipts)?.as_ref())?, settings.trust()?);
    let promises = promises(&kept, &trust);

    // Lookups first: what ends meanwhile is in the log that is read after them.
    let client = settings.client()?.retry(Retry::default()).build()?;
    let book = cpis(&promises);
    let bar = output::progress("looking up", book.len());
    let found = client.lookup(&book, |more| bar.inc(more as u64)).await?;
    bar.finish_and_clear();
    let answers: HashMap<Cpi, Found> = found.into_iter().map(|found| (found.cpi.clone(), found)).collect();

    let may_follow = !args.no_feed && settings.text(Key::FollowerCertificate).is_some();
    let all = if may_follow {
        let http = settings.http((Key::FollowerCertificate, Key::FollowerKey), Bounds::default())?;
        let (store, good) = (settings.required(Key::Store)?, promises.iter().flatten().collect::<Vec<&Promise>>());
        let mut feed = Feed::read(&http, store, &good, &trust).await?;
        let all = judge(&promises, Some(&feed), &answers, now());
        let unexplained = unexplained(&all);
        if unexplained.is_empty() {
            all
        } else {
            feed.read_on(&http, store, &unexplained, &trust).await?;
            judge(&promises, Some(&feed), &answers, now())
        }
    } else {
        judge(&promises, None, &answers, now())
    };
    if args.json {
        all.iter().map(as_json).try_for_each(output::line)?;
    } else {
        print(&all, may_follow)?;
    }
    Ok(if all.iter().any(Findings::is_loss) { Outcome::NotAll } else { Outcome::Done })
}

fn print(all: &[Findings], with_log: bool) -> Result<(), Failure> {
    let mut table = Table::new(["position", "identifier", "seq", "log", "lookup"]);
    for findings in all {
        let [position, cpi, seq] = head(findings);
        let no_log = if with_log { "" } else { "not read" };
        let log = words(findings, Finding::is_of_log).unwrap_or_else(|| no_log.to_owned());
        let lookup = words(findings, |finding| !finding.is_of_log()).unwrap_or_default();
        table.row(Some(tone(findings)), [position, cpi, seq, log, lookup]);
    }
    table.print()?;
    for findings in all.iter().filter(|findings| findings.is_loss()) {
        let [position, cpi, _] = head(findings);
        for (finding, proves) in findings.found.iter().filter_map(|finding| Some((finding, finding.proves()?))) {
            output::line(format_args!("\n{}", Tone::Bad.paint(format_args!("{position} {cpi}: {finding}"))))?;
            output::line(proves)?;
        }
    }
    Ok(())
}

fn tone(findings: &Findings) -> Tone {
    match (findings.is_loss(), &findings.promise) {
        (true, _) => Tone::Bad,
        (false, Some(_)) => Tone::Good,
        (false, None) => Tone::Careful,
    }
}

/// Position, identifier and `seq`.
fn head(findings: &Findings) -> [String; 3] {
    let Some(Promise { position: Position { shard, number }, mapping, .. }) = &findings.promise else {
        return Default::default();
    };
    let mapping = mapping.as_ref().map(|mapping| mapping.mapping());
    let of = |text: Option<String>| text.unwrap_or_default();
    [
        format!("{shard}/{number}"),
        of(mapping.map(|mapping| mapping.cpi.to_string())),
        of(mapping.map(|mapping| mapping.seq.to_string())),
    ]
}

fn words(findings: &Findings, which: impl Fn(&Finding) -> bool) -> Option<String> {
    let words: Vec<String> = findings.found.iter().filter(|finding| which(finding)).map(ToString::to_string).collect();
    (!words.is_empty()).then(|| words.join("\n"))
}

fn as_json(findings: &Findings) -> serde_json::Value {
    let position =
        findings.promise.as_ref().map(|promise| [u64::from(promise.position.shard), promise.position.number]);
    let mapping =
        findings.promise.as_ref().and_then(|promise| promise.mapping.as_ref()).map(|mapping| mapping.mapping());
    json!({
        "position": position,
        "cpi": mapping.map(|mapping| mapping.cpi.as_str()),
        "seq": mapping.map(|mapping| mapping.seq),
        "lost": findings.is_loss(),
        "log": words(findings, Finding::is_of_log),
        "lookup": words(findings, |finding| !finding.is_of_log()),
        "proves": findings.found.iter().filter_map(Finding::proves).collect::<Vec<_>>(),
    })
}
