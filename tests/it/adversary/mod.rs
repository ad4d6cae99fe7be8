//! What each party could do if it lied, and what becomes of it: prevented, or only detected, and then by which tool.
//!
//! | file | who lies |
//! | --- | --- |
//! | `provider` | the discovery provider: drops, replays, swaps, truncates |
//! | `relay` | the relay: its own keys, capsules changed and replayed, clients told apart by their keys |
//! | `msp` | the MSP: replays, withholds, forges receipts, enrolls for others |
//! | `prover` | the ID Prover: credentials for whom it likes |
//! | `scraper` | somebody who asks for everybody |
//!
//! What single parts do against the same lies is tested where they are: `client/tests/it/{lies,keys,tags}.rs`,
//! `gateway/tests/it/{inside,relays,limits}.rs`, `id-prover/tests/it/{attacks,requirements}.rs`, `mapping-store/tests/it/{door,follow}.rs`.

mod msp;
mod prover;
mod provider;
mod relay;
mod scraper;
