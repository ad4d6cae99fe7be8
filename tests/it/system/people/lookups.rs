//! Looking people up, and holding what is found to what was acknowledged, to the document.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use client::lookup::Found;
use protocol::authenticated::VerifiedMapping;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use super::{Contacts, Expected, Hash, PAUSE, People, Person, hash};
use crate::system::parties::{PROVIDER, System};

/// Of those whose identifiers were taken back, so many are looked up between episodes; all of them at the end.
const GONE: usize = 192;

impl People {
    /// Asks for a few people at once, and holds the answer to what was acknowledged. It may be lost.
    pub(crate) async fn look_up_some(&self, rng: &mut StdRng) {
        let mut people = BTreeMap::new();
        for _ in 0..rng.random_range(1..9) {
            if let Some(person) = self.any(rng) {
                people.insert(person.cpi.clone(), person);
            }
        }
        if people.is_empty() {
            return tokio::time::sleep(PAUSE).await;
        }
        let people: Vec<_> = people.into_values().collect();
        let before: Vec<_> = people.iter().map(|person| person.expected()).collect();
        let cpis: Vec<_> = people.iter().map(|person| person.cpi.clone()).collect();
        let Ok(found) = self.contacts().asker.lookup(&cpis, |_| ()).await else {
            self.counts.unanswered.fetch_add(1, Relaxed);
            return tokio::time::sleep(PAUSE).await;
        };
        self.counts.lookups.fetch_add(1, Relaxed);
        for ((person, found), before) in people.iter().zip(&found).zip(before) {
            self.judge(person, found, &before);
        }
    }

    /// Everybody is looked up and held to what was acknowledged: nobody is being changed. Of those whose identifiers were taken
    /// back, some, unless it is the end.
    pub(crate) async fn look_everybody_up(&self, rng: &mut StdRng, is_end: bool) {
        let mut people: Vec<_> = self.people.read().unwrap().clone();
        people.shuffle(rng);
        let mut gone = 0;
        people.retain(|person| {
            gone += usize::from(person.removed.load(Relaxed));
            is_end || gone <= GONE || !person.removed.load(Relaxed)
        });
        for people in people.chunks(64) {
            let cpis: Vec<_> = people.iter().map(|person| person.cpi.clone()).collect();
            let ask = |contacts: Arc<Contacts>| {
                let cpis = cpis.clone();
                async move { contacts.asker.lookup(&cpis, |_| ()).await }
            };
            let found = self.insist("a lookup", ask).await;
            self.counts.lookups.fetch_add(1, Relaxed);
            for (person, found) in people.iter().zip(&found) {
                let expected = person.expected();
                assert!(expected.settled.is_some(), "somebody is still being changed");
                self.judge(person, found, &expected);
            }
        }
    }

    /// Nothing but what users have signed, and, if nothing was being changed meanwhile, exactly what is acknowledged.
    fn judge(&self, person: &Person, found: &Found, before: &Expected) {
        assert_eq!(found.cpi, person.cpi);
        assert!(found.agrees(), "the provider serves what does not count: {:?}", found.refused);
        let hashes: BTreeSet<Hash> = found.mappings.iter().map(VerifiedMapping::hash).collect();
        let signed = self.signed.lock().unwrap();
        assert!(hashes.iter().all(|hash| signed.contains(hash)), "a mapping was accepted that nobody has signed");
        drop(signed);
        self.counts.mappings.fetch_add(hashes.len() as u64, Relaxed);
        match &before.settled {
            Some(settled) if before.version == person.expected().version => {
                let acknowledged: BTreeSet<Hash> = settled.keys().copied().collect();
                assert_eq!(hashes, acknowledged, "what is found is not what was acknowledged");
                self.counts.exact.fetch_add(1, Relaxed);
            }
            _ => drop(self.counts.under_way.fetch_add(1, Relaxed)),
        }
    }

    /// The `discovery` command, as a user runs it, finds what was acknowledged of somebody.
    pub(crate) async fn look_up_by_command(&self, system: &System, rng: &mut StdRng) {
        let Some(person) = self.any(rng) else { return };
        let trust = system.path("trust.toml");
        std::fs::write(&trust, system.trust().to_toml()).unwrap();
        let saved = tempfile::tempdir().unwrap();
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_discovery"));
        let lookup = format!("https://{PROVIDER}/v1/lookup");
        command.args(["lookup", "--relay", &system.relay_url(), "--lookup", &lookup]);
        command.arg("--trust").arg(trust).arg("--ca").arg(system.authority.path());
        command.arg("--save").arg(saved.path()).arg(person.cpi.as_str()).env("HOME", saved.path());
        let output = command.output().await.unwrap();
        let expected = person.expected().settled.unwrap();
        let wanted = i32::from(expected.is_empty());
        assert_eq!(output.status.code(), Some(wanted), "{output:?}");
        let documents = files(saved.path()).into_iter().map(|path| hash(&std::fs::read(path).unwrap()));
        let documents: BTreeSet<Hash> = documents.collect();
        assert_eq!(documents, expected.keys().copied().collect(), "{output:?}");
        self.counts.commands.fetch_add(1, Relaxed);
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "mapping")).collect()
}
