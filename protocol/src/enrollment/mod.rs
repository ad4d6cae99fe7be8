//! The three-party handshake in which a user proves possession of a CPI (`protocol.md` §4).
//!
//! 1. The user signs an [`EnrollmentRequest`]; the MSP carries it to the ID Prover.
//! 2. The prover sends a code to the CPI and answers with a signed [`Challenge`] over that very request.
//! 3. The user seals the code to the prover as a [`Proof`], bound to the enrollment and the user's key.
//! 4. The prover answers with a [`crate::credential::CpiCredential`].
//!
//! The MSP carries everything and can use nothing: the challenge is signed by the prover, so the MSP cannot put its own
//! HPKE key in; the code is sealed, so the MSP cannot read it; the sealing names the user's key, so the MSP cannot spend
//! it on an enrollment of its own.

mod challenge;
mod proof;
mod request;

pub use challenge::{Challenge, EnrollmentId, HpkePublicKey};
pub use proof::{Code, CodeError, HpkeError, HpkeSecretKey, Proof, ProofError};
pub use request::EnrollmentRequest;
