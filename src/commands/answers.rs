//! Answers, for people and for programs.
//!
//! `--json` prints an object a line; a field that has nothing to say is left out, but for those of a mapping. `outcome` is what
//! this side concludes from what it has verified, `claimed` what the provider says; `change` is `new`, `gone` or `changed`:
//!
//! ```json
//! {"name": "Bob", "input": "(415) 555-0132", "cpi": "tel:+14155550132", "outcome": "one-mapping",
//!  "claimed": "one-mapping", "change": "new", "use": {"msp": "mimi://msp.example", "because": "only"},
//!  "mappings": [{"msp": "mimi://msp.example", "psi": null, "tags": ["Default"], "holder": "<thumbprint>",
//!                "prover": "prover.example", "method": "sms-otp", "seq": 1, "expires_at": 1767225600}],
//!  "refused": []}
//! ```
//!
//! `--csv` prints [`COLUMNS`], a line for each mapping, and one for what has none; tags are joined by `;`.

use std::io::{self, Stdout};

use client::cache::Change;
use client::choice::{Chosen, Reason};
use client::lookup::Found;
use protocol::authenticated::VerifiedMapping;
use protocol::cpi::Cpi;
use protocol::lookup::Outcome;
use serde::Serialize;

use super::asked::Asked;
use crate::failure::Failure;
use crate::output::{self, Table, Tone};

/// The columns of `--csv`, in their order.
const COLUMNS: [&str; 15] = [
    "name",
    "input",
    "cpi",
    "outcome",
    "change",
    "use",
    "msp",
    "psi",
    "tags",
    "holder",
    "prover",
    "method",
    "seq",
    "expires_at",
    "error",
];

/// How answers are printed.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct Format {
    /// Print one JSON object a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print comma-separated values under a line of names, one line for each mapping
    #[arg(long)]
    csv: bool,
}

/// One thing that was looked up, and what came of it.
pub(super) struct Answered<'a> {
    pub(super) asked: &'a Asked,
    pub(super) found: Option<&'a Found>,
    /// Why there is no answer.
    pub(super) error: Option<&'a client::Error>,
    /// The mapping to use.
    pub(super) chosen: Option<Chosen<'a>>,
    pub(super) change: Option<Change>,
}

/// Prints answers in a format.
pub(super) enum Printer {
    Json,
    Csv(Box<csv::Writer<Stdout>>),
    Lines,
    Table(Table),
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    input: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpi: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'static str>,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    to_use: Option<ToUse>,
    mappings: Vec<Mapping>,
    refused: Vec<String>,
}

#[derive(Serialize)]
struct ToUse {
    msp: String,
    because: &'static str,
}

#[derive(Serialize)]
struct Mapping {
    msp: Option<String>,
    psi: Option<String>,
    tags: Vec<String>,
    holder: String,
    prover: String,
    method: &'static str,
    seq: u64,
    expires_at: u64,
}

impl Format {
    /// For a few: lines where no format was asked for.
    pub(super) fn lines(self) -> Result<Printer, Failure> {
        self.or(Printer::Lines)
    }

    /// For a book: a table where no format was asked for.
    pub(super) fn table(self) -> Result<Printer, Failure> {
        self.or(Printer::Table(Table::new(["contact", "identifier", "providers", "tags", "use", "change"])))
    }

    fn or(self, printer: Printer) -> Result<Printer, Failure> {
        if self.json {
            return Ok(Printer::Json);
        }
        if !self.csv {
            return Ok(printer);
        }
        let mut writer = csv::Writer::from_writer(io::stdout());
        writer.write_record(COLUMNS).map_err(Failure::new)?;
        Ok(Printer::Csv(Box::new(writer)))
    }
}

impl Printer {
    /// Prints one answer, or keeps it for [`Self::finish`].
    pub(super) fn print(&mut self, answered: &Answered<'_>) -> Result<(), Failure> {
        match self {
            Self::Json => output::line(answered.json())?,
            Self::Csv(writer) => {
                for record in answered.records() {
                    writer.write_record(record).map_err(Failure::new)?;
                }
            }
            Self::Lines => answered.lines().iter().try_for_each(output::line)?,
            Self::Table(table) => table.row(answered.tone(), answered.row()),
        }
        Ok(())
    }

