//! Examines a deployment from outside: each check looks at one thing and says what it saw, or what is wrong and whose it is.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use client::http::{Bounds, HttpClient};
use client::oblivious::select;
use client::relays::Relay;
use client::trust::Trust;
use http::{HeaderMap, Response, StatusCode, Uri, header};
use protocol::cpi::Cpi;
use protocol::key_configuration::{self, KeyConfiguration};
use protocol::{CLOCK_SKEW, Timestamp};

use crate::enroll::now;
use crate::failure::Failure;
use crate::output::Tone;
use crate::settings::{Key, Settings};

const PLAIN_KEYS: &str = "application/ohttp-keys";
const OHTTP_REQUEST: &str = "message/ohttp-req";
/// Nobody's address (RFC 2606).
const NOBODY: &str = "mailto:nobody@doctor.invalid";
const TIMEOUT: Duration = Duration::from_secs(10);

/// What one check found.
#[derive(Debug)]
pub struct Finding {
    what: &'static str,
    verdict: Result<String, Failure>,
}

impl Finding {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.verdict.is_ok()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Ok(seen) => write!(f, "{}   {}: {seen}", Tone::Good.paint("well"), self.what),
            Err(wrong) => write!(f, "{}  {}: {wrong}", Tone::Bad.paint("WRONG"), self.what),
        }
    }
}

/// Whose deployment it is, and the ways to it.
struct Patient<'a> {
    settings: &'a Settings,
    trust: Trust,
    /// The first, whose answers are looked at.
    relay: Relay,
    anybody: HttpClient,
    /// Who has no certificate of an MSP sees less.
    msp: Option<HttpClient>,
}

/// Examines everything; what cannot even be begun is the only finding.
pub async fn examine(settings: &Settings) -> Vec<Finding> {
    let patient = match Patient::new(settings) {
        Ok(patient) => patient,
        Err(failure) => return vec![Finding { what: "settings", verdict: Err(failure) }],
    };
    vec![
        Finding { what: "trust file", verdict: patient.trust_file() },
        Finding { what: "key configuration", verdict: patient.key_configuration().await },
        Finding { what: "one form of the keys as the other", verdict: patient.both_forms().await },
        Finding { what: "clock of the relay", verdict: patient.clock().await },
        Finding { what: "what is no capsule", verdict: patient.no_capsule().await },
        Finding { what: "a capsule for an unknown key", verdict: patient.unknown_key().await },
        Finding { what: "an oblivious question", verdict: patient.question().await },
        Finding { what: "mapping store", verdict: patient.store().await },
        Finding { what: "ID Prover", verdict: patient.prover().await },
    ]
}

impl<'a> Patient<'a> {
    fn new(settings: &'a Settings) -> Result<Self, Failure> {
        let bounds = Bounds { timeout: TIMEOUT, ..Bounds::default() };
        let relay = settings.relays()?.swap_remove(0);
        let has_certificate = settings.text(Key::MspCertificate).is_some();
        let msp = has_certificate.then(|| settings.http((Key::MspCertificate, Key::MspKey), bounds)).transpose()?;
        Ok(Self { settings, trust: settings.trust()?, relay, anybody: settings.http_as_anybody(bounds)?, msp })
    }

    fn trust_file(&self) -> Result<String, Failure> {
        let provers: Vec<&str> = self.trust.provers.iter().map(|anchor| anchor.prover.as_str()).collect();
        if provers.is_empty() {
            return Err(Failure::new("no ID Prover is trusted: nothing will ever be found"));
        }
        Ok(format!("provider {}, ID Provers: {}", self.trust.provider.name, provers.join(", ")))
    }

    async fn signed_keys(&self) -> Result<KeyConfiguration, Failure> {
        let answer = self.get(&self.relay.keys, key_configuration::MEDIA_TYPE).await?;
        let key = &self.trust.provider.key_configuration_key;
        let signed = KeyConfiguration::verify(answer.body(), key, now()).map_err(Failure::new)?;
        Ok(signed.document().clone())
    }

    async fn key_configuration(&self) -> Result<String, Failure> {
        let configuration = self.signed_keys().await?;
        select(&configuration.ohttp_keys).map_err(Failure::new)?;
        if configuration.issuer != self.trust.provider.name {
            return Err(Failure::new("it is signed by the right key for another provider's name"));
        }
        let left = configuration.expires_at.since(now());
        Ok(format!("signed by the pinned key, with a suite of ours, for {} s more", left.as_secs()))
    }

    async fn both_forms(&self) -> Result<String, Failure> {
        let signed = self.signed_keys().await?;
        let plain = self.get(&self.relay.keys, PLAIN_KEYS).await?;
        if plain.body().as_ref() != signed.ohttp_keys.as_slice() {
            return Err(Failure::new("they differ: clients without a trust file are given other keys"));
        }
        if plain.headers().get(header::CACHE_CONTROL).is_none() {
            return Err(Failure::new("they are equal, but without Cache-Control"));
        }
        Ok("equal, and cacheable".to_owned())
    }

