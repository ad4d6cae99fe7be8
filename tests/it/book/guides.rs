//! The code of the guides (`docs/integrate-msp.md`, `docs/integrate-handset.md`), compiled and run against a stack. The pages
//! quote it; `the_guides_quote_code_that_runs` holds them to it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the guides show what they do")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, SystemTime};

use client::cache::{Cache, Freshness};
use client::choice::{Choice, Reason, choose};
use client::enrollment::{Challenged, Enrolled, Requested, Wish};
use client::http::{Bounds, HttpClient, TlsIdentity};
use client::lookup::{Client, Found};
use client::msp::{ProverConnection, StoreConnection};
use client::relays::Relay;
use client::retry::Retry;
use client::trust::Trust;
use client::verify::{Report, verify};
use futures_util::StreamExt as _;
use protocol::SigningKey;
use protocol::cpi::{Cpi, Region};
use protocol::enrollment::Code;
use protocol::lookup::Outcome;
use protocol::mapping::{Reachability, State, Tags};
use protocol::mimi_uri::Msp;

/// The MSP's connections: its certificate names its domain.
fn connect(
    (prover_url, store_url): (&str, &str),
    (certificate, key): (Vec<u8>, Vec<u8>),
    ca_pem: Vec<u8>,
    trust: &Trust,
) -> Result<(ProverConnection, StoreConnection), client::Error> {
    let identity = TlsIdentity { ca_pem, client: Some((certificate, key)) };
    let http = HttpClient::new(&identity, Bounds::default())?;
    let prover = ProverConnection::new(http.clone(), prover_url);
    Ok((prover, StoreConnection::new(http, store_url, trust.provider.receipt_key)))
}

/// On the user's device: a signed request, and later the sealed code.
fn request(number: &str, msp: &Msp, prover: &str, key: &SigningKey) -> Result<Requested, Box<dyn Error>> {
    let cpi = Cpi::from_user_input(number, Some(Region::parse("US")?))?;
    Ok(Requested::begin(cpi, msp.clone(), prover, key, SystemTime::now().into(), &mut rand::rng()))
}

/// On the user's device: is it the prover's challenge, for this very request?
fn take_challenge(requested: Requested, challenge: &[u8], trust: &Trust) -> Result<Challenged, client::Error> {
    requested.challenged(challenge, &trust.provers, SystemTime::now().into())
}

/// On the user's device: the code that came by SMS or mail, sealed for the prover alone.
fn seal(challenged: &Challenged, typed: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(challenged.prove(&Code::parse(typed)?, &mut rand::rng())?)
}

/// On the user's device: where the user wishes to be found, signed; the MSP publishes these bytes.
fn sign_mapping(enrolled: &Enrolled, msp: &Msp, key: &SigningKey) -> Result<Vec<u8>, Box<dyn Error>> {
    let wish = Wish {
        reachability: Reachability::At { msp: msp.clone(), psi: None },
        tags: Tags::new(["Default"])?,
        seq: 1,
        fresh: false,
        state: State::Live,
        lifetime: Duration::from_secs(45 * 24 * 3600),
    };
    Ok(enrolled.map(wish, key, SystemTime::now().into())?)
}

/// Both sides: what the device makes, the MSP carries.
async fn enroll(
    number: &str,
    (prover, store): &(ProverConnection, StoreConnection),
    (msp, prover_name, trust): (&Msp, &str, &Trust),
    key: &SigningKey,
    code: impl AsyncFnOnce(&Challenged) -> String,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let requested = request(number, msp, prover_name, key)?;
    let challenge = prover.request(requested.bytes()).await?;
    let challenged = take_challenge(requested, &challenge, trust)?;
    let proof = seal(&challenged, &code(&challenged).await)?;
    let credential = prover.proof(challenged.id(), &proof).await?;
    let enrolled = challenged.credential(&credential, &trust.provers)?;
    let mapping = sign_mapping(&enrolled, msp, key)?;
    let receipt = store.publish(&mapping).await?;
    let position = receipt.document().position;
    println!("published at position {}/{}", position.shard, position.number);
    Ok(mapping)
}

/// Set up once; clones share connections, keys and pace.
fn asker(relays: [Relay; 2], lookup_url: &str, trust: Trust, ca_pem: Vec<u8>) -> Result<Client, Box<dyn Error>> {
    let [first, second] = relays;
    Ok(Client::builder(first.capsules, first.keys, lookup_url.parse()?, trust, ca_pem)
        .relay(second)
        .retry(Retry::default())
        .pace(Duration::from_millis(100))
        .build()?)
}