    /// Prints what was kept back.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Csv(mut writer) => writer.flush()?,
            Self::Table(table) => table.print()?,
            Self::Json | Self::Lines => {}
        }
        Ok(())
    }
}

impl Answered<'_> {
    /// Whether at least one provider was found.
    pub(super) fn is_found(&self) -> bool {
        self.found.is_some_and(is_found)
    }

    /// Why there is no answer, in words.
    fn error(&self) -> Option<String> {
        match &self.asked.cpi {
            Err(rule) => Some(rule.to_string()),
            Ok(_) if self.found.is_none() => {
                Some(self.error.map_or_else(|| "no answer".to_owned(), ToString::to_string))
            }
            Ok(_) => None,
        }
    }

    fn to_use(&self) -> Option<ToUse> {
        let Chosen { mapping, reason } = self.chosen?;
        Some(ToUse { msp: mapping.mapping().reachability.msp()?.to_string(), because: reason_name(reason) })
    }

    fn mappings(&self) -> Vec<Mapping> {
        self.found.map(|found| found.mappings.iter().map(Mapping::of).collect()).unwrap_or_default()
    }

    pub(super) fn json(&self) -> String {
        let line = Line {
            name: self.asked.name.as_deref(),
            input: &self.asked.text,
            error: self.error(),
            cpi: self.asked.cpi.as_ref().ok().map(Cpi::as_str),
            outcome: self.found.map(|found| found.outcome.name()),
            claimed: self.found.map(|found| found.claimed.name()),
            change: self.change.map(change_name),
            to_use: self.to_use(),
            mappings: self.mappings(),
            refused: self
                .found
                .map(|found| found.refused.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
        };
        serde_json::to_string(&line).expect("strings and numbers always serialise")
    }

    fn records(&self) -> Vec<[String; COLUMNS.len()]> {
        let head = [
            self.asked.name.clone().unwrap_or_default(),
            self.asked.text.clone(),
            self.asked.cpi.as_ref().map(ToString::to_string).unwrap_or_default(),
            self.found.map(|found| found.outcome.name()).unwrap_or_default().to_owned(),
            self.change.map(change_name).unwrap_or_default().to_owned(),
            self.to_use().map(|to_use| to_use.msp).unwrap_or_default(),
        ];
        let error = self.error().unwrap_or_default();
        let record = |mapping: Option<Mapping>| {
            let fields = mapping.map(Mapping::fields).unwrap_or_default();
            let mut all = head.iter().cloned().chain(fields).chain([error.clone()]);
            std::array::from_fn(|_| all.next().unwrap_or_default())
        };
        match self.mappings() {
            none if none.is_empty() => vec![record(None)],
            mappings => mappings.into_iter().map(|mapping| record(Some(mapping))).collect(),
        }
    }

    /// What a person wants to know: a line, and one more for each mapping.
    pub(super) fn lines(&self) -> Vec<String> {
        let who = match &self.asked.name {
            Some(name) => format!("{name}, {}", self.asked.text),
            None => self.asked.text.clone(),
        };
        let Some(found) = self.found else {
            let what = if self.asked.cpi.is_err() { "cannot be read" } else { "no answer" };
            let rule = self.error().unwrap_or_default();
            return vec![format!("{who}: {}", Tone::Bad.paint(format_args!("{what}: {rule}")))];
        };
        let mut lines = vec![format!("{who}: {}", tone(found.outcome).paint(in_words(found.outcome)))];
        for verified in &found.mappings {
            let Mapping { msp, psi, tags, prover, method, .. } = Mapping::of(verified);
            let msp = msp.unwrap_or_else(|| "nowhere".to_owned());
            let psi = psi.map(|psi| format!(" as {psi}")).unwrap_or_default();
            let (tags, key) = (tags.join(", "), verified.holder().thumbprint().fingerprint());
            lines.push(format!("    {msp}{psi} [{tags}], verified: key {key}, proven to {prover} by {method}"));
        }
        lines.extend(
            found
                .refused
                .iter()
                .map(|refused| format!("    {}", Tone::Bad.paint(format_args!("does not count: {refused}")))),
        );
        if let (Some(Chosen { reason, .. }), Some(ToUse { msp, .. })) = (self.chosen, self.to_use()) {
            lines.push(format!("    use {msp}: {}", reason_in_words(reason)));
        }
        lines
    }

    fn tone(&self) -> Option<Tone> {
        Some(self.found.map_or(Tone::Bad, |found| tone(found.outcome)))
    }

    fn row(&self) -> Vec<String> {
        let providers = match self.found {
            None => self.error().unwrap_or_default(),
            Some(found) if !is_found(found) => in_words(found.outcome).to_owned(),
            Some(found) => {
                joined(found, |mapping| mapping.mapping().reachability.msp().map(|msp| msp.domain().to_owned()))
            }
        };
        let tags = |mapping: &VerifiedMapping| Some(mapping.mapping().tags.iter().collect::<Vec<_>>().join(", "));
        let to_use = match (self.chosen, self.to_use(), self.found.map(|found| found.outcome)) {
            (Some(Chosen { mapping, .. }), Some(_), _) => {
                mapping.mapping().reachability.msp().map(|msp| msp.domain().to_owned()).unwrap_or_default()
            }
            (_, _, Some(Outcome::SeveralHolders)) => "ask which key".to_owned(),
            _ => String::new(),
        };
        vec![
            self.asked.name.clone().unwrap_or_default(),
            self.asked.text.clone(),
            providers,
            self.found.map(|found| joined(found, tags)).unwrap_or_default(),
            to_use,
            self.change.map(change_name).unwrap_or_default().to_owned(),
        ]
    }
}

