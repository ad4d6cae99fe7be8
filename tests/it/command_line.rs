//! `discovery up`, and the other commands against it: each as a process of its own, by its exit status and what it prints.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use discovery::stack::Description;

use crate::scene::{Ran, Scene, run_in};

const NUMBER: &str = "+14155550132";
const EMAIL: &str = "bob@bücher.example";

/// A running `discovery up`; killed if a test fails.
struct Up(Child);

impl Up {
    /// Starts it, and waits until it says that it is up.
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_discovery"))
            .args(["up", "--dir", "stack"])
            .current_dir(folder)
            .env("RUST_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(
            line.starts_with("The stack is up: "),
            "{line}{}",
            std::fs::read_to_string(folder.join("log")).unwrap()
        );
        Self(child)
    }

    /// Ctrl-C; the exit status.
    fn interrupt(&mut self) -> i32 {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        self.0.wait().unwrap().code().unwrap()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

#[test]
fn a_stack_serves_other_processes_until_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let mut up = Up::start(folder.path());
    let run = |args: &[&str]| run_in(folder.path(), args);
    let expect = |ran: Ran, status: i32| {
        assert_eq!(ran.status, status, "{ran:?}");
        ran
    };
    let stack = ["--stack", "stack/stack.json"];
    let enroll = |cpi, more: &[&str]| {
        run(&[&["enroll"], &stack[..], &["--key", "bob.key", "--code-from-outbox", cpi], more].concat())
    };
    let lookup = |more: &[&str]| run(&[&["lookup"], &stack[..], more].concat());

    expect(lookup(&[NUMBER]), 1);
    expect(enroll(NUMBER, &["--tag", "Business", "--psi", "mimi://msp.example/u/bob"]), 0);
    expect(enroll(EMAIL, &[]), 0);
    let found = expect(lookup(&["--save", "found", NUMBER]), 0);
    assert!(found.stdout.contains("one provider"), "{found:?}");
    assert!(found.stdout.contains("mimi://msp.example as mimi://msp.example/u/bob [Business]"), "{found:?}");

    // A contact book: one found, one not, one that cannot be read.
    let book = format!(
        "BEGIN:VCARD\nVERSION:4.0\nFN:Bob\nTEL:(415) 555-0132\nEMAIL:{EMAIL}\nEND:VCARD\n\
         BEGIN:VCARD\nVERSION:4.0\nFN:Eve\nTEL:12\nEMAIL:eve@example.com\nEND:VCARD\n"
    );
    std::fs::write(folder.path().join("book.vcf"), book).unwrap();
    let book = expect(lookup(&["--contacts", "book.vcf", "--region", "US", "--json"]), 1);
    let lines: Vec<serde_json::Value> = book.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4, "{book:?}");
    assert_eq!(lines[0]["cpi"], "tel:+14155550132");
    assert_eq!(lines[0]["name"], "Bob");
    assert_eq!(lines[0]["outcome"], "one-mapping");
    assert_eq!(lines[0]["mappings"][0]["psi"], "mimi://msp.example/u/bob");
    assert_eq!(lines[0]["mappings"][0]["prover"], "prover.example");
    assert_eq!(lines[1]["outcome"], "one-mapping");
    assert!(lines[2]["error"].as_str().unwrap().contains("number"), "{}", lines[2]);
    assert_eq!(lines[3]["outcome"], "never-mapped");

    // What was saved verifies offline, and with a bit flipped it does not.
    let saved = std::fs::read_dir(folder.path().join("found")).unwrap().next().unwrap().unwrap().path();
    let saved = saved.to_str().unwrap();
    let verified = expect(run(&["verify", "--trust", "stack/trust.toml", saved]), 0);
    assert!(verified.stdout.contains("tel:+14155550132") && verified.stdout.contains("prover.example"), "{verified:?}");
    let mut bytes = std::fs::read(saved).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(folder.path().join("flipped"), &bytes).unwrap();
    let flipped = expect(run(&["verify", "--trust", "stack/trust.toml", "flipped"]), 1);
    assert!(flipped.stdout.starts_with("does not verify: "), "{flipped:?}");

    let inspected = expect(run(&["inspect", saved]), 0);
    assert!(inspected.stdout.starts_with("authenticated mapping: credential and mapping\n"), "{inspected:?}");
    assert!(inspected.stdout.contains("2 /sub/: \"tel:+14155550132\""), "{inspected:?}");

    // A second enrollment replaces the first; a withdrawal ends it.
    expect(enroll(NUMBER, &["--opt-out"]), 0);
    assert!(expect(lookup(&[EMAIL]), 0).stdout.contains("one provider"));
    expect(run(&[&["withdraw"], &stack[..], &["--key", "bob.key", EMAIL]].concat()), 0);
    assert!(expect(lookup(&[EMAIL]), 1).stdout.contains("not found"));

    let description = Description::read(&folder.path().join("stack/stack.json")).unwrap();
    let outbox = std::fs::read_dir(&description.outbox).unwrap().map(|entry| entry.unwrap().path());
    let codes = outbox.map(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().find_map(|line| line.strip_prefix("Code: ")).unwrap().to_owned()
    });
    let codes: Vec<String> = codes.collect();
    assert_eq!(codes.len(), 3);

    assert_eq!(up.interrupt(), 0, "Ctrl-C ends it in good order");
    let mut log = String::new();
    std::fs::File::open(folder.path().join("log")).unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("relay drained") && log.contains("ID prover drained"), "{log}");
    let secrets = ["4155550132", "bob@", "bob%40", "xn--bcher", "mimi://msp.example/u/bob", "127.0.0.1:"];
    for secret in secrets.iter().copied().chain(codes.iter().map(String::as_str)) {
        assert!(!log.contains(secret), "{secret} is in the log");
    }

    let gone = expect(lookup(&[NUMBER]), 2);
    assert!(gone.stderr.starts_with("discovery: network: "), "{gone:?}");
}

