//! One tab: a user's key, made here, and whom this user trusts.

use client::enrollment::Requested as Request;
use client::lookup::{padded_bytes, question};
use client::oblivious::{encapsulate, select};
use client::trust::Trust;
use protocol::SigningKey;
use protocol::cpi::{Cpi, Region};
use protocol::key_configuration::KeyConfiguration;
use protocol::mimi_uri::Msp;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::enrollment::Requested;
use crate::lookup::{GatewayKeys, Question};
use crate::view::{self, Key};
use crate::{refused, time};

/// A user's side of everything, for as long as the tab is open.
#[wasm_bindgen]
pub struct Tab {
    pub(crate) trust: Trust,
    pub(crate) msp: Msp,
    pub(crate) key: SigningKey,
    prover: String,
}

#[wasm_bindgen]
impl Tab {
    /// Makes a key, and reads whom to trust (the trust file's text).
    ///
    /// # Errors
    ///
    /// In words, if the trust file or the MSP's URI cannot be read.
    #[wasm_bindgen(constructor)]
    pub fn new(trust: &str, msp: &str, prover: &str) -> Result<Tab, JsError> {
        Ok(Self {
            trust: Trust::from_toml(trust).map_err(refused)?,
            msp: Msp::parse(msp).map_err(refused)?,
            key: SigningKey::generate(&mut rand::rng()),
            prover: prover.to_owned(),
        })
    }

    /// The user's public key ([`Key`]).
    #[must_use]
    pub fn key(&self) -> String {
        view::json(&Key::of(&self.key.public()))
    }

    /// Reads what a person typed: the canonical identifier.
    ///
    /// # Errors
    ///
    /// In words, if it is none.
    pub fn identifier(&self, text: &str, region: Option<String>) -> Result<String, JsError> {
        let region = region.as_deref().map(Region::parse).transpose().map_err(refused)?;
        Cpi::from_user_input(text, region).map(|cpi| cpi.as_str().to_owned()).map_err(refused)
    }

    /// Checks the gateway's keys against the provider's pinned key, and chooses one.
    ///
    /// # Errors
    ///
    /// In words, if they are not signed by that key, are out of date, or none of them is usable.
    pub fn keys(&self, signed: &[u8], now: f64) -> Result<GatewayKeys, JsError> {
        let pinned = &self.trust.provider.key_configuration_key;
        let signed = KeyConfiguration::verify(signed, pinned, time(now)).map_err(refused)?;
        let selected = select(&signed.document().ohttp_keys).map_err(refused)?;
        Ok(GatewayKeys::new(signed, selected))
    }

    /// Seals the question for one identifier.
    ///
    /// # Errors
    ///
    /// In words, if the identifier is not canonical or the key is not usable.
    pub fn ask(&self, keys: &GatewayKeys, cpi: &str, lookup_url: &str) -> Result<Question, JsError> {
        let cpis = [Cpi::parse(cpi).map_err(refused)?];
        let request = question(&cpis, &lookup_url.parse().map_err(refused)?).map_err(refused)?;
        let padded = padded_bytes(cpis.len());
        let (capsule, opener) = encapsulate(&request, padded, keys.selected()).map_err(refused)?;
        Ok(Question::new(cpis, request, padded, capsule, opener, self.trust.provers.clone()))
    }

    /// Signs a request to prove possession of an identifier.
    ///
    /// # Errors
    ///
    /// In words, if the identifier is not canonical.
    pub fn enroll(&self, cpi: &str, now: f64) -> Result<Requested, JsError> {
        let cpi = Cpi::parse(cpi).map_err(refused)?;
        let request = Request::begin(cpi, self.msp.clone(), &self.prover, &self.key, time(now), &mut rand::rng());
        Ok(Requested::new(request, self.trust.provers.clone()))
    }
}
