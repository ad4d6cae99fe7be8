//! The sample configurations are read by the code that they are for.

use std::path::{Path, PathBuf};

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
    let prover: id_prover::Config = load_config(&sample("id-prover.toml")).unwrap();
    assert!(prover.courier.email.is_some());
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
