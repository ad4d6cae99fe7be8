//! The page of `discovery up`: its server as any program may speak to it, what it records, and the whole walk in a browser.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use client::lookup::{Found, answer, padded_bytes, question};
use client::oblivious::{encapsulate, select};
use discovery::enroll::{now, read_trust};
use discovery::page::recordings::MAX_RECORDED;
use discovery::stack::{EmailRoute, Foundation, Options, Stack};
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use protocol::cpi::Cpi;
use protocol::key_configuration::{self, KeyConfiguration};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::between::exchange;
use crate::scene::{Scene, asker};

const NUMBER: &str = "tel:+14155550132";
const FILES: [&str; 11] = [
    "/",
    "/style.css",
    "/icon.svg",
    "/app.js",
    "/api.js",
    "/path.js",
    "/views.js",
    "/enroll.js",
    "/dom.js",
    "/page.js",
    "/page_bg.wasm",
];
const API: [(&str, &str); 8] = [
    ("GET", "/api/stack"),
    ("GET", "/api/keys"),
    ("POST", "/api/relay"),
    ("POST", "/api/enrollments"),
    ("POST", "/api/enrollments/00000000000000000000000000000000/proof"),
    ("POST", "/api/mappings"),
    ("GET", "/api/messages/00000000000000000000000000000000"),
    ("GET", "/api/recordings"),
];
const BROWSERS: [&str; 2] = ["chromium", "chromium-browser"];
const INSTALLING: Duration = Duration::from_secs(300);
const WALKING: Duration = Duration::from_secs(120);

/// A stack that serves its page.
struct Served {
    stack: Stack,
    address: SocketAddr,
    token: String,
    _folder: TempDir,
}

impl Served {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { folder: folder.path().join("stack"), base_port: None, email: EmailRoute::Outbox };
        let foundation = Foundation::lay(&options.folder).unwrap().with_page();
        let stack = Stack::start_on(foundation, &options).await.unwrap();
        let url = stack.description().page_url.clone().unwrap();
        let (address, token) = url.strip_prefix("http://").unwrap().split_once("/#").unwrap();
        Self { address: address.parse().unwrap(), token: token.to_owned(), stack, _folder: folder }
    }

    /// One request on a connection of its own, with these fields and no others.
    async fn send(&self, method: &str, path: &str, fields: &[(&str, &str)], body: Bytes) -> Response<Bytes> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).unwrap();
        exchange(TcpStream::connect(self.address).await.unwrap(), request).await
    }

    /// As the page itself asks.
    async fn ask(&self, method: &str, path: &str, media_type: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        let host = self.address.to_string();
        let fields = [("host", host.as_str()), ("x-page-token", &self.token), ("content-type", media_type)];
        self.send(method, path, &fields, body.into()).await
    }

    /// What the page's module does, by the same library: keys, capsule, answer.
    async fn look_up(&self, cpi: &str) -> Found {
        let description = self.stack.description();
        let trust = read_trust(description).unwrap();
        let keys = self.ask("GET", "/api/keys", "", "").await;
        assert_eq!(keys.headers()[header::CONTENT_TYPE], key_configuration::MEDIA_TYPE);
        let keys = KeyConfiguration::verify(keys.body(), &trust.provider.key_configuration_key, now()).unwrap();
        let cpis = [Cpi::parse(cpi).unwrap()];
        let request = question(&cpis, &description.lookup_url.parse().unwrap()).unwrap();
        let key = select(&keys.document().ohttp_keys).unwrap();
        let (capsule, opener) = encapsulate(&request, padded_bytes(1), &key).unwrap();
        let sealed = self.ask("POST", "/api/relay", "message/ohttp-req", capsule).await;
        assert_eq!(sealed.status(), StatusCode::OK);
        let response = opener.open(sealed.body()).unwrap();
        answer(&cpis, response.body(), &trust.provers, now()).unwrap().remove(0)
    }

    async fn recordings(&self) -> Value {
        let recorded = self.ask("GET", "/api/recordings", "", "").await;
        serde_json::from_slice(recorded.body()).unwrap()
    }
}

/// All octets of a recording, and its text.
fn everything(saw: &Value) -> (Vec<u8>, String) {
    let body = |side: &str| hex::decode(saw[side]["hex"].as_str().unwrap()).unwrap();
    ([body("request"), body("answer")].concat(), saw.to_string())
}

