//! Clients that share no code with ours, in JavaScript and in Python (`tests/interop`), through the production relay and
//! the production gateway. Each runs as a process, fetches the keys by URL, seals by itself, and says what came back.
//!
//! Their packages are pinned with hashes and installed into the target folder on first use; `node`, `npm` and `python3`
//! must be there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway::config::KemName;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use crate::front::Front;
use crate::scene::{PATH, Scene};

const INTEROP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");
const INSTALLING: Duration = Duration::from_secs(300);
const RUNNING: Duration = Duration::from_secs(60);

const X25519: u16 = 0x0020;
const X_WING: u16 = 0x647a;
const AEADS: [u16; 2] = [0x0001, 0x0003];
const OHTTP_KEY: &str = "https://iana.org/assignments/http-problem-types#ohttp-key";

/// A client, installed: the program and its first argument.
struct Interpreted {
    program: PathBuf,
    script: PathBuf,
}

impl Interpreted {
    async fn node() -> Self {
        let folder = installed("node", &["package.json", "package-lock.json"], async |folder| {
            let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
            run(Command::new("npm").args(arguments).current_dir(folder), INSTALLING).await;
        })
        .await;
        // Modules are looked up beside the script.
        let script = folder.join("client.mjs");
        std::fs::copy(Path::new(INTEROP).join("node/client.mjs"), &script).unwrap();
        Self { program: "node".into(), script }
    }

    async fn python() -> Self {
        let folder = installed("python", &["requirements.txt"], async |folder| {
            run(Command::new("python3").args(["-m", "venv", "venv"]).current_dir(folder), INSTALLING).await;
            let arguments = ["install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"];
            let hashed = ["--require-hashes", "--requirement", "requirements.txt"];
            let mut pip = Command::new(folder.join("venv/bin/pip"));
            run(pip.args(arguments).args(hashed).current_dir(folder), INSTALLING).await;
        })
        .await;
        Self { program: folder.join("venv/bin/python"), script: Path::new(INTEROP).join("python/client.py") }
    }

    /// Runs it; what it prints is JSON.
    async fn run(&self, command: &str, argument: &str) -> Value {
        let mut process = Command::new(&self.program);
        let printed = run(process.arg(&self.script).args([command, argument]), RUNNING).await;
        serde_json::from_str(&printed).unwrap()
    }
}

/// The folder where a client's packages are, by what its lock file says.
async fn installed(kind: &str, files: &[&str], install: impl AsyncFnOnce(&Path)) -> PathBuf {
    let source = Path::new(INTEROP).join(kind);
    let lock = std::fs::read(source.join(files.last().unwrap())).unwrap();
    let digest = hex::encode(&Sha256::digest(lock)[..8]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("interop-{kind}-{digest}"));
    let done = folder.join("installed");
    if !done.exists() {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for file in files {
            std::fs::copy(source.join(file), folder.join(file)).unwrap();
        }
        install(&folder).await;
        std::fs::write(done, "").unwrap();
    }
    folder
}

async fn run(command: &mut Command, limit: Duration) -> String {
    let shown = format!("{:?}", command.as_std());
    let output = tokio::time::timeout(limit, command.kill_on_drop(true).output())
        .await
        .unwrap_or_else(|_| panic!("{shown} does not end"))
        .unwrap_or_else(|error| panic!("{shown} cannot be run, is it installed? {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// A gateway that offers these KEMs in this order, behind a relay.
async fn pair(kems: [KemName; 2]) -> (Scene, Front) {
    let scene = Scene::with(|config, _| config.keys.kems = kems.into()).await;
    scene.target.answers(|request| {
        Ok(http::Response::builder().status(201).header("x-target", "1").body(request.body().clone()).unwrap())
    });
    let front = Front::start(&scene.authority, scene.url(PATH)).await;
    (scene, front)
}

/// Both orders of the key list, both AEADs, each of the KEMs that this client knows, and a key identifier that is unknown.
async fn interoperates(client: &Interpreted, known: &[u16]) {
    for (kems, listed) in
        [([KemName::X25519, KemName::XWing], [X25519, X_WING]), ([KemName::XWing, KemName::X25519], [X_WING, X25519])]
    {
        let (scene, front) = pair(kems).await;
        let ask = async |kem: u16, aead: u16, right_key: bool| {
            let asked = json!({
                "keys": front.keys_url(), "resource": front.resource_url(), "ca": scene.authority.file(),
                "kem": kem, "aead": aead, "right_key": right_key,
                "authority": "store.example", "path": "/v1/lookup", "content": format!("asked with {kem} {aead}"),
            });
            let answer = client.run("ask", &asked.to_string()).await;
            assert_eq!(answer["kems"], json!(listed));
            answer
        };
        for kem in known {
            for aead in AEADS {
                let answer = ask(*kem, aead, true).await;
                assert_eq!((&answer["status"], &answer["media_type"]), (&json!(200), &json!("message/ohttp-res")));
                let inside = &answer["inside"];
                assert_eq!((&inside["status"], &inside["fields"]["x-target"]), (&json!(201), &json!("1")));
                assert_eq!(inside["content"], format!("asked with {kem} {aead}"));
            }
        }
        let before = scene.target.asked().len();
        assert_eq!(before, known.len() * AEADS.len());
        let refused = ask(X25519, AEADS[0], false).await;
        assert_eq!((&refused["status"], &refused["problem"]["type"]), (&json!(422), &json!(OHTTP_KEY)));
        assert_eq!(refused["media_type"], "application/problem+json");
        assert_eq!(scene.target.asked().len(), before);
        front.stop().await;
    }
}

async fn reproduces_the_rfc(client: &Interpreted) {
    let printed = client.run("vectors", &format!("{INTEROP}/appendix_a.json")).await;
    assert_eq!(printed, json!({ "vectors": "reproduced" }));
}

#[tokio::test]
async fn a_client_in_javascript() {
    let client = Interpreted::node().await;
    reproduces_the_rfc(&client).await;
    interoperates(&client, &[X25519, X_WING]).await;
}

#[tokio::test]
async fn a_client_in_python() {
    let client = Interpreted::python().await;
    reproduces_the_rfc(&client).await;
    interoperates(&client, &[X25519]).await;
}
