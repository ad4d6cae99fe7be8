//! Configuration file, environment and flags; manual pages.

use crate::scene::{Ran, Scene};
use crate::shell::{command, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_without_a_stack_is_a_configuration_file() {
    let scene = Scene::start().await;
    let home = scene.file("");
    let description = scene.description();
    let folder = home.join(".config/discovery");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(&description.trust, folder.join("trust.toml")).unwrap();
    std::fs::copy(&description.ca_cert, folder.join("ca.pem")).unwrap();
    let asking =
        format!("relays = [\"{}\"]\ntrust = \"trust.toml\"\nca = \"ca.pem\"\nregion = \"US\"\n", description.relay_url);
    let msp = format!(
        "msp = \"{}\"\nmsp_certificate = \"{}\"\nmsp_key = \"{}\"\nstore = \"{}\"\nprover = \"{}\"\noutbox = \"{}\"\n\
         follower_certificate = \"{}\"\nfollower_key = \"{}\"\nreceipts = \"receipts\"\n",
        description.msp,
        description.msp_cert.display(),
        description.msp_key.display(),
        description.store_url,
        description.prover_url,
        description.outbox.display(),
        description.follower_cert.display(),
        description.follower_key.display(),
    );
    let discovery = |args: &[&str]| tokio::task::block_in_place(|| run(&home, args));

    std::fs::write(folder.join("config.toml"), &asking).unwrap();
    assert_eq!(discovery(&["lookup", "(415) 555-0132"]).status, 1);
    let ran = discovery(&["enroll", "--code-from-outbox", "(415) 555-0132"]);
    assert!(ran.status == 2 && ran.stderr.contains("msp is not set: give --msp, DISCOVERY_MSP, or"), "{ran:?}");

    std::fs::write(folder.join("config.toml"), asking + &msp).unwrap();
    for args in [
        &["enroll", "--code-from-outbox", "(415) 555-0132"][..],
        &["publish", "--tag", "Business", "(415) 555-0132"],
        &["lookup", "(415) 555-0132"],
        &["audit"],
        &["doctor"],
        &["keys", "provider"],
    ] {
        let ran = discovery(args);
        assert_eq!(ran.status, 0, "{args:?}: {ran:?}");
    }
    assert!(folder.join("receipts").exists(), "paths are relative to the file");

    let with = |variable: &str, value: &str, args: &[&str]| -> Ran {
        tokio::task::block_in_place(|| command(&home).env(variable, value).args(args).output().unwrap().into())
    };
    assert_eq!(with("DISCOVERY_RELAYS", "https://127.0.0.1:1/", &["lookup", "(415) 555-0132"]).status, 2);
    let flag = ["lookup", "--relay", &description.relay_url, "(415) 555-0132"];
    assert_eq!(with("DISCOVERY_RELAYS", "https://127.0.0.1:1/", &flag).status, 0, "a flag goes before the environment");
    let config = with("DISCOVERY_REGION", "GB", &["config"]).stdout;
    assert!(
        config.contains("region\tGB\tDISCOVERY_REGION\n") && config.contains("discovery/config.toml\n"),
        "{config}"
    );
    assert_eq!(with("DISCOVERY_REGION", "GB", &["lookup", "(415) 555-0132"]).status, 2, "which is no number there");
}

#[test]
fn manual_pages_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &["man"]);
    assert!(ran.status == 0 && ran.stdout.contains(".TH discovery 1"), "{ran:?}");
    assert_eq!(run(folder.path(), &["man", "pages"]).status, 0);
    let pages = std::fs::read_dir(folder.path().join("pages")).unwrap().map(|page| page.unwrap().file_name());
    let pages: Vec<_> = pages.map(|name| name.into_string().unwrap()).collect();
    for page in ["discovery.1", "discovery-lookup.1", "discovery-audit.1", "discovery-keys-show.1"] {
        assert!(pages.iter().any(|name| name == page), "{page} is missing from {pages:?}");
    }
}
