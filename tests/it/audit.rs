//! `discovery audit`: a store that forgets is shown by its own receipts.

use std::path::Path;
use std::process::Command;

use discovery::stack::{EmailRoute, Options, Stack};

use crate::shell::{command, run};

const EARLY: &str = "+14155550132";
const LATE: &str = "bob@example.com";

async fn start(folder: &Path) -> Stack {
    let options = Options { folder: folder.join("stack"), base_port: None, email: EmailRoute::Outbox };
    Stack::start(&options).await.unwrap()
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn discovery(folder: &Path, status: i32, args: &[&str]) -> String {
    let ran: crate::scene::Ran = tokio::task::block_in_place(|| {
        command(folder).args(args).env("DISCOVERY_STACK", "stack/stack.json").output().unwrap().into()
    });
    assert_eq!(ran.status, status, "{args:?}: {ran:?}");
    ran.stdout
}

/// The database goes back to a copy that is older than a receipt; then something else takes its position.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_goes_back_is_shown() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let enroll = |cpi: &str| {
        discovery(folder, 0, &["enroll", "--code-from-outbox", "--receipts", "receipts", cpi]);
    };
    let audit =
        |status, more: &[&str]| discovery(folder, status, &[&["audit", "--receipts", "receipts"], more].concat());

    let stack = start(folder).await;
    enroll(EARLY);
    stack.stop().await.unwrap();
    copy(&folder.join("stack/store"), &folder.join("older"));
    let stack = start(folder).await;
    enroll(LATE);
    let well = audit(0, &[]);
    assert_eq!(
        well,
        "position\tidentifier\tseq\tlog\tlookup\n\
         0/1\ttel:+14155550132\t1\tstands there\tas promised\n\
         0/2\tmailto:bob@example.com\t1\tstands there\tas promised\n"
    );
    stack.stop().await.unwrap();

    std::fs::remove_dir_all(folder.join("stack/store")).unwrap();
    copy(&folder.join("older"), &folder.join("stack/store"));
    let stack = start(folder).await;
    let lost = audit(1, &[]);
    assert!(lost.contains("0/1\ttel:+14155550132\t1\tstands there\tas promised\n"), "{lost}");
    assert!(lost.contains("0/2\tmailto:bob@example.com\t1\tLOST: the log ends at 1\tLOST: not served\n"), "{lost}");
    assert!(lost.contains("The receipt proves the promise to anybody"), "{lost}");
    let json: serde_json::Value = serde_json::from_str(audit(1, &["--json"]).lines().nth(1).unwrap()).unwrap();
    assert_eq!((&json["lost"], json["proves"].as_array().unwrap().len()), (&true.into(), 2));

    // Anybody without the follower's certificate sees it by lookups, and is told what that leaves open.
    let unserved = audit(1, &["--no-feed"]);
    assert!(
        unserved.contains("not read\tLOST: not served") && unserved.contains("the change feed would tell"),
        "{unserved}"
    );

    // Another document in its place: the new receipt and the old one contradict each other.
    enroll("+14155550177");
    let other = audit(1, &[]);
    assert!(other.contains("LOST: another receipt has this position LOST: another document stands there"), "{other}");
    assert!(other.contains("prove to anybody, offline"), "{other}");
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_receipt_is_no_evidence() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let stack = start(folder).await;
    discovery(folder, 0, &["enroll", "--code-from-outbox", "--receipts", "receipts", EARLY]);
    let mut bytes = std::fs::read(folder.join("receipts")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(folder.join("receipts"), &bytes).unwrap();
    let none = discovery(folder, 0, &["audit", "--receipts", "receipts"]);
    assert!(none.contains("no evidence: the receipt is for another document"), "{none}");

    bytes.pop();
    std::fs::write(folder.join("receipts"), &bytes).unwrap();
    let cut = run(folder, &["audit", "--stack", "stack/stack.json", "--receipts", "receipts"]);
    assert!(cut.status == 2 && cut.stderr.contains("item 1 is no receipt"), "{cut:?}");
    let missing = run(folder, &["audit", "--stack", "stack/stack.json"]);
    assert!(missing.status == 2 && missing.stderr.contains("receipts is not set: give --receipts"), "{missing:?}");
    stack.stop().await.unwrap();
}
