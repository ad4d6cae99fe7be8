//! `discovery publish`, `sync` and `watch`, and the receipts that publications leave.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use discovery::enroll::now;

use crate::scene::Scene;
use crate::shell::{command, expect};

const NUMBER: &str = "+14155550132";
const ENROLL: [&str; 4] = ["enroll", "--code-from-outbox", "--receipts", "receipts"];
const PUBLISH: [&str; 3] = ["publish", "--receipts", "receipts"];

fn and<'a>(head: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [head, more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_said_stays_as_it_was() {
    let scene = Scene::start().await;
    let publish = |more: &[&str]| expect(&scene, 0, &and(&PUBLISH, &and(more, &[NUMBER])));
    let found = |status| expect(&scene, status, &["lookup", NUMBER]).stdout;

    let none = expect(&scene, 2, &["publish", NUMBER]);
    assert!(none.stderr.contains("there is no key"), "{none:?}");
    let psi = "mimi://msp.example/u/bob";
    expect(&scene, 0, &and(&ENROLL, &["--tag", "Business", "--psi", psi, NUMBER]));
    let other = expect(&scene, 2, &["publish", "+14155550199"]);
    assert!(other.stderr.contains("enroll first"), "{other:?}");

    publish(&[]);
    assert!(found(0).contains(&format!("as {psi} [Business]")), "renewed");
    publish(&["--tag", "Personal", "--no-psi"]);
    assert!(found(0).contains("mimi://msp.example [Personal]"));
    publish(&["--no-tags", "--psi", "mimi://msp.example/u/ann"]);
    assert!(found(0).contains("as mimi://msp.example/u/ann []"));

    // To nowhere and back: what stood in the other place is withdrawn, since the store keeps both apart.
    publish(&["--opt-out"]);
    assert!(found(1).contains("wishes to be found nowhere"));
    publish(&["--tag", "Business"]);
    assert!(found(1).contains("wishes to be found nowhere"), "that stays as well");
    publish(&["--opt-in"]);
    assert!(found(0).contains("one provider"));

    let stale = expect(&scene, 2, &and(&PUBLISH, &["--seq", "2", NUMBER]));
    assert!(stale.stderr.contains("mapping store: "), "{stale:?}");
    publish(&["--seq", "100"]);
    let json = expect(&scene, 0, &["lookup", "--json", NUMBER]).stdout;
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(line["mappings"][0]["seq"], 100);
    expect(&scene, 0, &["withdraw", "--receipts", "receipts", NUMBER]);
    assert!(found(1).contains("not found"));
    publish(&["--fresh"]);
    found(0);

    let receipts = discovery::receipts::read(&scene.file("receipts")).unwrap();
    assert_eq!(receipts.len(), 12, "one for each publication, two for each way to nowhere and back");
    let trust = discovery::enroll::read_trust(scene.description()).unwrap();
    let promises = discovery::audit::promises(&receipts, &trust);
    assert!(promises.iter().all(Result::is_ok), "each is signed, and for its document");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_is_kept_up_to_date() {
    let scene = Scene::start().await;
    expect(&scene, 0, &and(&ENROLL, &["--tag", "Business", NUMBER]));
    let csv = "Phone,Name,email,notes\n(415) 555-0132,\"Bob, of B.\",,x\n,Eve,eve@example.com,\n";
    std::fs::write(scene.file("book.csv"), csv).unwrap();
    let sync = |status, more: &[&str]| {
        expect(
            &scene,
            status,
            &and(&["sync", "--region", "US", "--cache", "kept", "--json"], &and(more, &["book.csv"])),
        )
    };
    let lines = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };

    let first = sync(0, &[]);
    let found = lines(&first.stdout);
    assert_eq!(
        (&found[0]["name"], &found[0]["change"], &found[0]["use"]["msp"]),
        (&"Bob, of B.".into(), &"new".into(), &"mimi://msp.example".into())
    );
    assert_eq!((&found[1]["outcome"], found[1].get("change")), (&"never-mapped".into(), None));
    assert!(first.stderr.contains("0 were known, 2 asked for: 1 new, 0 gone, 0 changed."), "{first:?}");
    assert_eq!(std::fs::metadata(scene.file("kept")).unwrap().permissions().mode() & 0o777, 0o600);

    let again = sync(0, &["--changed"]);
    assert!(again.stdout.is_empty() && again.stderr.contains("2 were known, 0 asked for"), "{again:?}");

    expect(&scene, 0, &["publish", "--tag", "Default", NUMBER]);
    let changed = lines(&sync(0, &["--changed", "--all"]).stdout);
    assert_eq!(
        (changed.len(), &changed[0]["change"], &changed[0]["use"]["because"]),
        (1, &"changed".into(), &"default".into())
    );
    expect(&scene, 0, &["withdraw", NUMBER]);
    let gone = lines(&sync(0, &["--changed", "--all"]).stdout);
    assert_eq!((gone.len(), &gone[0]["change"], &gone[0]["outcome"]), (1, &"gone".into(), &"never-mapped".into()));

    // What cannot be read is named, and is no reason to ask for nothing; what left the book is forgotten.
    std::fs::write(scene.file("book.csv"), "phone\n12\n+14155550132\n").unwrap();
    let unreadable = sync(1, &[]);
    assert!(lines(&unreadable.stdout)[0]["error"].as_str().unwrap().contains("number"), "{unreadable:?}");
    assert!(unreadable.stderr.contains("1 were known, 0 asked for"), "{unreadable:?}");
    let kept = std::fs::read(scene.file("kept")).unwrap();
    assert!(!kept.windows(15).any(|part| part == b"eve@example.com"));

    // Trouble: the message, and what is known all the same.
    std::fs::write(scene.file("kept"), b"no cache").unwrap();
    assert!(sync(2, &[]).stderr.contains("kept: this is no cache"));
    std::fs::remove_file(scene.file("kept")).unwrap();
    let trouble = ["sync", "--relay", "https://127.0.0.1:1/", "--cache", "kept", "book.csv"];
    let trouble = expect(&scene, 2, &trouble);
    assert!(trouble.stderr.contains("discovery: network: "), "{trouble:?}");
    std::fs::write(scene.file("book.csv"), "number\n12\n").unwrap();
    assert!(sync(2, &[]).stderr.contains("book.csv: the first line"));
}