    async fn clock(&self) -> Result<String, Failure> {
        let answer = self.get(&self.relay.keys, PLAIN_KEYS).await?;
        let theirs = date(answer.headers()).ok_or_else(|| Failure::new("its answers have no Date"))?;
        let ours = now();
        let apart = ours.since(theirs).max(theirs.since(ours));
        if apart > CLOCK_SKEW / 2 {
            return Err(Failure::new(format!(
                "{} s apart from ours; documents are refused at {} s",
                apart.as_secs(),
                CLOCK_SKEW.as_secs()
            )));
        }
        Ok(format!("{} s apart from ours", apart.as_secs()))
    }

    async fn no_capsule(&self) -> Result<String, Failure> {
        let answer = self.anybody.post(&self.relay.capsules, "text/plain", Bytes::from_static(b"hello")).await?;
        expect(&answer, StatusCode::UNSUPPORTED_MEDIA_TYPE).map(|()| "refused by the relay".to_owned())
    }

    async fn unknown_key(&self) -> Result<String, Failure> {
        let signed = self.signed_keys().await?;
        // The key identifier is the first octet after the length of a configuration, and of a capsule.
        let taken: Vec<u8> = identifiers(&signed.ohttp_keys);
        let free = (0..=u8::MAX).find(|id| !taken.contains(id)).unwrap_or_default();
        let capsule = [&[free, 0, 0x20, 0, 1, 0, 1][..], &[9; 64]].concat();
        let answer = self.anybody.post(&self.relay.capsules, OHTTP_REQUEST, capsule.into()).await?;
        expect(&answer, StatusCode::UNPROCESSABLE_ENTITY)
            .map(|()| "answered so that clients fetch new keys (RFC 9458 §5.3)".to_owned())
    }

    async fn question(&self) -> Result<String, Failure> {
        let asker = self.settings.client()?.build()?;
        let nobody = [Cpi::parse(NOBODY)?];
        asker.lookup(&nobody, |_| ()).await?;
        let start = Instant::now();
        asker.lookup(&nobody, |_| ()).await?;
        Ok(format!("answered in {:.1} ms on an open connection", start.elapsed().as_secs_f64() * 1e3))
    }

    async fn store(&self) -> Result<String, Failure> {
        let url = below(self.settings.required(Key::Store)?, "/.well-known/mimi-discovery-provider");
        let description = json(&self.get_as_msp(&url).await?)?;
        let trust = &self.trust.provider;
        if description["provider"] != trust.name.as_str() {
            return Err(Failure::new("it is another provider's"));
        }
        if description["receipt_key"] != hex::encode(trust.receipt_key.as_bytes()) {
            return Err(Failure::new("its receipts are signed by another key than the trust file has"));
        }
        Ok("the provider and receipt key of the trust file".to_owned())
    }

    async fn prover(&self) -> Result<String, Failure> {
        let url = below(self.settings.required(Key::Prover)?, "/.well-known/id-prover");
        let description = json(&self.get_as_msp(&url).await?)?;
        let name = description["prover"].as_str().unwrap_or_default();
        let anchor = self.trust.provers.iter().find(|anchor| anchor.prover == name);
        let anchor = anchor.ok_or_else(|| Failure::new("the trust file does not know it"))?;
        let current = description["signing_keys"].as_array().into_iter().flatten();
        let mut current = current.filter(|key| key["state"] == "current").filter_map(|key| key["key"].as_str());
        if !current.any(|key| anchor.keys.iter().any(|known| hex::encode(known.as_bytes()) == key)) {
            return Err(Failure::new("it signs with a key that the trust file does not have"));
        }
        Ok(format!("{name}, signing with a trusted key"))
    }

    async fn get(&self, uri: &Uri, accept: &str) -> Result<Response<Bytes>, Failure> {
        let answer = self.anybody.get(uri, accept).await?;
        expect(&answer, StatusCode::OK).map(|()| answer)
    }

    async fn get_as_msp(&self, url: &str) -> Result<Response<Bytes>, Failure> {
        let http = self.msp.as_ref().unwrap_or(&self.anybody);
        let answer = http.get(&uri(url)?, "application/json").await?;
        expect(&answer, StatusCode::OK).map(|()| answer)
    }
}

fn below(base: &str, path: &str) -> String {
    format!("{}{path}", base.trim_end_matches('/'))
}

fn uri(url: &str) -> Result<Uri, Failure> {
    url.parse().map_err(|_| Failure::new(format!("{url} is no URL")))
}

fn expect(answer: &Response<Bytes>, status: StatusCode) -> Result<(), Failure> {
    if answer.status() == status {
        return Ok(());
    }
    Err(Failure::new(format!("answered {} where {} was expected", answer.status(), status)))
}

fn json(answer: &Response<Bytes>) -> Result<serde_json::Value, Failure> {
    serde_json::from_slice(answer.body()).map_err(|_| Failure::new("its description is no JSON"))
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(headers.get(header::DATE)?.to_str().ok()?).ok()?;
    Some(date.into())
}

/// The key identifiers of a list of configurations (RFC 9458 §3.1, §3.2).
fn identifiers(mut list: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    while let [high, low, id, ..] = list {
        found.push(*id);
        let length = 2 + usize::from(u16::from_be_bytes([*high, *low]));
        list = list.get(length..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_identifiers_are_read_from_a_list() {
        assert_eq!(identifiers(&[0, 3, 7, 1, 1, 0, 2, 9, 1]), [7, 9]);
        assert_eq!(identifiers(&[0, 200, 7]), [7]);
        assert_eq!(identifiers(&[]), Vec::<u8>::new());
    }
}
