//! The Kubernetes manifests are what Kubernetes' own schemas take, by a validator from PyPI, without unknown fields; and they name images,
//! ports and files as the sample configurations do.

use std::path::{Path, PathBuf};
use std::process::Command;

const VALIDATOR: &str = "kubernetes-validate==1.37.0";
const KUBERNETES: &str = "1.37.0";

fn manifests() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples/kubernetes");
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The validator's program.
fn validator() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(VALIDATOR);
    let (program, done) = (folder.join("bin/kubernetes-validate"), folder.join("installed"));
    if !done.exists() {
        let _ = std::fs::remove_dir_all(&folder);
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"];
        run(Command::new(folder.join("bin/python")).args(arguments).arg(VALIDATOR));
        std::fs::write(done, "").unwrap();
    }
    program
}

fn run(command: &mut Command) {
    let status = command.status().expect("python3 is needed (Debian: python3-venv)");
    assert!(status.success(), "{command:?}");
}

#[test]
fn kubernetes_takes_the_manifests() {
    let (validator, folder) = (validator(), tempfile::tempdir().unwrap());
    let check = |file: &Path| {
        Command::new(&validator).args(["--strict", "--kubernetes-version", KUBERNETES]).arg(file).output().unwrap()
    };
    assert_eq!(manifests().len(), 4);
    for manifest in manifests() {
        let checked = check(&manifest);
        assert!(checked.status.success(), "{}: {}", manifest.display(), String::from_utf8_lossy(&checked.stderr));
        // The validator does find what is wrong.
        let wrong = folder.path().join("wrong.yaml");
        let text = std::fs::read_to_string(&manifest).unwrap().replace("containerPort:", "containerPorts:");
        std::fs::write(&wrong, text).unwrap();
        assert!(!check(&wrong).status.success());
    }
}

/// Ports are those of the sample configurations, and the container that a party runs in has its binary's name.
#[test]
fn manifests_agree_with_the_sample_configurations() {
    for manifest in manifests() {
        let name = manifest.file_stem().unwrap().to_str().unwrap();
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples").join(format!("{name}.toml"));
        let settings: toml::Table = std::fs::read_to_string(sample).unwrap().parse().unwrap();
        let port = |table: &str| {
            let address = settings[table]["address"].as_str().unwrap();
            address.rsplit_once(':').unwrap().1.to_owned()
        };
        let text = std::fs::read_to_string(&manifest).unwrap();
        for (label, table) in [("public", "listener"), ("admin", "admin")] {
            let line = format!("{{ name: {label}, containerPort: {} }}", port(table));
            assert!(text.contains(&line), "{name}: {line}");
        }
        assert!(text.contains(&format!("args: [{name}, --config, /config/{name}.toml")), "{name}");
    }
}
