//! The Kubernetes manifests are what Kubernetes' own schemas take, by a validator from PyPI, without unknown fields; and they name images,
//! ports and files as the sample configurations do. Likewise the Compose file, by the schema of the Compose Specification.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use service::load_config;

const VALIDATOR: &str = "kubernetes-validate==1.37.0";
/// It has the schema of the Compose Specification with it.
const SCHEMAS: &str = "check-jsonschema==0.38.2";
/// Reads YAML by the library that the above has with it.
const TO_JSON: &str =
    "import json, sys; from ruamel.yaml import YAML; json.dump(YAML(typ='safe').load(open(sys.argv[1])), sys.stdout)";
const KUBERNETES: &str = "1.37.0";

fn manifests() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples/kubernetes");
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The programs of a package from PyPI, in a place of its own.
fn installed(package: &str) -> PathBuf {
    // Several tests want the same.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(package);
    let (programs, done) = (folder.join("bin"), folder.join("installed"));
    if !done.exists() {
        let _ = std::fs::remove_dir_all(&folder);
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"];
        run(Command::new(programs.join("python")).args(arguments).arg(package));
        std::fs::write(done, "").unwrap();
    }
    programs
}

fn run(command: &mut Command) {
    let status = command.status().expect("python3 is needed (Debian: python3-venv)");
    assert!(status.success(), "{command:?}");
}

#[test]
fn kubernetes_takes_the_manifests() {
    let (validator, folder) = (installed(VALIDATOR).join("kubernetes-validate"), tempfile::tempdir().unwrap());
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

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples")
}

#[test]
fn the_compose_file_is_what_the_compose_specification_takes() {
    let (validator, folder) = (installed(SCHEMAS).join("check-jsonschema"), tempfile::tempdir().unwrap());
    let check = |file: &Path| -> Output {
        Command::new(&validator).args(["--builtin-schema", "vendor.compose-spec"]).arg(file).output().unwrap()
    };
    let (file, wrong) = (samples().join("compose.yaml"), folder.path().join("wrong.yaml"));
    let checked = check(&file);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    // The validator does find what is wrong.
    std::fs::write(&wrong, std::fs::read_to_string(file).unwrap().replace("depends_on:", "depends_upon:")).unwrap();
    assert!(!check(&wrong).status.success());
}

/// What is written as one item or a list of them.
fn strings(value: &Value) -> Vec<&str> {
    value.as_array().map(|items| items.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

/// The names of a service in all its networks.
fn aliases(service: &Value) -> Vec<&str> {
    let networks = service["networks"].as_object().map(|networks| networks.values().collect::<Vec<_>>());
    networks.unwrap_or_default().into_iter().flat_map(|network| strings(&network["aliases"])).collect()
}

/// Every party runs its own binary without rights, on a configuration that its own code reads; it has the key files that this names and
/// is asked for its health at the port that this names.
#[test]
fn the_compose_file_agrees_with_the_configurations_that_it_mounts() {
    let json = Command::new(installed(SCHEMAS).join("python"))
        .args(["-c", TO_JSON])
        .arg(samples().join("compose.yaml"))
        .output();
    let compose: Value = serde_json::from_slice(&json.unwrap().stdout).unwrap();
    let mut parties = Vec::new();
    for (name, service) in compose["services"].as_object().unwrap() {
        assert!(service.get("privileged").is_none() && service.get("cap_add").is_none(), "{name}");
        assert_eq!(strings(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        if service["image"] != "mimi-discovery:0.1.0" {
            continue;
        }
        assert_eq!((strings(&service["cap_drop"]), &service["read_only"]), (vec!["ALL"], &Value::Bool(true)), "{name}");
        let command = strings(&service["command"]);
        let [party, "--config", config, ..] = *command else { panic!("{name}: {command:?}") };
        let volumes = service["volumes"].as_array().unwrap();
        let mounted = volumes.iter().find(|volume| volume["target"] == config).unwrap()["source"].as_str().unwrap();
        let mounted = samples().join(mounted);
        match party {
            "relay" => drop(load_config::<relay::Config>(&mounted).unwrap()),
            "gateway" => drop(load_config::<gateway::Config>(&mounted).unwrap()),
            "mapping-store" => drop(load_config::<mapping_store::Config>(&mounted).unwrap()),
            "id-prover" => drop(load_config::<id_prover::Config>(&mounted).unwrap()),
            other => panic!("{name}: {other}"),
        }
        let text = std::fs::read_to_string(&mounted).unwrap();
        let settings: toml::Table = text.parse().unwrap();
        let secrets: Vec<_> =
            service["secrets"].as_array().into_iter().flatten().map(|secret| &secret["target"]).collect();
        let named = text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split('"'));
        for key in named.filter(|text| text.starts_with("/etc/mimi-discovery/keys/")) {
            assert!(secrets.contains(&&Value::from(key)), "{name}: {key}");
        }
        if let Some(test) = service["healthcheck"]["test"].as_array() {
            let (_, port) = settings["admin"]["address"].as_str().unwrap().rsplit_once(':').unwrap();
            assert!(test[3].as_str().unwrap().contains(&format!("/dev/tcp/127.0.0.1/{port} ")), "{name}");
        }
        for port in service["ports"].as_array().into_iter().flatten() {
            let (_, own) = settings["listener"]["address"].as_str().unwrap().rsplit_once(':').unwrap();
            assert_eq!(port["target"].to_string(), own, "{name}");
        }
        parties.push(party);
    }
    parties.sort_unstable();
    // One of them makes the schema.
    assert_eq!(parties, ["gateway", "id-prover", "mapping-store", "mapping-store", "mapping-store", "relay"]);
}

/// Who is asked for by name has that name.
#[test]
fn the_compose_file_gives_the_names_that_the_configurations_ask_for() {
    let json = Command::new(installed(SCHEMAS).join("python"))
        .args(["-c", TO_JSON])
        .arg(samples().join("compose.yaml"))
        .output();
    let compose: Value = serde_json::from_slice(&json.unwrap().stdout).unwrap();
    let names = |service: &str| aliases(&compose["services"][service]);
    let host = |url: &str| url.parse::<http::Uri>().unwrap().host().unwrap().to_owned();
    let relay: relay::Config = load_config(&samples().join("relay.toml")).unwrap();
    assert_eq!(names("gateway"), [host(&relay.routes[0].gateway)]);
    let gateway: toml::Table = std::fs::read_to_string(samples().join("gateway.toml")).unwrap().parse().unwrap();
    let store: mapping_store::Config = load_config(&samples().join("compose-mapping-store.toml")).unwrap();
    for which in ["mapping-store-1", "mapping-store-2"] {
        assert_eq!(names(which), [host(gateway["target"]["url"].as_str().unwrap())]);
    }
    let nodes = store.store.cluster.unwrap().nodes;
    let found: Vec<_> =
        (1..=3).flat_map(|n| names(&format!("cassandra-{n}"))).map(|name| format!("{name}:9042")).collect();
    assert_eq!(found, nodes);
}