/// One line for each mapping of a table's cell.
fn joined(found: &Found, of: impl Fn(&VerifiedMapping) -> Option<String>) -> String {
    found.mappings.iter().filter_map(of).collect::<Vec<_>>().join("\n")
}

impl Mapping {
    fn of(verified: &VerifiedMapping) -> Self {
        let (mapping, credential) = (verified.mapping(), verified.credential());
        Self {
            msp: mapping.reachability.msp().map(ToString::to_string),
            psi: mapping.reachability.psi().map(ToString::to_string),
            tags: mapping.tags.iter().map(str::to_owned).collect(),
            holder: verified.holder().thumbprint().to_string(),
            prover: credential.prover.clone(),
            method: credential.method.as_str(),
            seq: mapping.seq,
            expires_at: mapping.expires_at.seconds(),
        }
    }

    /// In the order of [`COLUMNS`], from `msp` on.
    fn fields(self) -> [String; 8] {
        [
            self.msp.unwrap_or_default(),
            self.psi.unwrap_or_default(),
            self.tags.join(";"),
            self.holder,
            self.prover,
            self.method.to_owned(),
            self.seq.to_string(),
            self.expires_at.to_string(),
        ]
    }
}

/// Whether at least one provider was found.
pub(crate) const fn is_found(found: &Found) -> bool {
    match found.outcome {
        Outcome::OneMapping | Outcome::SeveralProviders | Outcome::SeveralHolders => true,
        Outcome::NeverMapped | Outcome::Unreachable => false,
    }
}

pub(super) const fn in_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NeverMapped => "not found",
        Outcome::Unreachable => "wishes to be found nowhere",
        Outcome::OneMapping => "one provider",
        Outcome::SeveralProviders => "several providers",
        Outcome::SeveralHolders => "claimed under several keys: ask before you trust",
    }
}

const fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::NeverMapped => Tone::Quiet,
        Outcome::Unreachable => Tone::Careful,
        Outcome::OneMapping | Outcome::SeveralProviders => Tone::Good,
        Outcome::SeveralHolders => Tone::Bad,
    }
}

pub(super) const fn change_name(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Gone => "gone",
        Change::Otherwise => "changed",
    }
}

const fn reason_name(reason: Reason) -> &'static str {
    match reason {
        Reason::Context => "context",
        Reason::Default => "default",
        Reason::Only => "only",
        Reason::Tie => "tie",
        Reason::Remembered => "remembered",
    }
}

const fn reason_in_words(reason: Reason) -> &'static str {
    match reason {
        Reason::Context => "its holder has tagged it so",
        Reason::Default => "its holder's default",
        Reason::Only => "there is no other",
        Reason::Tie => "one of several, by chance",
        Reason::Remembered => "as chosen before",
    }
}