/// Times of credentials are whole seconds: the one that displaces is later.
#[tokio::test(flavor = "multi_thread")]
async fn a_displaced_holder_asks_and_is_told() {
    let scene = Scene::start().await;
    let conflict = |status, key: &str| expect(&scene, status, &["conflict", "--json", "--key", key, NUMBER]).stdout;
    let none = expect(&scene, 2, &["conflict", NUMBER]);
    assert!(none.stderr.contains("there is no key"), "{none:?}");
    expect(&scene, 0, &and(&ENROLL, &["--key", "mine", NUMBER]));
    let nothing: serde_json::Value = serde_json::from_str(&conflict(0, "mine")).unwrap();
    assert_eq!(nothing, serde_json::json!({ "cpi": format!("tel:{NUMBER}"), "displaced_at": null }));

    let enrolled = now();
    while now() <= enrolled {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    expect(&scene, 0, &and(&ENROLL, &["--key", "theirs", "--fresh", NUMBER]));
    let ran = expect(&scene, 1, &["conflict", "--key", "mine", NUMBER]);
    assert!(ran.stdout.starts_with("tel:+14155550132: a mapping of this key was displaced at 20"), "{ran:?}");
    let told: serde_json::Value = serde_json::from_str(&conflict(1, "mine")).unwrap();
    assert!(told["displaced_at"].as_str().unwrap().ends_with('Z') && !told.to_string().contains("theirs"));
    conflict(0, "theirs");
}

/// Without `--cache` each book has a file in the user's cache folder.
#[tokio::test(flavor = "multi_thread")]
async fn a_cache_is_kept_where_caches_are() {
    let scene = Scene::start().await;
    let card = "BEGIN:VCARD\nVERSION:4.0\nFN:Bob\nTEL:+14155550132\nEND:VCARD\n";
    for book in ["one.vcf", "other.vcf"] {
        std::fs::write(scene.file(book), card).unwrap();
        expect(&scene, 0, &["sync", book]);
        assert!(expect(&scene, 0, &["sync", book]).stderr.contains("1 were known, 0 asked for"));
    }
    let files = std::fs::read_dir(scene.file(".cache/discovery")).unwrap().map(|entry| entry.unwrap());
    let modes: Vec<u32> = files.map(|file| file.metadata().unwrap().permissions().mode() & 0o777).collect();
    assert_eq!(modes, [0o600, 0o600]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_tells_changes_until_ctrl_c() {
    let scene = Scene::start().await;
    let mut watching = command(&scene.file(""))
        .args(["watch", "--every", "1s", NUMBER])
        .env("DISCOVERY_STACK", scene.stack.file())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut next = || tokio::task::block_in_place(|| lines.next().unwrap());
    assert!(next().ends_with("Z +14155550132: not found"));
    expect(&scene, 0, &and(&ENROLL, &["--tag", "Business", NUMBER]));
    assert!(next().contains("Z new: +14155550132: one provider"));
    assert!(next().contains("mimi://msp.example [Business]"));
    expect(&scene, 0, &["withdraw", NUMBER]);
    assert!(next().contains("Z gone: +14155550132: not found"));
    assert!(Command::new("kill").args(["-INT", &watching.id().to_string()]).status().unwrap().success());
    assert_eq!(watching.wait().unwrap().code(), Some(0));

    let ran = expect(&scene, 1, &["watch", "--every", "1s", "--count", "2", "--json", NUMBER, "bob@example.com"]);
    assert_eq!(ran.stdout.lines().count(), 2, "each once, since nothing changed: {ran:?}");
    let never = expect(&scene, 2, &["watch", "--relay", "https://127.0.0.1:1/", "--count", "1", NUMBER]);
    assert!(never.stderr.contains("network"), "{never:?}");
    assert!(expect(&scene, 2, &["watch", "--every", "10ms", NUMBER]).stderr.contains("a second at least"));
}
