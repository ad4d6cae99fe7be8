//! The binary itself: checking, the audit trail, keys, and taking up a configuration at SIGHUP.

use std::io::{BufRead as _, BufReader, Lines};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use client::msp::ProverConnection;
use protocol::SigningKey;
use protocol::problem::ProblemType;

use crate::server::{Place, Server};
use crate::user::{PHONE, another, challenged, enrolled, offer, problem_type, request_now};

const PROGRAM: &str = env!("CARGO_BIN_EXE_id-prover");

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The configuration as a file, with further tables if wished.
pub(crate) fn write_config(place: &Place, port: u16, tables: &str) -> PathBuf {
    let (path, folder) = (place.path("id-prover.toml"), place.folder.path().display());
    let text = format!(
        "name = 'prover.example'\n\
         state_folder = '{folder}/state'\n\
         cache_bytes = 1048576\n\
         [listener]\n\
         address = '127.0.0.1:{port}'\n\
         [listener.tls]\n\
         certificate = '{folder}/server.pem'\n\
         key = '{folder}/server.key'\n\
         client_ca = '{folder}/client-ca.pem'\n\
         client_certificates = 'required'\n\
         [courier]\n\
         sms = {{ kind = 'file', outbox = '{folder}/outbox' }}\n\
         {tables}"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// What `id-prover audit` counts of one event.
pub(crate) fn audit_counts(config: &Path, event: &str) -> usize {
    let all = said(&run(&["audit", "--config", config.to_str().unwrap()]));
    let line = all.lines().find_map(|line| line.strip_suffix(&format!(" {event}")));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

/// The binary, serving.
pub(crate) struct Running {
    process: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Running {
    pub(crate) fn start(config: &Path) -> Self {
        let mut process = Command::new(PROGRAM)
            .arg("--config")
            .arg(config)
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut running = Self { process, log };
        running.wait_for("ID prover serving");
        running
    }

    /// Reads the log until a line has this.
    fn wait_for(&mut self, text: &str) {
        let found = self.log.by_ref().map(Result::unwrap).any(|line| line.contains(text));
        assert!(found, "{text:?} was not logged");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn the_audit_trail_is_verified_and_searched() {
    let place = Place::new();
    let config = write_config(&place, 0, "");
    let config = config.to_str().unwrap();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    let enrolled = enrolled(&place, &msp, PHONE).await;
    let open = challenged(&place, &msp, PHONE).await;
    let code = place.code();
    assert!(offer(&msp, &open, &another(&code)).await.is_err());

    // Beside the running prover.
    let all = said(&run(&["audit", "--config", config]));
    for line in ["holds: 8 entries", "2 requested", "2 delivered", "2 tried", "1 proven", "1 wrong-code"] {
        assert!(all.contains(line), "{line} is not in {all}");
    }
    let credential = hex::encode(enrolled.credential().document().id);
    let found = said(&run(&["audit", "--config", config, "--id", &credential]));
    let lines: Vec<_> = found.lines().take(4).collect();
    for (line, event) in lines.iter().zip(["requested", "delivered", "tried", "proven"]) {
        assert!(line.contains(&format!("Z {event} enrollment=")), "{found}");
    }
    assert!(lines[0].contains(&format!("cpi={PHONE} msp=mimi://a.example user-key=")), "{found}");
    assert!(lines[3].contains(&format!("credential-id={credential}")), "{found}");
    let found = said(&run(&["audit", "--config", config, "--id", &open.id().to_string()]));
    assert!(found.contains("wrong-code") && found.contains("tries-left=4") && !found.contains(" proven enrollment"));
    assert!(!found.contains(&code));

    for id in ["00000000000000000000000000000000", "7", "not hexadecimal"] {
        assert_eq!(run(&["audit", "--config", config, "--id", id]).status.code(), Some(1), "{id}");
    }
    server.stop().await;
    assert!(said(&run(&["audit", "--config", config])).contains("holds: 8 entries"));
}

#[tokio::test]
async fn a_changed_audit_trail_is_noticed_by_the_command() {
    let place = Place::new();
    let config = write_config(&place, 0, "");
    let server = Server::start_simply(&place).await;
    enrolled(&place, &server.msp(&place), PHONE).await;
    server.stop().await;
    let mut options = rocksdb::Options::default();
    options.set_max_open_files(64);
    let database = place.path("state/database");
    let families = rocksdb::DB::list_cf(&options, &database).unwrap();
    let db = rocksdb::DB::open_cf(&options, &database, families).unwrap();
    db.delete_cf(db.cf_handle("audit").unwrap(), 2_u64.to_be_bytes()).unwrap();
    drop(db);
    let output = run(&["audit", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("entry 2 is not where it should be"), "{output:?}");
}

#[test]
fn the_command_line_keeps_its_form() {
    let place = Place::new();
    let config = write_config(&place, 0, "");
    let config = config.to_str().unwrap();
    assert_eq!(run(&["--config", config, "--check"]).status.code(), Some(0));
    assert_eq!(run(&["--check"]).status.code(), Some(2));
    assert_eq!(run(&[]).status.code(), Some(2));
    assert_eq!(run(&["audit"]).status.code(), Some(2));
    assert_eq!(run(&["audit", "--config", "/none"]).status.code(), Some(2));
    std::fs::write(config, "nonsense").unwrap();
    assert_eq!(run(&["--config", config, "--check"]).status.code(), Some(2));
}

#[test]
fn keys_are_shown_and_changed() {
    let place = Place::new();
    let config = write_config(&place, 0, "");
    let keys = |step: &str| run(&["keys", step, "--config", config.to_str().unwrap()]);
    let first = said(&keys("list"));
    assert!(first.starts_with("current ") && first.lines().count() == 1);
    assert_eq!(keys("activate").status.code(), Some(1));
    let prepared = said(&keys("prepare"));
    let next = prepared.lines().nth(1).unwrap().strip_prefix("next ").unwrap().to_owned();
    let activated = said(&keys("activate"));
    assert_eq!(activated.lines().next(), Some(format!("current {next}").as_str()));
    assert!(activated.lines().nth(1).unwrap().starts_with(&first.trim_end().replace("current", "retired")));
    assert_eq!(said(&keys("renew-hpke")), activated);
    assert_eq!(said(&keys("forget")), activated);
}

#[tokio::test]
async fn sighup_takes_up_msps_and_keys() {
    let place = Place::new();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let config = write_config(&place, port, "[msps]\nadmitted = ['b.example']");
    let mut running = Running::start(&config);
    let msp = ProverConnection::new(place.http(Some("a.example")), &format!("https://127.0.0.1:{port}"));
    let key = SigningKey::generate(&mut rand::rng());
    assert_eq!(problem_type(msp.request(request_now(PHONE, &key).bytes()).await), ProblemType::NotThisMsp);
    // What cannot be used leaves the former in force.
    std::fs::write(&config, "nonsense").unwrap();
    running.signal("HUP");
    running.wait_for("the former stays in force");
    write_config(&place, port, "[msps]\nadmitted = ['a.example']");
    said(&run(&["keys", "prepare", "--config", config.to_str().unwrap()]));
    running.signal("HUP");
    running.wait_for("taken up anew");
    assert!(msp.request(request_now(PHONE, &key).bytes()).await.is_ok());
    let uri = format!("https://127.0.0.1:{port}/.well-known/id-prover").parse().unwrap();
    let description = place.http(Some("a.example")).get(&uri, "application/json").await.unwrap();
    let description: serde_json::Value = serde_json::from_slice(description.body()).unwrap();
    assert_eq!(description["signing_keys"][1]["state"], "next");
    running.signal("TERM");
    running.wait_for("ID prover drained");
    assert!(running.process.wait().unwrap().success());
}
