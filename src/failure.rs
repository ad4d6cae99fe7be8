//! What a command says when it cannot do its work: one message, exit status 2.

use std::fmt;

/// A message for the person at the terminal; it names the rule or the party at fault.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure with this message.
    #[must_use]
    pub fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// What becomes a [`Failure`] by its own message.
macro_rules! failure_from {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(error)
            }
        })+
    };
}

failure_from!(
    client::Error,
    client::trust::TrustFileError,
    crate::certificates::CertificateError,
    protocol::cpi::CpiError,
    protocol::mapping::TagsError,
    protocol::mimi_uri::UriError,
    service::ListenError,
    service::secret_file::SecretFileError,
    std::io::Error,
);
