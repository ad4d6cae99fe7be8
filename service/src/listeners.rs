//! The listeners of a service: one for whom it serves, and one for who runs it.

use crate::admin::AdminConfig;
use crate::listener::{ListenError, Listener, ListenerConfig};

/// The bound sockets of a service.
#[derive(Debug)]
pub struct Listeners {
    /// Where those come in whom it serves.
    pub public: Listener,
    /// Health, readiness, metrics.
    pub admin: Option<Listener>,
}

impl Listeners {
    /// Binds both; without `admin`, the one.
    ///
    /// # Errors
    ///
    /// [`ListenError`] names the setting, file or address.
    pub async fn bind(public: &ListenerConfig, admin: Option<&AdminConfig>) -> Result<Self, ListenError> {
        let public = Listener::bind(public).await?;
        let admin = match admin {
            Some(admin) => Some(admin.bind().await?),
            None => None,
        };
        Ok(Self { public, admin })
    }
}
