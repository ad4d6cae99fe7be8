//! Three real nodes of Apache Cassandra, each bucket on all of them, the real binary twice and the engine by itself over them, and what befalls
//! nodes and stores: a node is killed and started again; another stands still for longer than the others wait for it, and meanwhile
//! a store is killed, and started again; a node is parted from the two others, with a store that reaches this node alone.
//!
//! Through every store that is left, every acknowledged publication is found and every acknowledged removal holds; no lookup is answered
//! wrongly, few fail, and those say when to come back. The parted node's store answers nothing and acknowledges nothing.

#![allow(clippy::print_stdout, reason = "a test of faults tells what it counted")]

mod engine;
mod minority;
mod processes;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cassandra_fixture::{Cluster, Options, Place as Nodes, Tls};
use mapping_store::storage::ClusterConfig;
use service::ClientTlsConfig;
use tokio::sync::watch;

use crate::authority::Authority;
use crate::place::Place;
use engine::Engines;
use processes::Stores;

/// Acknowledged updates, of the engine and of the stores, between two events.
const STEP: u64 = 50;
/// For what must come.
const DEADLINE: Duration = Duration::from_secs(180);

/// The nodes, and what is needed to reach them.
pub(crate) struct Scene {
    nodes: Arc<Mutex<Cluster>>,
    pub(crate) contact_points: Vec<String>,
    /// The authorities of all nodes' certificates; that of the last node's alone.
    pub(crate) all: PathBuf,
    pub(crate) last: PathBuf,
}

impl Scene {
    /// Three nodes. The last has a certificate of another authority: who trusts that one alone reaches this node alone.
    async fn start(place: &Place) -> Self {
        let nodes = Nodes::free(3);
        let (first, last) = (Authority::new(), Authority::new());
        let write = |name: &str, text: String| {
            std::fs::write(place.path(name), text).unwrap();
            place.path(name)
        };
        let authorities = [&first, &first, &last];
        let identity = |(address, authority): (&std::net::Ipv4Addr, &Authority)| {
            let certified = authority.certify(&[&address.to_string()]);
            write(&format!("node-{address}.pem"), certified.key + &certified.certificate + &authority.pem())
        };
        let identities = nodes.addresses().iter().zip(authorities).map(identity).collect();
        let tls = Some(Tls { identities, client_ca: None });
        let options = Options { tls, links: true, ..Options::default() };
        let cluster = tokio::task::spawn_blocking(move || Cluster::start_at(&nodes, &options)).await.unwrap();
        Self {
            contact_points: cluster.contact_points(),
            nodes: Arc::new(Mutex::new(cluster)),
            all: write("all-nodes-ca.pem", first.pem() + &last.pem()),
            last: write("last-node-ca.pem", last.pem()),
        }
    }

    fn config(&self, keyspace: &str) -> ClusterConfig {
        let tls = ClientTlsConfig { ca: Some(self.all.clone()), certificate: None, key: None };
        ClusterConfig { tls: Some(tls), ..ClusterConfig::of(self.contact_points.clone(), keyspace) }
    }

    /// Does something that takes its time to the nodes, while everybody else goes on.
    pub(crate) async fn with_nodes(&self, act: impl FnOnce(&mut Cluster) + Send + 'static) {
        let nodes = Arc::clone(&self.nodes);
        tokio::task::spawn_blocking(move || act(&mut nodes.lock().unwrap())).await.unwrap();
    }
}

/// Waits until so many more are counted.
async fn more(counted: &watch::Sender<u64>, more: u64) {
    let mut seen = counted.subscribe();
    let wanted = *seen.borrow() + more;
    tokio::time::timeout(DEADLINE, seen.wait_for(|counted| *counted >= wanted)).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_survives_the_loss_of_nodes_and_stores() {
    if cassandra_fixture::is_skipped(
        "three nodes of Apache Cassandra, one killed, one paused, one parted; stores killed",
    ) {
        return;
    }
    let place = Place::at_present();
    let scene = Scene::start(&place).await;
    let engines = Engines::start(scene.config("engine")).await;
    let mut stores = Stores::start(&place, &scene).await;
    let progress = async |stores: &Stores, when: &str| {
        tokio::join!(engines.told.more(STEP), stores.told.more(STEP));
        engines.told.report(when);
        stores.told.report(when);
    };

    progress(&stores, "all there").await;
    scene.with_nodes(|cluster| cluster.nodes()[2].kill()).await;
    progress(&stores, "a node killed").await;
    scene.with_nodes(|cluster| cluster.nodes()[2].restart()).await;
    scene.with_nodes(|cluster| (0..2).for_each(|by| cluster.wait_until_seen(by, 2, true))).await;
    progress(&stores, "started again").await;
    scene.with_nodes(|cluster| cluster.nodes()[1].pause()).await;
    stores.kill(1);
    scene.with_nodes(|cluster| [0, 2].into_iter().for_each(|by| cluster.wait_until_seen(by, 1, false))).await;
    progress(&stores, "another paused, a store killed").await;
    scene.with_nodes(|cluster| cluster.nodes()[1].resume()).await;
    scene.with_nodes(|cluster| [0, 2].into_iter().for_each(|by| cluster.wait_until_seen(by, 1, true))).await;
    stores.start_again(1).await;
    progress(&stores, "resumed, the store started again").await;

    let minority = minority::Minority::part(&place, &scene, &stores).await;
    progress(&stores, "a node parted").await;
    minority.join(&scene, &stores).await;
    progress(&stores, "joined again").await;

    engines.stop_and_check().await;
    stores.stop_and_check(&scene).await;
}