fn contains(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_the_page_is_there_and_tells_the_browser_to_be_strict() {
    let served = Served::start().await;
    let host = served.address.to_string();
    for path in FILES {
        let file = served.send("GET", path, &[("host", &host)], Bytes::new()).await;
        assert_eq!(file.status(), StatusCode::OK, "{path}");
        assert!(!file.body().is_empty(), "{path}");
        let field = |name: &str| file.headers()[name].to_str().unwrap().to_owned();
        let policy = field("content-security-policy");
        for directive in ["default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "frame-ancestors 'none'"] {
            assert!(policy.contains(directive), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe-inline") && !policy.contains("http"), "{policy}");
        assert_eq!((field("x-content-type-options"), field("cache-control")), ("nosniff".into(), "no-store".into()));
        assert!(file.headers().get(header::SET_COOKIE).is_none());
    }
    let wasm = served.send("GET", "/page_bg.wasm", &[("host", &host)], Bytes::new()).await;
    assert_eq!(
        (&wasm.headers()[header::CONTENT_TYPE], &wasm.body()[..2]),
        (&"application/wasm".parse().unwrap(), &[0x1f, 0x8b][..])
    );
    let missing = served.send("GET", "/../Cargo.toml", &[("host", &host)], Bytes::new()).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    // Nothing is drawn from elsewhere: whatever the files name is in the bundle.
    let html = String::from_utf8(served.send("GET", "/", &[("host", &host)], Bytes::new()).await.into_body().to_vec())
        .unwrap();
    for named in html.split("href=\"/").chain(html.split("src=\"/")).skip(1) {
        let path = format!("/{}", named.split('"').next().unwrap());
        assert!(named.starts_with('<') || FILES.contains(&path.as_str()), "{path}");
    }
    assert!(!html.contains("https://") && !html.contains("http://"), "the page names no host");
    served.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn other_pages_of_the_web_get_nothing() {
    let served = Served::start().await;
    let (host, token) = (served.address.to_string(), served.token.clone());
    let origin = format!("http://{host}");
    for (method, path) in API {
        for fields in [
            &[("host", host.as_str())][..],
            &[("host", &host), ("x-page-token", "0123456789abcdef0123456789abcdef")],
            &[("host", "rebound.example"), ("x-page-token", &token)],
            &[("x-page-token", &token)],
            &[("host", &host), ("x-page-token", &token), ("origin", "https://evil.example")],
            &[("host", &host), ("x-page-token", &token), ("origin", "null")],
        ] {
            let refused = served.send(method, path, fields, Bytes::new()).await;
            assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{method} {path} {fields:?}");
            assert!(refused.headers().contains_key("content-security-policy"));
        }
        let own = [("host", host.as_str()), ("x-page-token", &token), ("origin", &origin)];
        assert_ne!(served.send(method, path, &own, Bytes::new()).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let rebound = served.send("GET", "/", &[("host", "rebound.example")], Bytes::new()).await;
    assert_eq!(rebound.status(), StatusCode::FORBIDDEN);
    served.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_and_of_their_type() {
    let served = Served::start().await;
    let long = vec![0; 65_537];
    assert_eq!(
        served.ask("POST", "/api/relay", "message/ohttp-req", long).await.status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    for path in ["/api/relay", "/api/enrollments", "/api/mappings"] {
        let other = served.ask("POST", path, "text/plain", "x").await;
        assert_eq!(other.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path}");
    }
    // What a party refuses comes back as it said it.
    let refused = served.ask("POST", "/api/mappings", "application/mimi-authenticated-mapping+cbor", "x").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let problem: Value = serde_json::from_slice(refused.body()).unwrap();
    assert_eq!(problem["type"], "urn:mimi-discovery:error:malformed");
    for path in ["/api/messages/..%2F..%2Fstack.json", "/api/messages/ffffffffffffffffffffffffffffffff", "/api/nothing"]
    {
        assert_eq!(served.ask("GET", path, "", "").await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    served.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_sees_no_number_and_the_gateway_no_client() {
    let served = Served::start().await;
    assert_eq!(served.look_up(NUMBER).await.outcome, protocol::lookup::Outcome::NeverMapped);
    let recorded = served.recordings().await;
    let (relay, gateway) = (&recorded["relay"][0], &recorded["gateway"][0]);

    let (octets, text) = everything(relay);
    let digits = NUMBER.strip_prefix("tel:+").unwrap();
    let packed = hex::decode(format!("0{digits}")).unwrap();
    let reversed: Vec<u8> = digits.bytes().rev().collect();
    let number = digits.parse::<u64>().unwrap().to_be_bytes();
    let hash: [u8; 32] = Sha256::digest(NUMBER).into();
    for form in [digits.as_bytes(), hex::encode(digits).as_bytes(), &packed, &reversed, &number[3..], &hash] {
        assert!(!contains(&octets, form), "{form:?}");
    }
    for form in [digits, "415 555", "415-555", &hex::encode(digits), "provider.example"] {
        assert!(!text.contains(form), "{form}");
    }
    assert_eq!(relay["request"]["bytes"], 1_079);
    assert!(relay["request_head"].as_str().unwrap().starts_with("POST / HTTP/1.1\n"), "{relay}");
    assert!(relay["answer_head"].as_str().unwrap().starts_with("HTTP/1.1 200 OK\n"), "{relay}");

    let (octets, text) = everything(gateway);
    let client: SocketAddr = relay["client"].as_str().unwrap().parse().unwrap();
    assert!(contains(&octets, NUMBER.as_bytes()), "the gateway is asked for it");
    assert_eq!(gateway["relay"], "relay.example");
    assert!(gateway["request_head"].as_str().unwrap().starts_with("POST https://provider.example/v1/lookup\n"));
    for form in [client.to_string(), format!(":{}", client.port())] {
        assert!(!text.contains(&form) && !contains(&octets, form.as_bytes()), "{form}");
    }
    if client.ip() != served.address.ip() {
        assert!(!text.contains(&client.ip().to_string()), "{text}");
    }

    // Somebody else's lookup is recorded where it came out of a capsule, and not as this client's; old ones are forgotten.
    let other = asker(served.stack.description());
    for _ in 0..MAX_RECORDED + 2 {
        other.lookup(&[Cpi::parse("mailto:eve@example.com").unwrap()], |_| ()).await.unwrap();
    }
    let recorded = served.recordings().await;
    assert_eq!(recorded["relay"].as_array().unwrap().len(), 1);
    assert_eq!(recorded["gateway"].as_array().unwrap().len(), MAX_RECORDED);
    assert!(!recorded["gateway"].to_string().contains(&hex::encode(NUMBER)));
    served.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_without_a_page_names_none() {
    let scene = Scene::start().await;
    assert_eq!(scene.description().page_url, None);
    assert!(!std::fs::read_to_string(scene.stack.file()).unwrap().contains("page_url"));
}

/// The digest is that of `page/bundler`. It covers what `page/` holds; `page/README.md` says why not the crates below it.
#[test]
fn the_module_was_made_of_the_present_sources() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
    let files = |folder: &str| {
        let entries = std::fs::read_dir(page.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_file()).collect::<Vec<PathBuf>>()
    };
    let mut inputs = files("src");
    inputs.extend(["Cargo.toml", "Cargo.lock"].map(|name| page.join(name)));
    let line = |input: &PathBuf| {
        let path = input.strip_prefix(&page).unwrap().to_str().unwrap().to_owned();
        (path, hex::encode(Sha256::digest(std::fs::read(input).unwrap())))
    };
    let mut lines: Vec<(String, String)> = inputs.iter().map(line).collect();
    lines.sort();
    let text: String = lines.iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect();
    let recorded = std::fs::read_to_string(page.join("dist/inputs.sha256")).unwrap();
    assert_eq!(recorded.trim(), hex::encode(Sha256::digest(text)), "page/dist is of other sources: run `make page`");
}

/// The browser walks as a person would, with the module that is committed against the parties as they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_asks_enrolls_finds_and_withdraws() {
    let Some(browser) = browser() else { return };
    let served = Served::start().await;
    let script = walker().await;
    let url = served.stack.description().page_url.clone().unwrap();
    let mut walk = Command::new("node");
    walk.arg(script).arg(browser).arg(url);
    if let Some(screenshot) = std::env::var_os("PAGE_SCREENSHOT") {
        walk.arg(screenshot);
    }
    let seen: Value = serde_json::from_str(&run(&mut walk, WALKING).await).unwrap();
    let text = |step: &str, part: &str| seen[step][part].as_str().unwrap().to_owned();
    assert_eq!(seen["elsewhere"], serde_json::json!([]), "nothing is asked of another host");
    assert_eq!(seen["cookies"], 0);
    assert_eq!(seen["overflow"], 0, "nothing is cut off on a telephone");
    assert!(seen["invalid"].as_str().unwrap().contains("telephone number"), "{}", seen["invalid"]);
    // A wrong code is the one trouble that the browser notes: the prover's 403.
    let troubles = seen["troubles"].as_array().unwrap();
    assert!(troubles.len() == 1 && troubles[0].as_str().unwrap().contains("403"), "{troubles:?}");

    assert_eq!(text("before", "outcome"), "never-mapped");
    assert!(seen["message"].as_str().unwrap().contains("msp.example"), "{}", seen["message"]);
    assert!(seen["wrong"].as_str().unwrap().contains("Tries left"), "{}", seen["wrong"]);
    assert_eq!(seen["steps"], 4);
    assert_eq!(text("found", "outcome"), "one-mapping");
    assert!(text("found", "result").contains("mimi://msp.example/u/bob"), "{}", text("found", "result"));
    assert!(text("found", "verified").contains("prover.example is an ID Prover that you trust"));
    assert_eq!(text("after", "outcome"), "never-mapped");
    for step in ["before", "found", "after"] {
        assert_eq!(seen[step]["failed"], 0, "{step}: the page's own searches of the recordings");
        assert!(text(step, "relay").contains("127.0.0.") && text(step, "relay").contains("1,079 octets"), "{step}");
        assert!(!text(step, "relay").contains("4155550132"), "{step}");
        assert!(text(step, "gateway").contains(NUMBER), "{step}");
        assert!(text(step, "gateway").contains("its own address, 127.0.0."), "{step}");
    }
    for step in ["relayGone", "bothGone"] {
        assert_eq!(
            (text(step, "outcome").as_str(), &seen[step]["failed"]),
            ("never-mapped", &Value::from(0)),
            "{step}"
        );
        assert!(text(step, "relay").contains("The recording has gone"), "{step}");
    }
    assert!(text("relayGone", "gateway").contains(NUMBER));
    assert!(!text("relayGone", "gateway").contains("its own address"), "it is not known");
    assert!(text("bothGone", "gateway").contains("The recording has gone"));
    served.stack.stop().await.unwrap();
}

/// Chromium, if it and Node.js are there; says so if not.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let find = |name: &str| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    let browser = BROWSERS.iter().find_map(|name| find(name));
    let missing = [("chromium", browser.is_none()), ("node", find("node").is_none()), ("npm", find("npm").is_none())];
    let missing: Vec<&str> = missing.into_iter().filter(|(_, missing)| *missing).map(|(name, _)| name).collect();
    if !missing.is_empty() {
        discovery::output::note(format_args!("SKIPPED: the walk in a browser, for want of {}", missing.join(", ")));
        return None;
    }
    browser
}

/// The script beside its package, which is pinned by hash and installed into the target folder on first use.
async fn walker() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("page/tests");
    let digest = hex::encode(&Sha256::digest(std::fs::read(source.join("package-lock.json")).unwrap())[..8]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{digest}"));
    let done = folder.join("installed");
    std::fs::create_dir_all(&folder).unwrap();
    if !done.exists() {
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(source.join(file), folder.join(file)).unwrap();
        }
        let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        run(Command::new("npm").args(arguments).current_dir(&folder), INSTALLING).await;
        std::fs::write(done, "").unwrap();
    }
    let script = folder.join("walk.mjs");
    std::fs::copy(source.join("walk.mjs"), &script).unwrap();
    script
}

async fn run(command: &mut Command, limit: Duration) -> String {
    let shown = format!("{:?}", command.as_std());
    let output = tokio::time::timeout(limit, command.stdin(Stdio::null()).kill_on_drop(true).output())
        .await
        .unwrap_or_else(|_| panic!("{shown} does not end"))
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
