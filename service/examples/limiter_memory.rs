//! What a keyed limiter takes of memory for each address that it remembers, and that further ones take nothing:
//!
//! ```text
//! cargo run --release -p service --example limiter_memory
//! ```

#![allow(clippy::print_stdout, reason = "printing the figures is what this is for")]

use std::error::Error;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use service::{KeyedLimiter, Rate};

const ADDRESSES: u32 = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let limiter = KeyedLimiter::new(Rate::new(300, 60), ADDRESSES as usize);
    let empty = resident_bytes()?;
    let mut filled = empty;
    for round in 1..=3_u32 {
        // Each round brings a million addresses that were never seen, each in a /64 of its own.
        for number in 0..ADDRESSES {
            let address = Ipv6Addr::from((u128::from(round) << 96) | (u128::from(number) << 64));
            limiter.check(&IpAddr::V6(address), NonZeroU32::MIN).ok();
        }
        let resident = resident_bytes()?;
        let (keys, more) = (limiter.keys(), resident.saturating_sub(filled));
        println!("{round} million addresses: {keys} keys, {} MiB, {} MiB more", resident >> 20, more >> 20);
        if round == 1 {
            println!("{} bytes a key", (resident - empty) / u64::from(ADDRESSES));
        }
        filled = resident;
    }
    Ok(())
}

/// `VmRSS` of this process.
fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
