//! What each crate may depend on is what its role may know (`docs/architecture.md`). Read from `cargo metadata`: everything
//! that is compiled into a crate, at any depth; what only tests use does not count.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::crates;

/// Crates by name, each with what it is built from.
struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    fn of(metadata: &Metadata) -> Self {
        let name_of: BTreeMap<_, _> =
            metadata.packages.iter().map(|package| (&package.id, package.name.to_string())).collect();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in &metadata.resolve.as_ref().unwrap().nodes {
            let built = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development));
            let entry = edges.entry(name_of[&node.id].clone()).or_default();
            entry.extend(built.map(|dep| name_of[&dep.pkg].clone()));
        }
        Self(edges)
    }

    /// All that `name` is built from, at any depth.
    fn closure(&self, name: &str) -> BTreeSet<&str> {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![name]);
        while let Some(next) = waiting.pop() {
            for dependency in self.0.get(next).unwrap_or_else(|| panic!("no crate {next}")) {
                if seen.insert(dependency.as_str()) {
                    waiting.push(dependency);
                }
            }
        }
        seen
    }

    /// Which of `banned` are in `name`.
    fn found<'a>(&self, name: &str, banned: &[&'a str]) -> Vec<&'a str> {
        let closure = self.closure(name);
        banned.iter().copied().filter(|banned| closure.contains(banned)).collect()
    }
}

fn workspace() -> Metadata {
    let options = ["--locked", "--filter-platform", PLATFORM].map(str::to_owned);
    MetadataCommand::new().other_options(options).exec().unwrap()
}

/// The rules are the same everywhere; other platforms only have further system libraries.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

#[test]
fn a_crate_knows_what_its_role_may_know() {
    let graph = Graph::of(&workspace());
    for (name, banned) in [
        (
            "relay",
            &[
                "bhttp",
                "ciborium",
                "client",
                "cluster",
                "coset",
                "documents",
                "encapsulation",
                "hpke",
                "ohttp",
                "protocol",
                "rocksdb",
            ][..],
        ),
        ("gateway", &["client", "cluster", "mapping-store", "protocol", "rocksdb"]),
        ("client", &["cluster", "mapping-store", "rocksdb", "service"]),
        ("service", &["client", "cluster", "documents", "encapsulation", "ohttp", "protocol", "rocksdb"]),
        ("encapsulation", &["documents", "hyper", "protocol", "rocksdb", "service", "tokio"]),
        (
            "cluster",
            &["client", "documents", "gateway", "id-prover", "mapping-store", "ohttp", "protocol", "relay", "rocksdb"],
        ),
        ("protocol", &["encapsulation", "hyper", "rocksdb", "service", "tokio"]),
        ("documents", &["hyper", "protocol", "rocksdb", "tokio"]),
        ("mapping-store", &["client", "encapsulation", "gateway", "id-prover", "ohttp", "relay"]),
        ("id-prover", &["client", "encapsulation", "gateway", "mapping-store", "ohttp", "relay"]),
        // `ring` is banned by deny.toml: metadata lists it for a feature that nobody has.
        ("discovery", &["native-tls", "openssl", "serde_cbor"]),
    ] {
        assert_eq!(graph.found(name, banned), Vec::<&str>::new(), "{name} must not be built from these");
    }
}

#[test]
fn prover_and_store_share_the_protocol_and_nothing_else_of_ours() {
    let graph = Graph::of(&workspace());
    let ours: BTreeSet<&str> = crates::PARTS.iter().copied().collect();
    let of = |name| graph.closure(name).intersection(&ours).copied().collect::<BTreeSet<_>>();
    let shared: Vec<&str> = of("mapping-store").intersection(&of("id-prover")).copied().collect();
    // `documents` lies below the protocol; `service` is what every process needs, `cluster` how a database of either is reached: both
    // know no content.
    assert_eq!(shared, ["cluster", "documents", "protocol", "service"]);
}

#[test]
fn the_check_itself_finds_what_it_should() {
    let graph = Graph::of(&workspace());
    assert_eq!(graph.found("client", &["ohttp", "rocksdb"]), ["ohttp"]);
    assert_eq!(graph.found("mapping-store", &["librocksdb-sys", "relay"]), ["librocksdb-sys"]);
    assert_eq!(graph.found("discovery", crates::PARTS), crates::PARTS);
}

/// The gateway may not know the protocol, and names one thing as it does.
#[test]
fn the_store_says_what_a_lookup_costs_where_the_gateway_reads_it() {
    assert_eq!(gateway::target::COST, protocol::lookup::COST);
}