#[test]
fn what_was_published_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| run_in(folder.path(), args).status;
    let mut up = Up::start(folder.path());
    let stack = ["--stack", "stack/stack.json"];
    assert_eq!(run(&[&["enroll"], &stack[..], &["--code-from-outbox", NUMBER]].concat()), 0);
    assert_eq!(up.interrupt(), 0);
    let mut up = Up::start(folder.path());
    assert_eq!(run(&[&["lookup"], &stack[..], &[NUMBER]].concat()), 0);
    assert_eq!(run(&[&["withdraw"], &stack[..], &[NUMBER]].concat()), 0);
    assert_eq!(run(&[&["lookup"], &stack[..], &[NUMBER]].concat()), 1);
    assert_eq!(up.interrupt(), 0);
}

#[test]
fn usage_errors_and_missing_files_are_status_2() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["lookup", "--stack", "nowhere.json", NUMBER][..],
        &["lookup", "--stack", "nowhere.json"],
        &["verify", "nothing"],
        &["verify", "--trust", "nowhere.toml", "nothing"],
        &["withdraw", "--stack", "nowhere.json", NUMBER],
        &["demo", "--contacts", "nowhere.vcf"],
        &["inspect", "nothing"],
        &["doctor", "--stack", "nowhere.json"],
        &["no-such-command"],
    ] {
        let ran = run_in(folder.path(), args);
        assert_eq!(ran.status, 2, "{args:?}: {ran:?}");
        assert!(!ran.stderr.is_empty(), "{args:?} says nothing");
    }
}

#[test]
fn completions_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let ran = run_in(folder.path(), &["completions", shell]);
        assert!(ran.status == 0 && ran.stdout.contains("withdraw"), "{shell}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn enrolling_without_a_terminal_says_so() {
    let scene = Scene::start().await;
    let ran = scene.discovery(&["enroll", "--stack", "STACK", NUMBER]).await;
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("--code-from-outbox"), "{ran:?}");
}
