//! What the documents say can be typed, is typed: their blocks of shell, in an empty folder, as a new user would.
//!
//! A line is expected to succeed, unless its remark says `exits with N`.

use std::path::Path;
use std::process::{Command, Stdio};

/// The blocks of a language, in their order.
fn blocks(document: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = std::fs::read_to_string(path).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        match &mut open {
            None if line == "```sh" => open = Some(String::new()),
            None => {}
            Some(_) if line == "```" => blocks.extend(open.take()),
            Some(block) => *block += &format!("{line}\n"),
        }
    }
    assert!(open.is_none(), "{document} has a block without end");
    blocks
}

/// The script that runs a block: stops at the first surprise, waits for a stack that is started.
fn script(block: &str) -> String {
    let mut script = String::new();
    for line in block.lines() {
        let (typed, remark) = line.split_once(" # ").unwrap_or((line, ""));
        let typed = typed.trim_end();
        if let Some(background) = typed.strip_suffix('&') {
            script += &format!(
                "{background} > up.log & up=$!\ntrap 'kill $up; wait $up' EXIT\n\
                 until grep -q 'The stack is up' up.log; do kill -0 $up; sleep 0.05; done\n"
            );
        } else if let Some((_, status)) = remark.split_once("exits with ") {
            let status: i32 = status.trim().parse().unwrap();
            script += &format!("status=0; {typed} || status=$?; [ $status -eq {status} ]\n");
        } else {
            script += &format!("{typed}\n");
        }
    }
    script
}

/// Runs it in a folder that is the user's home, with the command in the path and where a build leaves it.
fn run(folder: &Path, script: &str) -> (bool, String) {
    let binary = Path::new(env!("CARGO_BIN_EXE_discovery"));
    std::fs::create_dir_all(folder.join("target/debug")).unwrap();
    std::os::unix::fs::symlink(binary, folder.join("target/debug/discovery")).unwrap();
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-x", "-e", "-u", "-o", "pipefail", "-c", &format!("exec 2>&1\n{script}")])
        .env_clear()
        .envs([("HOME", folder.to_str().unwrap()), ("PATH", &path), ("LC_ALL", "C.UTF-8")])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_first_lookup_of_the_readme() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = blocks("README.md");
    let first = blocks.iter().find(|block| block.contains("discovery up")).unwrap();
    // The text below it says so: nobody has enrolled Bob.
    let script = script(&format!("{} # exits with 1", first.trim_end()));
    let (succeeded, said) = run(folder.path(), &script);
    assert!(succeeded, "{said}");
    assert!(said.contains("+14155550132: one provider") && said.contains("bob@example.com: not found"), "{said}");
}

#[test]
fn the_page_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = blocks("docs/cli.md");
    let (succeeded, said) = run(folder.path(), &script(&blocks.concat()));
    assert!(succeeded, "{said}");
    for command in ["enroll", "publish", "sync", "watch", "audit", "keys", "config", "man", "withdraw"] {
        assert!(said.contains(&format!("+ discovery {command}")), "{command} was not run: {said}");
    }
    assert!(folder.path().join("man1/discovery-audit.1").exists());
}

#[test]
fn a_surprise_fails() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!run(folder.path(), &script("false\ntrue")).0);
    std::fs::remove_file(folder.path().join("target/debug/discovery")).unwrap();
    assert!(!run(folder.path(), &script("true # exits with 1")).0);
}
