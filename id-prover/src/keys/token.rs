//! The signing keys behind a trait of the shape of PKCS#11: a token is opened, tells its keys by label and public half, signs
//! with them, and is closed. What it holds need never leave it.
//!
//! [`SigningFiles`](super::files::SigningFiles) is the token that is used unless another one is given to
//! [`run_with_token`](crate::run_with_token).

use std::fmt;
use std::sync::Arc;

use protocol::{Document, PublicKey, Signed, Thumbprint, Timestamp, Unverified, sign1};
use service::secret_file::SecretFileError;

/// Why a token does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A key file.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// The token cannot be reached, or refuses. The text names no secret.
    #[error("token: {0}")]
    Refused(String),
    /// What it gave as a signature is none.
    #[error("token: the signature by the key {0:?} does not hold")]
    Wrong(String),
}

/// Holds the signing keys.
pub trait Token: Send + Sync {
    /// Opens it, and tells which keys there are; called again when the prover is to take keys up anew.
    ///
    /// # Errors
    ///
    /// [`TokenError`]; a prover does not start then, and one that runs keeps the keys it has.
    fn open(&self) -> Result<SigningKeys, TokenError>;

    /// Closes it. No key is used any more.
    fn close(&self) {}
}

/// An Ed25519 key that signs.
pub trait Signer: Send + Sync {
    /// What the token calls it; goes into logs.
    fn label(&self) -> &str;

    /// The public half.
    fn public(&self) -> PublicKey;

    /// Signs `message` (Ed25519, RFC 8032). It may block, as long as a caller may wait.
    ///
    /// # Errors
    ///
    /// [`TokenError`]; the caller is asked to come back, and nothing is lost.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], TokenError>;
}

/// The keys of a token.
#[derive(Clone)]
pub struct SigningKeys {
    /// It signs.
    pub current: Arc<dyn Signer>,
    /// It will sign next, and is announced.
    pub next: Option<PublicKey>,
    /// They sign what was proven before they retired, and nothing else.
    pub retired: Vec<Retired<Arc<dyn Signer>>>,
}

/// A key that is no longer used for anything new.
#[derive(Clone, Debug)]
pub struct Retired<K> {
    /// The key.
    pub key: K,
    /// Until when what was made with it holds.
    pub until: Timestamp,
}

impl SigningKeys {
    /// The key of this thumbprint, retired or not.
    pub(crate) fn find(&self, thumbprint: &Thumbprint) -> Option<&Arc<dyn Signer>> {
        let retired = self.retired.iter().map(|retired| &retired.key);
        std::iter::once(&self.current).chain(retired).find(|key| key.public().thumbprint() == *thumbprint)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys").field("current", &self.current.label()).finish_non_exhaustive()
    }
}

/// Signs `document`, and checks the signature before it leaves: one that is wrong, by a fault or by intent, could give the key
/// away.
///
/// # Errors
///
/// [`TokenError`].
pub(crate) fn sign<D: Document>(document: &D, key: &dyn Signer) -> Result<Signed<D>, TokenError> {
    let public = key.public();
    let bytes = sign1(document, &public.thumbprint(), |message| key.sign(message))?;
    let signed = Unverified::parse(&bytes).ok().and_then(|document| document.verify(&public).ok());
    signed.ok_or_else(|| TokenError::Wrong(key.label().to_owned()))
}
