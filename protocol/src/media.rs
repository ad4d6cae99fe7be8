//! Media types of requests and responses.

/// Messages that are not signed documents: the CBOR bodies of lookup and proof.
pub const CBOR: &str = "application/cbor";
/// Messages of the MIMI protocol, in TLS presentation language: its draft names no media type.
pub const OCTETS: &str = "application/octet-stream";
/// Problem documents (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";
/// A signed enrollment request.
pub const ENROLLMENT_REQUEST: &str = "application/mimi-enrollment-request+cwt";
/// A signed enrollment challenge.
pub const CHALLENGE: &str = "application/mimi-enrollment-challenge+cwt";
/// A signed CPI credential.
pub const CREDENTIAL: &str = "application/mimi-cpi-credential+cwt";
/// A signed mapping.
pub const MAPPING: &str = "application/mimi-mapping+cwt";
/// An authenticated mapping: credential and mapping together.
pub const AUTHENTICATED_MAPPING: &str = "application/mimi-authenticated-mapping+cbor";
/// A signed removal by the CPI's issuer.
pub const REMOVAL: &str = "application/mimi-removal+cwt";
/// A signed receipt.
pub const RECEIPT: &str = "application/mimi-receipt+cwt";
/// What a displaced holder asks.
pub const CONFLICT_QUERY: &str = "application/mimi-conflict-query+cwt";
/// What it is answered.
pub const CONFLICT_NOTICE: &str = "application/mimi-conflict-notice+cwt";
/// A change feed: a CBOR sequence (RFC 8742).
pub const CHANGES: &str = "application/cbor-seq";
