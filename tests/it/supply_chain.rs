//! `docs/supply-chain.md` is held to what is built: it names the versions of `Cargo.lock`, and every direct dependency of what we
//! ship is either in its tables or in the list below.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::crates;

/// What touches neither keys nor bytes from strangers: our own settings, words, figures and times, and what makes code.
const NEITHER: &[&str] = &[
    "anstream",
    "anstyle",
    "arc-swap",
    "clap",
    "clap_complete",
    "clap_mangen",
    "comfy-table",
    "governor",
    "humantime",
    "indicatif",
    "metrics",
    "metrics-exporter-prometheus",
    "tempfile",
    "thiserror",
    "toml",
    "tower-service",
    "tracing",
    "tracing-subscriber",
];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The crates and versions in the first column of the tables: `` `name` 1.2.3, `other` 4.5.6 ``.
fn audited() -> BTreeMap<String, String> {
    let page = read("docs/supply-chain.md");
    let first_cells = page.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
    let crates = first_cells.flat_map(|cell| cell.split(", ")).filter_map(|item| {
        let (name, version) = item.trim().strip_prefix('`')?.split_once("` ")?;
        Some((name.to_owned(), version.to_owned()))
    });
    crates.collect()
}

/// The versions of each crate in `Cargo.lock`.
fn locked() -> BTreeMap<String, BTreeSet<String>> {
    let lock: toml::Table = toml::from_str(&read("Cargo.lock")).unwrap();
    let mut locked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let text = |key: &str| package[key].as_str().unwrap().to_owned();
        locked.entry(text("name")).or_default().insert(text("version"));
    }
    locked
}

/// Direct dependencies of what is shipped, but for our own.
fn direct() -> BTreeSet<String> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let shipped: Vec<_> =
        metadata.packages.iter().filter(|package| crates::ALL.contains(&package.name.as_str())).collect();
    assert_eq!(shipped.len(), crates::ALL.len());
    let dependencies = shipped.iter().flat_map(|package| &package.dependencies);
    let others = dependencies.filter(|dep| dep.kind != DependencyKind::Development && dep.path.is_none());
    others.map(|dep| dep.name.clone()).collect()
}

#[test]
fn the_audit_names_the_versions_that_are_built() {
    let (audited, locked) = (audited(), locked());
    assert!(audited.len() > 40, "{audited:?}");
    for (name, version) in audited {
        let built = locked.get(&name).unwrap_or_else(|| panic!("{name} is not in Cargo.lock"));
        assert!(built.contains(&version), "{name} {version} is in docs/supply-chain.md, but {built:?} in Cargo.lock");
    }
}

#[test]
fn every_direct_dependency_is_audited_or_touches_neither_keys_nor_bytes_of_strangers() {
    let audited: BTreeSet<String> = audited().into_keys().collect();
    let neither: BTreeSet<String> = NEITHER.iter().map(ToString::to_string).collect();
    let direct = direct();
    let unknown: Vec<_> = direct.iter().filter(|name| !audited.contains(*name) && !neither.contains(*name)).collect();
    assert_eq!(unknown, Vec::<&String>::new(), "belong into docs/supply-chain.md, or into this list");
    assert_eq!(neither.difference(&direct).collect::<Vec<_>>(), Vec::<&String>::new(), "are no dependencies any more");
    assert_eq!(neither.intersection(&audited).collect::<Vec<_>>(), Vec::<&String>::new(), "are in both");
}
