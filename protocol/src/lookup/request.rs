//! `{1: [+ cpi: tstr], ? 2: msp: tstr, ? 3: form: 1 (compact)}`, 32 KiB at most.

use documents::cbor::{self, FieldError, Label, MapReader, MapWriter, Value};

use super::LookupError;
use crate::cpi::Cpi;
use crate::mimi_uri::Msp;

/// How many CPIs one request may ask for.
pub const MAX_CPIS: usize = 64;
const MAX_BYTES: usize = 32 * 1024;
const CPIS: Label = Label::new(1, "cpis");
const MSP: Label = Label::new(2, "msp");
const FORM: Label = Label::new(3, "form");
const COMPACT: u64 = 1;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupRequest {
    cpis: Vec<Cpi>,
    msp: Option<Msp>,
    compact: bool,
}

impl LookupRequest {
    /// Asks for all mappings of `cpis`, or for those at `msp` alone.
    ///
    /// # Errors
    ///
    /// [`LookupError::Field`] unless there are 1 to [`MAX_CPIS`].
    pub fn new(cpis: Vec<Cpi>, msp: Option<Msp>) -> Result<Self, LookupError> {
        if cpis.is_empty() || cpis.len() > MAX_CPIS {
            return Err(FieldError::Rule(CPIS.name, format!("must be 1 to {MAX_CPIS}")).into());
        }
        Ok(Self { cpis, msp, compact: false })
    }

    /// The same, to be answered by a [`super::CompactAnswer`].
    #[must_use]
    pub fn compact(self) -> Self {
        Self { compact: true, ..self }
    }

    /// The CPIs, in the order of the answer.
    #[must_use]
    pub fn cpis(&self) -> &[Cpi] {
        &self.cpis
    }

    /// The only provider of interest, if there is one.
    #[must_use]
    pub fn msp(&self) -> Option<&Msp> {
        self.msp.as_ref()
    }

    /// Whether it is to be answered by a [`super::CompactAnswer`].
    #[must_use]
    pub const fn is_compact(&self) -> bool {
        self.compact
    }

    /// The encoded request.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let cpis = self.cpis.iter().map(|cpi| Value::from(cpi.as_str())).collect();
        let msp = self.msp.as_ref().map(ToString::to_string);
        let fields = MapWriter::new()
            .field(CPIS, Value::Array(cpis))
            .optional(MSP, msp)
            .optional(FORM, self.compact.then_some(COMPACT));
        cbor::encode(&fields.finish())
    }

    /// Decodes a request that fills `bytes`; every CPI must be canonical.
    ///
    /// # Errors
    ///
    /// [`LookupError`] names the broken rule.
    pub fn decode(bytes: &[u8]) -> Result<Self, LookupError> {
        let mut fields = MapReader::new(cbor::decode(bytes, MAX_BYTES)?, "lookup request")?;
        let cpis = fields.array(CPIS)?;
        let msp = fields.optional_text(MSP)?;
        let form = fields.optional_unsigned(FORM)?;
        fields.finish()?;
        if form.is_some_and(|form| form != COMPACT) {
            return Err(FieldError::Rule(FORM.name, "must be 1 (compact), or not be there".to_owned()).into());
        }
        if cpis.len() > MAX_CPIS {
            return Err(FieldError::Rule(CPIS.name, format!("must be 1 to {MAX_CPIS}")).into());
        }
        let cpis = cpis.iter().map(read_cpi).collect::<Result<_, _>>()?;
        let msp = msp.map(|msp| Msp::parse_canonical(&msp)).transpose();
        let request = Self::new(cpis, msp.map_err(|error| FieldError::Rule(MSP.name, error.to_string()))?)?;
        Ok(Self { compact: form.is_some(), ..request })
    }
}

fn read_cpi(value: &Value) -> Result<Cpi, FieldError> {
    let text = value.as_text().ok_or(FieldError::Type(CPIS.name))?;
    Cpi::parse(text).map_err(|error| FieldError::Rule(CPIS.name, error.to_string()))
}
