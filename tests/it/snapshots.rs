//! What every command prints, held to `tests/it/snapshots/`: the help, and a session against one stack. What differs from run to
//! run (keys, times, ports, folders) is blotted out.
//!
//! `INSTA_UPDATE=always cargo test --workspace --test it -- snapshots` writes them anew; look at the difference.

use discovery::commands::CommandLine;

use crate::scene::{Ran, Scene};
use crate::shell::{expect, run};

/// What is blotted out, and by what.
const VOLATILE: [(&str, &str); 13] = [
    (r#"/[^\s"]*/\.tmp[^/\s"]*"#, "[FOLDER]"),
    (r"\b[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{2}\b", "[FINGERPRINT]"),
    (r"h'[0-9a-f]*'", "h'[OCTETS]'"),
    (r"\b[0-9a-f]{64}\b", "[KEY]"),
    (r"\b[0-9a-f]{32}…", "[KEY]…"),
    (r"\b[0-9a-f]{16}\.mapping", "[HASH].mapping"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[TIME]"),
    (r"\b1[789]\d{8}\b", "[SECONDS]"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
    (r"\d+\.\d ms", "[MS] ms"),
    (r"\b\d+ s (more|apart)", "[S] s $1"),
    (r"\bkey \d+: ", "key [ID]: "),
    (r#""[A-Za-z0-9_-]{43}""#, "\"[THUMBPRINT]\""),
];

fn settle(name: &str, text: &str) {
    insta::with_settings!({ filters => VOLATILE, omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
}

fn shown(ran: &Ran) -> String {
    format!("status {}\n---- stdout\n{}---- stderr\n{}", ran.status, ran.stdout, ran.stderr)
}

#[test]
fn help() {
    use clap::CommandFactory as _;
    let folder = tempfile::tempdir().unwrap();
    settle("help", &run(folder.path(), &["--help"]).stdout);
    for command in CommandLine::command().get_subcommands() {
        let name = command.get_name();
        let ran = run(folder.path(), &[name, "--help"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        settle(&format!("help-{name}"), &ran.stdout);
    }
    for name in ["new", "show", "provider"] {
        settle(&format!("help-keys-{name}"), &run(folder.path(), &["keys", name, "--help"]).stdout);
    }
}

/// A session: every command that needs a stack, in the order in which a user comes to them.
#[tokio::test(flavor = "multi_thread")]
async fn session() {
    const NUMBER: &str = "+14155550132";
    let scene = Scene::start().await;
    std::fs::write(scene.file("book.csv"), "name,phone,email\nBob,(415) 555-0132,\nEve,12,eve@example.com\n").unwrap();
    for (name, status, args) in [
        ("keys-new", 0, &["keys", "new", "me.key"][..]),
        ("keys-new-again", 2, &["keys", "new", "me.key"]),
        ("keys-show", 0, &["keys", "show", "me.key"]),
        ("keys-show-json", 0, &["keys", "show", "--json", "me.key"]),
        ("keys-provider", 0, &["keys", "provider"]),
        ("doctor", 0, &["doctor"]),
        (
            "enroll",
            0,
            &["enroll", "--key", "me.key", "--receipts", "receipts", "--code-from-outbox", "--tag", "Business", NUMBER],
        ),
        ("publish", 0, &["publish", "--key", "me.key", "--receipts", "receipts", "--tag", "Default", NUMBER]),
        ("publish-unknown", 2, &["publish", "--key", "me.key", "bob@example.com"]),
        ("lookup", 1, &["lookup", "--context", "Business", "--save", "found", NUMBER, "bob@example.com"]),
        ("lookup-json", 0, &["lookup", "--json", NUMBER]),
        ("lookup-csv", 1, &["lookup", "--csv", "--contacts", "book.csv", "--region", "US"]),
        ("lookup-malformed", 2, &["lookup", "12"]),
        ("sync", 1, &["sync", "--region", "US", "book.csv"]),
        ("sync-csv", 1, &["sync", "--csv", "--region", "US", "book.csv"]),
        ("watch", 0, &["watch", "--count", "1", NUMBER]),
        ("audit", 0, &["audit", "--receipts", "receipts"]),
        ("audit-json", 0, &["audit", "--receipts", "receipts", "--json", "--no-feed"]),
        ("withdraw", 0, &["withdraw", "--key", "me.key", NUMBER]),
        ("config", 0, &["config", "--relay", "https://relay.example/p"]),
        ("config-json", 0, &["config", "--json"]),
    ] {
        settle(name, &shown(&expect(&scene, status, args)));
    }
    let saved = std::fs::read_dir(scene.file("found")).unwrap().next().unwrap().unwrap().path();
    let saved = saved.strip_prefix(scene.file("")).unwrap().to_str().unwrap().to_owned();
    settle("verify", &shown(&expect(&scene, 0, &["verify", &saved])));
    settle("inspect", &shown(&expect(&scene, 0, &["inspect", &saved])));
    std::fs::write(scene.file("flipped"), {
        let mut bytes = std::fs::read(scene.file(&saved)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    })
    .unwrap();
    settle("verify-flipped", &shown(&expect(&scene, 1, &["verify", "flipped"])));
}

/// What ends before there is a deployment.
#[test]
fn trouble() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.toml"), "region = \"US\"\ncolour = \"blue\"\n").unwrap();
    for (name, args) in [
        ("no-relay", &["lookup", "--trust", "trust.toml", "+14155550132"][..]),
        ("no-settings", &["verify", "nothing"]),
        ("unknown-setting", &["config", "--config", "config.toml"]),
        ("no-command", &["no-such-command"]),
        ("no-key", &["keys", "show", "nobody.key"]),
    ] {
        let ran = run(folder.path(), args);
        assert_eq!(ran.status, 2, "{ran:?}");
        settle(&format!("trouble-{name}"), &shown(&ran));
    }
}
