//! The sample configurations are read by the code that they are for.

use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::MetadataCommand;
use service::load_config;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples").join(name)
}

#[test]
fn sample_configurations_are_read() {
    let relay: relay::Config = load_config(&sample("relay.toml")).unwrap();
    assert!(!relay.routes.is_empty());
    let gateway: gateway::Config = load_config(&sample("gateway.toml")).unwrap();
    assert!(!gateway.allowed.is_empty() && gateway.target.is_some());
    let store: mapping_store::Config = load_config(&sample("mapping-store.toml")).unwrap();
    assert!(!store.store.provers.is_empty());
    assert!(store.store.cluster.is_none());
    let store: mapping_store::Config = load_config(&sample("mapping-store-cluster.toml")).unwrap();
    assert_eq!(store.store.cluster.unwrap().nodes.len(), 3);
    let prover: id_prover::Config = load_config(&sample("id-prover.toml")).unwrap();
    assert!(prover.courier.email.is_some());
    assert!(prover.cluster.is_none());
    let prover: id_prover::Config = load_config(&sample("id-prover-cluster.toml")).unwrap();
    let cluster = prover.cluster.unwrap();
    assert_eq!((cluster.nodes.len(), cluster.keyspace.as_str()), (3, "id_prover"));
}

#[test]
fn an_unknown_setting_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relay.toml");
    let text = std::fs::read_to_string(sample("relay.toml")).unwrap();
    std::fs::write(&file, format!("colour = \"blue\"\n{text}")).unwrap();
    let error = load_config::<relay::Config>(&file).unwrap_err().to_string();
    assert!(error.contains("colour"), "{error}");
}

/// What the image is built from is what the manifests name: a crate, bench or example that is not copied would end its build.
#[test]
fn the_container_file_copies_what_cargo_needs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let context = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(sample("Containerfile")).unwrap();
    let copies = text.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|rest| !rest.starts_with("--from"));
    for copy in copies {
        let (sources, _) = copy.rsplit_once(' ').unwrap();
        for source in sources.split(' ') {
            let to = context.path().join(source);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            let copied = Command::new("cp").arg("-r").arg(root.join(source)).arg(to).status().unwrap();
            assert!(copied.success(), "{source}");
        }
    }
    let manifest = context.path().join("Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .other_options(["--locked".to_owned(), "--offline".to_owned()])
        .exec()
        .unwrap();
    for name in text.split("--package ").skip(1).filter_map(|rest| rest.split_whitespace().next()) {
        let package = metadata.packages.iter().find(|package| package.name.as_str() == name).unwrap();
        assert!(package.targets.iter().all(|target| target.src_path.exists()), "{name}");
    }
}
