//! Real Apache Cassandra nodes on loopback addresses, for tests: [`Cluster`]. Linux alone: all of 127.0.0.0/8 is one's own there.
//!
//! Cassandra's jars come from Maven Central, once, into `$HOME/.cache/mimi-discovery/cassandra/`. Each node is a process of its own
//! with a heap of 512 MiB and Cassandra's defaults but for what makes it start sooner. All have one port, on addresses of their own.
//! Nodes end with the [`Cluster`], and with the process that started them however that ends.
//!
//! Everything here panics with what is wrong: it is for tests.

#![deny(missing_docs)]

mod jars;
mod links;
mod node;
mod settings;

use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};

use links::Links;

pub use node::Node;
pub use settings::{Options, Tls};

/// How long a node may take to serve clients, or to see another come or go.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(240);

/// Nodes that are one cluster, each with a third, or whatever its share is, of all tokens.
pub struct Cluster {
    nodes: Vec<Node>,
    port: u16,
    links: Option<Links>,
    // Dropped after the nodes.
    _folder: tempfile::TempDir,
}

/// Whether `what` has to be left out, because no node can be started here: without Java 17, or Maven. Says so where test runners do
/// not hide it.
#[must_use]
pub fn is_skipped(what: &str) -> bool {
    let Some(missing) = jars::missing() else { return false };
    // If nobody can be told, it is left out all the same.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}, for want of {missing}");
    true
}

impl Cluster {
    /// Starts that many nodes and waits until all serve clients and see each other.
    ///
    /// # Panics
    ///
    /// If they do not, with the last lines of their logs.
    #[must_use]
    pub fn start(nodes: usize) -> Self {
        Self::start_at(&Place::free(nodes), &Options::default())
    }

    /// As [`Cluster::start`], at a place, with settings.
    ///
    /// # Panics
    ///
    /// As [`Cluster::start`].
    #[must_use]
    pub fn start_at(place: &Place, options: &Options) -> Self {
        let jars = jars::folder();
        let folder = tempfile::Builder::new().prefix("cassandra-").tempdir().expect("a temporary folder can be made");
        let links = options.links.then(|| Links::start(place));
        let settings = |index| settings::Settings {
            folder: folder.path().join(format!("node{}", index + 1)),
            place: place.clone(),
            index,
            options: options.clone(),
        };
        let mut nodes: Vec<_> = (0..place.addresses.len()).map(|index| Node::start(&jars, settings(index))).collect();
        nodes.iter_mut().for_each(Node::wait_until_it_serves);
        for node in &nodes {
            for other in nodes.iter().filter(|other| other.address() != node.address()) {
                node.wait_until_it_sees(other, true);
            }
        }
        Self { nodes, port: place.port, links, _folder: folder }
    }

    /// Where each node serves clients.
    #[must_use]
    pub fn contact_points(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("{}:{}", node.address(), self.port)).collect()
    }

    /// The nodes.
    pub fn nodes(&mut self) -> &mut [Node] {
        &mut self.nodes
    }

    /// Lets nothing pass between one node and all others; clients reach it as before. Needs [`Options::links`].
    ///
    /// # Panics
    ///
    /// Without them.
    pub fn part(&self, node: usize) {
        self.links().part(Some(self.nodes[node].known_as()));
    }

    /// Lets everything pass again.
    ///
    /// # Panics
    ///
    /// As [`Cluster::part`].
    pub fn join(&self) {
        self.links().part(None);
    }

    fn links(&self) -> &Links {
        self.links.as_ref().expect("a cluster whose nodes are to be parted is started with links")
    }

    /// Waits until `by` takes `node` for alive, or for dead.
    ///
    /// # Panics
    ///
    /// If that does not come.
    pub fn wait_until_seen(&self, by: usize, node: usize, alive: bool) {
        self.nodes[by].wait_until_it_sees(&self.nodes[node], alive);
    }
}

/// Where nodes can be.
#[derive(Clone, Debug)]
pub struct Place {
    addresses: Vec<Ipv4Addr>,
    /// By which nodes know each other, where there are links between them.
    known_as: Vec<Ipv4Addr>,
    port: u16,
    storage_port: u16,
}

impl Place {
    /// Addresses of a network of 127.0.0.0/8 that nobody else uses, and two ports that are free on all of them.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn free(nodes: usize) -> Self {
        let last = |index: usize| u8::try_from(index + 1).expect("a cluster has a few nodes");
        for _ in 0..1000 {
            let [a, b, ..] = RandomState::new().hash_one(nodes).to_be_bytes();
            let from = |first: u8| (0..nodes).map(move |index| Ipv4Addr::new(127, a.max(1), b, first + last(index)));
            let (addresses, known_as): (Vec<_>, Vec<_>) = (from(0).collect(), from(100).collect());
            if let Some((port, storage_port)) = free_ports(&[&addresses[..], &known_as[..]].concat()) {
                return Self { addresses, known_as, port, storage_port };
            }
        }
        panic!("no address of 127.0.0.0/8 is free");
    }

    /// The nodes' addresses.
    #[must_use]
    pub fn addresses(&self) -> &[Ipv4Addr] {
        &self.addresses
    }
}

fn free_ports(addresses: &[Ipv4Addr]) -> Option<(u16, u16)> {
    // Two at once, so that they differ.
    let first = addresses.first()?;
    let bound = [TcpListener::bind((*first, 0)).ok()?, TcpListener::bind((*first, 0)).ok()?];
    let [port, storage_port] = bound.map(|listener| listener.local_addr().map(|address| address.port()));
    let (port, storage_port) = (port.ok()?, storage_port.ok()?);
    let free =
        |address: &Ipv4Addr| [port, storage_port].into_iter().all(|port| TcpListener::bind((*address, port)).is_ok());
    addresses.iter().all(free).then_some((port, storage_port))
}
