//! Tables and colours are for terminals: the command on a pseudo-terminal (`script` of util-linux), and elsewhere.

use std::process::{Command, Stdio};

use crate::scene::Scene;
use crate::shell::expect;

/// What the command prints on a terminal of the usual width.
fn on_a_terminal(scene: &Scene, args: &str, colour: bool) -> String {
    let command = format!("stty cols 120; {} {args}", env!("CARGO_BIN_EXE_discovery"));
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .current_dir(scene.file(""))
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .envs([("HOME", scene.file("").to_str().unwrap()), ("TERM", "xterm"), ("LC_ALL", "C.UTF-8")])
        .env("DISCOVERY_STACK", scene.stack.file())
        .stdin(Stdio::null());
    if !colour {
        script.env("NO_COLOR", "1");
    }
    let output = tokio::task::block_in_place(|| script.output().unwrap());
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_colours_are_for_terminals() {
    let scene = Scene::start().await;
    expect(&scene, 0, &["enroll", "--code-from-outbox", "+14155550132"]);
    std::fs::write(scene.file("book.csv"), "name,phone\nBob,+14155550132\n").unwrap();
    const ESCAPE: &str = "\u{1b}[";

    let table = on_a_terminal(&scene, "sync book.csv", true);
    assert!(table.contains("│ contact ┆") && table.contains("msp.example") && table.contains(ESCAPE), "{table}");
    let plain = on_a_terminal(&scene, "sync book.csv 2>/dev/null", false);
    assert!(plain.contains("│ Bob") && !plain.contains(ESCAPE), "{plain}");
    let lines = expect(&scene, 0, &["sync", "book.csv"]).stdout;
    assert!(lines.starts_with("contact\tidentifier\t") && !lines.contains(ESCAPE), "{lines}");

    assert!(on_a_terminal(&scene, "lookup +14155550132", true).contains(ESCAPE));
    assert!(!on_a_terminal(&scene, "lookup +14155550132 2>/dev/null", false).contains(ESCAPE));
    assert!(!expect(&scene, 0, &["lookup", "+14155550132"]).stdout.contains(ESCAPE));
}
