//! Where the cluster is and how it is asked: [`ClusterConfig`].

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use service::ClientTlsConfig;

use crate::error::Error;

/// A cluster of Apache Cassandra 5 or ScyllaDB, as a client sees it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    /// Nodes to ask first, as `host:port` or `host` (port 9042); the others are learnt from them.
    pub nodes: Vec<String>,
    /// The keyspace: a lower-case letter, then lower-case letters, digits and `_`; 48 at most. Left out, it is empty until
    /// [`ClusterConfig::or_keyspace`] says which.
    #[serde(default)]
    pub keyspace: String,
    /// The datacenter whose nodes are asked, and in which a quorum counts. Without it, the only one there is; where there are more, it is
    /// needed.
    #[serde(default)]
    pub datacenter: Option<String>,
    /// The role to log in as; with `password_file`.
    #[serde(default)]
    pub username: Option<String>,
    /// A file with the role's password, in one line.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// TLS to the nodes, whose certificates name their addresses. Without it, everything goes in the clear.
    #[serde(default)]
    pub tls: Option<ClientTlsConfig>,
    /// How long a connection may take to be set up; the start has three times this for all.
    #[serde(default = "connect_timeout_ms")]
    pub connect_timeout_ms: u64,
    /// How long one request may take, tries on other nodes included; beyond the cluster's own timeouts of 2 s for writes, so that it
    /// is mostly the cluster that says what went wrong. A conditional write of unknown outcome is given three times this to be settled.
    #[serde(default = "request_timeout_ms")]
    pub request_timeout_ms: u64,
    /// After how long without an answer a read is asked of a second node as well; 0 for never.
    #[serde(default = "speculative_ms")]
    pub speculative_ms: u64,
    /// Requests to the cluster at once; further ones wait, `request_timeout_ms` at most.
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
}

const MAX_KEYSPACE: usize = 48;

const fn connect_timeout_ms() -> u64 {
    5000
}

const fn request_timeout_ms() -> u64 {
    3000
}

const fn speculative_ms() -> u64 {
    100
}

const fn max_in_flight() -> usize {
    1024
}

impl ClusterConfig {
    /// A cluster in the clear, with the defaults for everything else.
    #[must_use]
    pub fn of(nodes: Vec<String>, keyspace: &str) -> Self {
        Self {
            nodes,
            keyspace: keyspace.to_owned(),
            datacenter: None,
            username: None,
            password_file: None,
            tls: None,
            connect_timeout_ms: connect_timeout_ms(),
            request_timeout_ms: request_timeout_ms(),
            speculative_ms: speculative_ms(),
            max_in_flight: max_in_flight(),
        }
    }

    /// As it is, in this keyspace unless the settings name one.
    #[must_use]
    pub fn or_keyspace(mut self, keyspace: &str) -> Self {
        if self.keyspace.is_empty() {
            keyspace.clone_into(&mut self.keyspace);
        }
        self
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] names the setting.
    pub fn check(&self) -> Result<(), Error> {
        let is_name = |name: &str| {
            name.len() <= MAX_KEYSPACE
                && name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        let rules = [
            (!self.nodes.is_empty(), "nodes: at least one is needed"),
            (
                is_name(&self.keyspace),
                "keyspace: a lower-case letter, then lower-case letters, digits and _, 48 at most",
            ),
            (self.username.is_some() == self.password_file.is_some(), "username and password_file go together"),
            (self.request_timeout_ms > 0 && self.connect_timeout_ms > 0, "timeouts: more than 0"),
            ((1..=1 << 20).contains(&self.max_in_flight), "max_in_flight: from 1 to 1048576"),
        ];
        first_broken(&rules)
    }

    /// [`Self::connect_timeout_ms`]
    #[must_use]
    pub const fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// [`Self::request_timeout_ms`]
    #[must_use]
    pub const fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}

/// Holds settings to rules, each with its name.
///
/// # Errors
///
/// [`Error::Failed`] names the first rule that does not hold.
pub fn first_broken(rules: &[(bool, &str)]) -> Result<(), Error> {
    let broken = rules.iter().find(|(holds, _)| !holds);
    broken.map_or(Ok(()), |(_, rule)| Err(Error::because(format!("settings of the cluster: {rule}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ClusterConfig {
        ClusterConfig::of(vec!["localhost".to_owned()], "store")
    }

    #[test]
    fn a_broken_setting_is_named() {
        assert_eq!(config().check(), Ok(()));
        for (broken, named) in [
            (ClusterConfig { nodes: Vec::new(), ..config() }, "nodes"),
            (ClusterConfig { keyspace: "Store".to_owned(), ..config() }, "keyspace"),
            (ClusterConfig { keyspace: "s\"; DROP".to_owned(), ..config() }, "keyspace"),
            (ClusterConfig { keyspace: "s".repeat(49), ..config() }, "keyspace"),
            (ClusterConfig { username: Some("store".to_owned()), ..config() }, "password_file"),
            (ClusterConfig { request_timeout_ms: 0, ..config() }, "timeouts"),
            (ClusterConfig { max_in_flight: 0, ..config() }, "max_in_flight"),
        ] {
            assert!(broken.check().unwrap_err().to_string().contains(named), "{named}");
        }
    }
}
