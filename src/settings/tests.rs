//! Which layer of the settings wins, and errors that name file and setting.

use std::collections::HashMap;

use super::*;

/// Settings from a configuration file, variables and flags.
fn settings(file: &str, variables: &[(&str, &str)], flags: &[(Key, &str)]) -> Result<Settings, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, file).unwrap();
    let variables: HashMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let flags = flags.iter().map(|(key, value)| (*key, vec![(*value).to_owned()])).collect();
    Settings::assemble(flags, Some(&path), |name| variables.get(name).cloned())
}

fn description(folder: &Path, relay: &str) -> String {
    let stack = serde_json::json!({
        "relay_url": relay,
        "keys_url": format!("{relay}.well-known/ohttp-gateway"),
        "lookup_url": "https://provider.example/v1/lookup",
        "gateway_url": "",
        "store_url": "https://127.0.0.1:3",
        "prover_url": "https://127.0.0.1:4",
        "prover": "prover.example",
        "ca_cert": "ca.pem",
        "trust": "trust.toml",
        "msp_cert": "msp.pem",
        "msp_key": "msp.key",
        "follower_cert": "follower.pem",
        "follower_key": "follower.key",
        "msp": "mimi://msp.example",
        "outbox": "outbox",
    });
    let path = folder.join("stack.json");
    std::fs::write(&path, stack.to_string()).unwrap();
    path.display().to_string()
}

#[test]
fn the_later_overrides_the_earlier() {
    let file = "region = \"US\"\ntrust = \"/a\"\nca = \"/a\"\nrelays = [\"https://a.example\"]\n";
    let read = settings(file, &[("DISCOVERY_TRUST", "/b"), ("DISCOVERY_CA", "/b")], &[(Key::Ca, "/c")]).unwrap();
    let of = |key| read.text(key).unwrap();
    assert_eq!((of(Key::Region), of(Key::Trust), of(Key::Ca)), ("US", "/b", "/c"));
    let origins: HashMap<Key, String> = read.each().map(|(key, _, origin)| (key, origin.to_string())).collect();
    assert!(origins[&Key::Region].ends_with("config.toml"));
    assert_eq!((origins[&Key::Trust].as_str(), origins[&Key::Ca].as_str()), ("DISCOVERY_TRUST", "--ca"));
}

#[test]
fn a_stack_stands_where_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let stack = description(folder.path(), "https://127.0.0.1:1/");
    let file = "relays = [\"https://a.example\"]\nregion = \"US\"\n";
    let relay = |read: Settings| read.text(Key::Relays).unwrap().to_owned();
    assert_eq!(relay(settings(file, &[], &[(Key::Stack, &stack)]).unwrap()), "https://127.0.0.1:1/");
    assert_eq!(relay(settings(file, &[("DISCOVERY_STACK", &stack)], &[]).unwrap()), "https://127.0.0.1:1/");
    let flags = [(Key::Stack, stack.as_str()), (Key::Relays, "https://b.example")];
    assert_eq!(relay(settings(file, &[], &flags).unwrap()), "https://b.example");
    let in_file = format!("stack = \"{stack}\"\n");
    assert_eq!(
        relay(settings(&in_file, &[("DISCOVERY_RELAYS", "https://b.example")], &[]).unwrap()),
        "https://b.example"
    );
    // A stack that is overridden is not read.
    let read = settings("stack = \"/nonexistent\"", &[("DISCOVERY_STACK", "/nonexistent")], &[(Key::Stack, &stack)]);
    assert_eq!(relay(read.unwrap()), "https://127.0.0.1:1/");
    assert!(settings("stack = \"/nonexistent\"", &[], &[]).is_err());
}

#[test]
fn relays_may_be_several_and_their_keys_are_below_them() {
    let two = [("DISCOVERY_RELAYS", "https://a.example/p, https://b.example/")];
    let relays = settings("", &two, &[]).unwrap().relays().unwrap();
    let keys: Vec<String> = relays.iter().map(|relay| relay.keys.to_string()).collect();
    assert_eq!(keys, ["https://a.example/p/.well-known/ohttp-gateway", "https://b.example/.well-known/ohttp-gateway"]);
    assert_eq!(relays[0].capsules, "https://a.example/p");
}

#[test]
fn errors_name_the_file_and_the_setting() {
    for (file, words) in [
        ("colour = \"blue\"", &["config.toml", "colour"][..]),
        ("relays = \"https://a.example\"", &["config.toml", "relays"]),
        ("region = 7", &["config.toml", "region"]),
        ("region =", &["config.toml"]),
    ] {
        let error = settings(file, &[], &[]).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let error = settings("region = \"Atlantis\"", &[], &[]).unwrap().region().unwrap_err().to_string();
    assert!(error.starts_with("region (from ") && error.contains("config.toml"), "{error}");
    let plain = [("DISCOVERY_RELAYS", "http://a.example")];
    let error = settings("", &plain, &[]).unwrap().relays().unwrap_err().to_string();
    assert_eq!(error, "relays (from DISCOVERY_RELAYS): http://a.example is no https URL");
    let error = settings("", &[], &[]).unwrap().trust().unwrap_err().to_string();
    let rule = "trust is not set: give --trust, DISCOVERY_TRUST, or trust in the configuration file; or --stack";
    assert_eq!(error, rule);
    let missing = Settings::assemble(Layer::new(), Some(Path::new("/nonexistent/c.toml")), |_| None);
    assert!(missing.unwrap_err().to_string().starts_with("/nonexistent/c.toml: cannot be read"));
}

#[test]
fn the_file_is_where_such_files_are() {
    let path = |variables: &[(&str, &str)]| {
        file::default_path(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    };
    assert_eq!(path(&[("HOME", "/home/ann")]), Some("/home/ann/.config/discovery/config.toml".into()));
    assert_eq!(path(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]), Some("/x/discovery/config.toml".into()));
    assert_eq!(path(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "x")]), Some("/h/.config/discovery/config.toml".into()));
    assert_eq!(path(&[]), None);
}

#[test]
fn paths_in_the_file_are_relative_to_it() {
    let read = settings("trust = \"trust.toml\"\nca = \"/ca.pem\"", &[], &[]).unwrap();
    let trust = read.path(Key::Trust).unwrap();
    assert!(trust.is_absolute() && trust.ends_with("trust.toml"), "{}", trust.display());
    assert_eq!(read.text(Key::Ca), Some("/ca.pem"));
}

/// The sample sets every setting, each once as its own line.
#[test]
fn the_sample_has_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples/discovery.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let uncommented: String = text
        .lines()
        .map(|line| {
            format!("{}\n", line.strip_prefix("# stack =").map_or(line.to_owned(), |rest| format!("stack ={rest}")))
        })
        .collect();
    let layer = {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, uncommented).unwrap();
        file::read(&path).unwrap()
    };
    assert_eq!(layer.keys().copied().collect::<Vec<_>>(), Key::ALL);
    assert!(file::read(&path).unwrap().len() == Key::ALL.len() - 1, "as it stands it names a deployment, and no stack");
}
