//! A service's own binary under siege: started as a process ([`Binary`]), attacked over real sockets ([`Attacker`]), asked
//! meanwhile ([`Load`]), measured from outside ([`Holdings`]). Shared by the integration tests of `relay` and `gateway`.

#![allow(dead_code, unused_imports, reason = "each of the two test binaries uses a part of it")]

mod attacker;
mod binary;
mod load;

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use service::ListenerConfig;

use crate::harness::own_address;
pub(crate) use attacker::Attacker;
pub(crate) use binary::{Binary, Holdings};
pub(crate) use load::{Load, answers, ask};

/// Bounds short enough to see them act, for a `[listener.bounds]` section. The drain may take as long as it needs.
pub(crate) const BOUNDS: &str = "
max_connections_per_address = 256
tls_handshake_timeout_ms = 3000
header_timeout_ms = 3000
idle_timeout_ms = 6000
drain_timeout_ms = 60000
";

/// Connections that come and go in one test: 20,000, or what `SIEGE_CONNECTIONS` says.
pub(crate) fn coming_and_going() -> usize {
    std::env::var("SIEGE_CONNECTIONS").map_or(20_000, |number| number.parse().unwrap())
}

/// An address where nobody listens, and nobody else will.
pub(crate) async fn vacant() -> SocketAddr {
    let config = ListenerConfig { address: own_address(), ..ListenerConfig::loopback() };
    service::Listener::bind(&config).await.unwrap().local_addr()
}

/// Lets this process, and those that it starts, have as many descriptors as the attacks need.
pub(crate) fn raise_descriptor_limit() {
    let limit = format!("--nofile={}:", 8192);
    let pid = format!("--pid={}", std::process::id());
    let current = fs::read_to_string("/proc/self/limits").unwrap();
    let soft = current.lines().find(|line| line.starts_with("Max open files")).unwrap();
    if soft.split_whitespace().nth(3).unwrap().parse::<u64>().is_ok_and(|soft| soft < 8192) {
        assert!(Command::new("prlimit").args([pid, limit]).status().unwrap().success());
    }
}
