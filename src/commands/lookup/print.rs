//! The answers of a lookup, as text or as JSON.
//!
//! The JSON object of an identifier, one a line; `name` and `error` only where there is one. `outcome` is what this side
//! concludes from what it has verified, `claimed` what the provider says:
//!
//! ```json
//! {"name": "Bob", "input": "(415) 555-0132", "cpi": "tel:+14155550132", "outcome": "one-mapping",
//!  "claimed": "one-mapping",
//!  "mappings": [{"msp": "mimi://msp.example", "psi": null, "tags": ["Default"], "holder": "<thumbprint>",
//!                "prover": "prover.example", "method": "sms-otp", "seq": 1, "expires_at": 1767225600}],
//!  "refused": []}
//! ```

use client::lookup::Found;
use protocol::authenticated::VerifiedMapping;
use protocol::lookup::Outcome;
use serde::Serialize;

use super::Wanted;
use crate::failure::Failure;
use crate::output;

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
    mappings: Vec<Mapping>,
    refused: Vec<String>,
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

/// Prints one JSON object in a line.
pub(super) fn json(wanted: &Wanted, found: Option<&Found>) -> Result<(), Failure> {
    let line = Line {
        name: wanted.name.as_deref(),
        input: &wanted.text,
        error: wanted.cpi.as_ref().err().map(ToString::to_string),
        cpi: wanted.cpi.as_ref().ok().map(protocol::cpi::Cpi::as_str),
        outcome: found.map(|found| name(found.outcome)),
        claimed: found.map(|found| name(found.claimed)),
        mappings: found.map(|found| found.mappings.iter().map(Mapping::of).collect()).unwrap_or_default(),
        refused: found.map(|found| found.refused.iter().map(ToString::to_string).collect()).unwrap_or_default(),
    };
    let json = serde_json::to_string(&line).expect("strings and numbers always serialise");
    Ok(output::line(json)?)
}

/// Prints what a person wants to know: a line, and one more for each mapping.
pub(super) fn text(wanted: &Wanted, found: Option<&Found>) -> Result<(), Failure> {
    let who = match &wanted.name {
        Some(name) => format!("{name}, {}", wanted.text),
        None => wanted.text.clone(),
    };
    let Some(found) = found else {
        let rule = wanted.cpi.as_ref().err().map(ToString::to_string).unwrap_or_default();
        return Ok(output::line(format_args!("{who}: cannot be read: {rule}"))?);
    };
    output::line(format_args!("{who}: {}", in_words(found.outcome)))?;
    for verified in &found.mappings {
        let Mapping { msp, psi, tags, prover, method, .. } = Mapping::of(verified);
        let msp = msp.unwrap_or_else(|| "nowhere".to_owned());
        let psi = psi.map(|psi| format!(" as {psi}")).unwrap_or_default();
        let (tags, key) = (tags.join(", "), verified.holder().thumbprint().fingerprint());
        output::line(format_args!("    {msp}{psi} [{tags}], verified: key {key}, proven to {prover} by {method}"))?;
    }
    for refused in &found.refused {
        output::line(format_args!("    does not count: {refused}"))?;
    }
    Ok(())
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
}

const fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NeverMapped => "never-mapped",
        Outcome::Unreachable => "unreachable",
        Outcome::OneMapping => "one-mapping",
        Outcome::SeveralProviders => "several-providers",
        Outcome::SeveralHolders => "several-holders",
    }
}

const fn in_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NeverMapped => "not found",
        Outcome::Unreachable => "wishes to be found nowhere",
        Outcome::OneMapping => "one provider",
        Outcome::SeveralProviders => "several providers",
        Outcome::SeveralHolders => "claimed under several keys: ask before you trust",
    }
}
