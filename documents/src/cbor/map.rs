//! Closed maps with integer labels: what a document or message is made of.

use ciborium::Value;

use crate::time::Timestamp;

/// An integer map key and the name by which errors and diagnostics call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The CBOR map key.
    pub key: i64,
    /// The name used in the CDDL and in error messages.
    pub name: &'static str,
}

impl Label {
    /// A label with its name.
    #[must_use]
    pub const fn new(key: i64, name: &'static str) -> Self {
        Self { key, name }
    }
}

/// What is wrong with a field of a map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The item is not of the expected type.
    #[error("{0} has the wrong CBOR type")]
    Type(&'static str),
    /// A required field is absent.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A label that this kind of map does not have.
    #[error("unknown label {0}")]
    Unknown(i64),
    /// A value outside its range or of the wrong form; the second text names the rule.
    #[error("{0}: {1}")]
    Rule(&'static str, String),
}

/// Takes a map apart, field by field, and refuses what is left over.
#[derive(Debug)]
pub struct MapReader {
    entries: Vec<(i64, Value)>,
}

impl MapReader {
    /// Reads `value` as a map with integer labels; `name` names it in errors.
    ///
    /// # Errors
    ///
    /// [`FieldError::Type`] if it is not a map, or a key is not an integer.
    pub fn new(value: Value, name: &'static str) -> Result<Self, FieldError> {
        let Value::Map(pairs) = value else { return Err(FieldError::Type(name)) };
        let entries = pairs
            .into_iter()
            .map(|(key, value)| {
                let key = key.as_integer().and_then(|key| i64::try_from(key).ok());
                key.map(|key| (key, value)).ok_or(FieldError::Type(name))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// Takes the value under `label` out, if there is one.
    pub fn take(&mut self, label: Label) -> Option<Value> {
        let index = self.entries.iter().position(|(key, _)| *key == label.key)?;
        Some(self.entries.swap_remove(index).1)
    }

    /// Takes a required value out.
    ///
    /// # Errors
    ///
    /// [`FieldError::Missing`].
    pub fn required(&mut self, label: Label) -> Result<Value, FieldError> {
        self.take(label).ok_or(FieldError::Missing(label.name))
    }

    /// Takes a required text string.
    ///
    /// # Errors
    ///
    /// [`FieldError::Missing`] or [`FieldError::Type`].
    pub fn text(&mut self, label: Label) -> Result<String, FieldError> {
        self.required(label)?.into_text().map_err(|_| FieldError::Type(label.name))
    }

    /// Takes an optional text string.
    ///
    /// # Errors
    ///
    /// [`FieldError::Type`].
    pub fn optional_text(&mut self, label: Label) -> Result<Option<String>, FieldError> {
        self.take(label).map(|value| value.into_text().map_err(|_| FieldError::Type(label.name))).transpose()
    }

    /// Takes a required byte string.
    ///
    /// # Errors
    ///
    /// [`FieldError::Missing`] or [`FieldError::Type`].
    pub fn bytes(&mut self, label: Label) -> Result<Vec<u8>, FieldError> {
        self.required(label)?.into_bytes().map_err(|_| FieldError::Type(label.name))
    }

    /// Takes a required byte string of exactly `N` bytes.
    ///
    /// # Errors
    ///
    /// [`FieldError::Missing`], [`FieldError::Type`] or [`FieldError::Rule`] for another length.
    pub fn byte_array<const N: usize>(&mut self, label: Label) -> Result<[u8; N], FieldError> {
        let bytes = self.bytes(label)?;
        bytes.try_into().map_err(|_| FieldError::Rule(label.name, format!("must be {N} bytes")))
    }

    /// Takes a required unsigned integer.
    ///
    /// # Errors
    ///
    /// [`FieldError::Missing`] or [`FieldError::Type`].
    pub fn unsigned(&mut self, label: Label) -> Result<u64, FieldError> {
        let value = self.required(label)?;
        value.as_integer().and_then(|n| u64::try_from(n).ok()).ok_or(FieldError::Type(label.name))
    }

    /// Takes an optional unsigned integer.
    ///
    /// # Errors
    ///
    /// [`FieldError::Type`].
    pub fn optional_unsigned(&mut self, label: Label) -> Result<Option<u64>, FieldError> {
        let number = |value: Value| value.as_integer().and_then(|n| u64::try_from(n).ok());
        self.take(label).map(|value| number(value).ok_or(FieldError::Type(label.name))).transpose()
    }

    /// Takes a required boolean.
    ///
    /// # Errors
    ///
    /// [`FieldError::Missing`] or [`FieldError::Type`].
    pub fn boolean(&mut self, label: Label) -> Result<bool, FieldError> {
        self.required(label)?.as_bool().ok_or(FieldError::Type(label.name))
    }

    /// Takes a required array.
    ///
    /// # Errors
    ///
    /// [`FieldError::Missing`] or [`FieldError::Type`].
    pub fn array(&mut self, label: Label) -> Result<Vec<Value>, FieldError> {
        self.required(label)?.into_array().map_err(|_| FieldError::Type(label.name))
    }

    /// Takes a required time, in whole seconds since 1970 (RFC 8392 §2 `NumericDate`).
    ///
    /// # Errors
    ///
    /// [`FieldError::Missing`] or [`FieldError::Type`].
    pub fn time(&mut self, label: Label) -> Result<Timestamp, FieldError> {
        self.unsigned(label).map(Timestamp::from_seconds)
    }

    /// Ends the reading: nothing may be left.
    ///
    /// # Errors
    ///
    /// [`FieldError::Unknown`] with a label that was not asked for.
    pub fn finish(self) -> Result<(), FieldError> {
        match self.entries.first() {
            None => Ok(()),
            Some((key, _)) => Err(FieldError::Unknown(*key)),
        }
    }
}

/// Builds a map whose keys come out in deterministic order.
#[derive(Debug, Default)]
pub struct MapWriter {
    entries: Vec<(i64, Value)>,
}

impl MapWriter {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field. A label is given once.
    #[must_use]
    pub fn field(mut self, label: Label, value: impl Into<Value>) -> Self {
        debug_assert!(self.entries.iter().all(|(key, _)| *key != label.key), "label given twice");
        self.entries.push((label.key, value.into()));
        self
    }

    /// Adds a field if there is a value for it.
    #[must_use]
    pub fn optional(self, label: Label, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.field(label, value),
            None => self,
        }
    }

    /// The finished map, its keys in the bytewise order of their encodings.
    #[must_use]
    pub fn finish(mut self) -> Value {
        // Encoded integers sort as: non-negative ascending, then negative descending.
        self.entries.sort_by_key(|(key, _)| if *key >= 0 { (0, *key) } else { (1, !*key) });
        Value::Map(self.entries.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
    }
}