/// A contact book at once: answers come as they are verified, in no order that tells anything.
async fn look_up(client: &Client, book: &[Cpi]) -> Vec<Found> {
    let (mut lookups, mut all) = (client.lookups(book), Vec::new());
    while let Some(answer) = lookups.next().await {
        match answer {
            Ok(found) => all.push(found),
            Err(unanswered) => eprintln!("{} without answer: {}", unanswered.cpis.len(), unanswered.error),
        }
        eprintln!("{} of {}", lookups.progress().answered, lookups.progress().total);
    }
    all
}

/// What to do with an answer: the context decides, then `Default`; between holders the user.
fn decide(found: &Found, context: &str, cache: &mut Cache) -> Option<Msp> {
    if found.outcome == Outcome::SeveralHolders {
        eprintln!("{} keys claim it: ask the user, and remember the answer", found.mappings.len());
    }
    let tie = rand::random_range(0..usize::MAX);
    let chosen = choose(found, Some(context), cache.choice(&found.cpi, Some(context)), tie)?;
    let choice = Choice::of(chosen.mapping)?;
    if chosen.reason == Reason::Tie {
        cache.remember(&found.cpi, Some(context), choice.clone());
    }
    Some(choice.msp)
}

/// A book kept up to date: asks for what is new, has expired or is about to.
async fn keep_up(client: &Client, book: &[Cpi], file: &Path) -> Result<usize, Box<dyn Error>> {
    let mut cache = Cache::load(file, Freshness::default())?;
    let synced = client.sync(book, &mut cache, |_| ()).await;
    cache.retain(book);
    cache.save(file)?;
    match synced.interrupted {
        Some(error) => Err(error.into()),
        None => Ok(synced.changed.len()),
    }
}

/// One document, offline: from a file, a message, another provider.
fn check(document: &[u8], trust: &Trust) -> Result<String, Box<dyn Error>> {
    let verified = verify(document, &trust.provers, SystemTime::now().into())?;
    Ok(Report(&verified).to_string())
}

mod run {
    use discovery::enroll::read_trust;

    use super::*;
    use crate::scene::Scene;

    /// The code of the only message in the stack's outbox.
    fn code_in(outbox: &Path) -> String {
        let message = std::fs::read_dir(outbox).unwrap().next().unwrap().unwrap().path();
        let text = std::fs::read_to_string(message).unwrap();
        text.lines().find_map(|line| line.strip_prefix("Code: ")).unwrap().to_owned()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_guides_enroll_publish_and_find() {
        let scene = Scene::start().await;
        let stack = scene.description();
        let (trust, read) = (read_trust(stack).unwrap(), |path: &Path| std::fs::read(path).unwrap());
        let msp = Msp::parse(&stack.msp).unwrap();
        let ca = read(&stack.ca_cert);
        let identity = (read(&stack.msp_cert), read(&stack.msp_key));
        let desk = connect((&stack.prover_url, &stack.store_url), identity, ca.clone(), &trust).unwrap();
        let key = crate::scene::key();
        let code = async |_: &Challenged| code_in(&stack.outbox);
        let published = enroll("(415) 555-0132", &desk, (&msp, &stack.prover, &trust), &key, code).await.unwrap();

        let relay = || Relay { capsules: stack.relay_url.parse().unwrap(), keys: stack.keys_url.parse().unwrap() };
        let client = asker([relay(), relay()], &stack.lookup_url, trust.clone(), ca).unwrap();
        let book = [Cpi::parse("tel:+14155550132").unwrap(), Cpi::parse("mailto:bob@example.com").unwrap()];
        let found = look_up(&client, &book).await;
        assert_eq!(found.len(), 2);
        let alice = found.iter().find(|found| found.cpi == book[0]).unwrap();
        let mut cache = Cache::new(Freshness::default());
        assert_eq!(decide(alice, "Business", &mut cache), Some(msp));
        assert_eq!(keep_up(&client, &book, &scene.file("book.cache")).await.unwrap(), 1);
        assert_eq!(keep_up(&client, &book, &scene.file("book.cache")).await.unwrap(), 0);
        assert!(check(&published, &trust).unwrap().contains("provider     mimi://msp.example"));
    }
}
