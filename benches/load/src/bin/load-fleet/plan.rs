//! The arithmetic: [`Assumptions`], [`Role`], [`Planned`].

use clap::Parser;

/// Who does a part of each lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Relay,
    Gateway,
    Store,
    /// Of Cassandra.
    Node,
}

pub(crate) const ROLES: [Role; 4] = [Role::Relay, Role::Gateway, Role::Store, Role::Node];
const DAY_SECONDS: f64 = 86_400.0;
const MONTH_DAYS: f64 = 30.0;

/// What is measured (`docs/performance.md`) or assumed. Prices are in whatever currency they are given in.
#[derive(Clone, Debug, Parser)]
#[command(about = "Machines and cost for a country and for the world")]
pub(crate) struct Assumptions {
    /// Identifiers that a user asks for in a day
    #[arg(long, default_value_t = 50.0)]
    pub(crate) lookups_a_day: f64,
    /// The busiest hour, in times of the average one
    #[arg(long, default_value_t = 5.0)]
    pub(crate) peak: f64,
    /// Processor time of a relay for a request, µs
    #[arg(long, default_value_t = RELAY)]
    pub(crate) relay_us: f64,
    /// Of a gateway for a request with one identifier, its side of the way to the store included, µs
    #[arg(long, default_value_t = GATEWAY)]
    pub(crate) gateway_us: f64,
    /// Of a gateway for each further identifier of a request, µs
    #[arg(long, default_value_t = GATEWAY_MORE)]
    pub(crate) gateway_more_us: f64,
    /// Of a store for a request with one identifier, µs
    #[arg(long, default_value_t = STORE)]
    pub(crate) store_us: f64,
    /// Of a store for each further identifier of a request, µs
    #[arg(long, default_value_t = STORE_MORE)]
    pub(crate) store_more_us: f64,
    /// Of all nodes together for an identifier, µs
    #[arg(long, default_value_t = NODES)]
    pub(crate) nodes_us: f64,
    /// Of a store, and of all nodes together, for a publication, µs
    #[arg(long, default_value_t = STORE_PUBLICATION)]
    pub(crate) store_publication_us: f64,
    /// See above
    #[arg(long, default_value_t = NODES_PUBLICATION)]
    pub(crate) nodes_publication_us: f64,
    /// Days after which a user renews
    #[arg(long, default_value_t = 30.0)]
    pub(crate) renewal_days: f64,
    /// Bytes of a mapping in its record and in the log, in one copy
    #[arg(long, default_value_t = 772.0)]
    pub(crate) mapping_bytes: f64,
    /// Bytes of each further publication in the log, in one copy
    #[arg(long, default_value_t = 673.0)]
    pub(crate) publication_bytes: f64,
    /// Years of log that there is to be room for
    #[arg(long, default_value_t = 1.0)]
    pub(crate) years: f64,
    /// Copies of everything, each in a zone of its own
    #[arg(long, default_value_t = 3.0)]
    pub(crate) zones: f64,
    /// Cores of a machine, as fast as those that were measured
    #[arg(long, default_value_t = 16)]
    pub(crate) cores: usize,
    /// How busy machines may be in the busiest hour with one zone lost
    #[arg(long, default_value_t = 0.7)]
    pub(crate) busy: f64,
    /// Disk of a node's machine, TB
    #[arg(long, default_value_t = 7.6)]
    pub(crate) disk_tb: f64,
    /// How full it may be: compaction and repair want the rest
    #[arg(long, default_value_t = 0.5)]
    pub(crate) disk_full: f64,
    /// All ways between machines of one lookup, ms
    #[arg(long, default_value_t = 2.0)]
    pub(crate) network_ms: f64,
    /// Bytes of an answer to one identifier, and to a day's
    #[arg(long, default_value_t = 4_100.0)]
    pub(crate) answer_bytes: f64,
    /// See above
    #[arg(long, default_value_t = 65_600.0)]
    pub(crate) batch_answer_bytes: f64,
    /// A machine's price a month
    #[arg(long, default_value_t = 200.0)]
    pub(crate) price_of_machine: f64,
    /// That of a node's, with its disks
    #[arg(long, default_value_t = 350.0)]
    pub(crate) price_of_node: f64,
    /// A TB's, out of the relays
    #[arg(long, default_value_t = 2.0)]
    pub(crate) price_of_tb: f64,
}

/// Measured, in µs: see `docs/performance.md`.
const RELAY: f64 = 37.0;
const GATEWAY: f64 = 120.0;
const GATEWAY_MORE: f64 = 7.0;
const STORE: f64 = 135.0;
const STORE_MORE: f64 = 43.0;
const NODES: f64 = 1240.0;
const STORE_PUBLICATION: f64 = 1200.0;
const NODES_PUBLICATION: f64 = 38_000.0;

/// What decides how many machines there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Work,
    Disk,
    /// One in each zone.
    Zones,
}

/// Machines of a role.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Planned {
    pub(crate) machines: f64,
    pub(crate) bound: Bound,
}

impl Role {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Gateway => "gateway",
            Self::Store => "store",
            Self::Node => "node",
        }
    }
}

impl Assumptions {
    /// Processor time for a request with `batch` identifiers, in seconds. At a node: for one of them.
    pub(crate) fn request_seconds(&self, role: Role, batch: f64) -> f64 {
        let more = batch - 1.0;
        let microseconds = match role {
            Role::Relay => self.relay_us,
            Role::Gateway => self.gateway_us + more * self.gateway_more_us,
            Role::Store => self.store_us + more * self.store_more_us,
            // Two nodes of three work on a read.
            Role::Node => self.nodes_us / 2.0,
        };
        microseconds * 1e-6
    }

    /// Cores that are busy with it in the busiest hour: requests a second times seconds each (Little).
    pub(crate) fn peak_work(&self, role: Role, users: f64, batch: f64) -> f64 {
        let identifiers = users * self.lookups_a_day / DAY_SECONDS * self.peak;
        let publications = users / self.renewal_days / DAY_SECONDS * self.peak;
        match role {
            Role::Relay | Role::Gateway => identifiers / batch * self.request_seconds(role, batch),
            Role::Store => {
                identifiers / batch * self.request_seconds(role, batch)
                    + publications * self.store_publication_us * 1e-6
            }
            Role::Node => (identifiers * self.nodes_us + publications * self.nodes_publication_us) * 1e-6,
        }
    }

    /// Bytes on all disks.
    pub(crate) fn disk_bytes(&self, users: f64) -> f64 {
        let publications = self.years * 365.0 / self.renewal_days;
        users * self.zones * (self.mapping_bytes + publications * self.publication_bytes)
    }

    /// As many machines in each zone, so that those that are left when one is lost are busy as allowed.
    pub(crate) fn plan(&self, role: Role, users: f64, batch: f64) -> Planned {
        let left = (self.zones - 1.0) / self.zones;
        #[allow(clippy::cast_precision_loss, reason = "a count of cores")]
        let by_work = self.peak_work(role, users, batch) / (self.cores as f64 * self.busy * left);
        let by_disk = match role {
            Role::Node => self.disk_bytes(users) / (self.disk_tb * 1e12 * self.disk_full),
            Role::Relay | Role::Gateway | Role::Store => 0.0,
        };
        let bound = if by_work.max(by_disk) <= self.zones {
            Bound::Zones
        } else if by_disk > by_work {
            Bound::Disk
        } else {
            Bound::Work
        };
        let machines = (by_work.max(by_disk).max(1.0) / self.zones).ceil() * self.zones;
        Planned { machines, bound }
    }

    /// What an hour has of the busiest one: a day that is as smooth as a day with this peak can be (after von Mises).
    pub(crate) fn of_peak(&self, hour: f64) -> f64 {
        let shape = |k: f64, hour: f64| (k * ((hour / 24.0 * std::f64::consts::TAU).cos() - 1.0)).exp();
        let peak = |k: f64| 24.0 / (0..24).map(|hour| shape(k, f64::from(hour))).sum::<f64>();
        let (mut low, mut high) = (0.0, 100.0);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if peak(middle) < self.peak { low = middle } else { high = middle }
        }
        shape(low, hour)
    }

    /// TB a month that leave the relays.
    pub(crate) fn traffic_tb(&self, users: f64, batch: f64) -> f64 {
        let bytes = if batch > 1.0 { self.batch_answer_bytes } else { self.answer_bytes };
        users * self.lookups_a_day / batch * bytes * MONTH_DAYS / 1e12
    }

    /// Of a machine, a month.
    pub(crate) const fn price(&self, role: Role) -> f64 {
        match role {
            Role::Node => self.price_of_node,
            Role::Relay | Role::Gateway | Role::Store => self.price_of_machine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with() -> Assumptions {
        Assumptions::parse_from(["load-fleet", "--relay-us", "37", "--nodes-us", "200"])
    }

    /// By hand: 10⁸ × 50 ÷ 86,400 × 5 = 289,352 a second; × 37 µs = 10.7 cores; ÷ (16 × 0.7 × 2/3) = 1.43 machines: three.
    #[test]
    fn the_arithmetic_is_that_of_paper() {
        let work = with().peak_work(Role::Relay, 1e8, 1.0);
        assert!((work - 10.706).abs() < 0.001, "{work}");
        assert_eq!(with().plan(Role::Relay, 1e8, 1.0), Planned { machines: 3.0, bound: Bound::Zones });
        // A hundred times as much: 143.4 machines, in threes.
        assert_eq!(with().plan(Role::Relay, 1e10, 1.0), Planned { machines: 144.0, bound: Bound::Work });
        // Log and record of 10¹⁰ users for a year: (772 + 12.17 × 673) × 3 = 26.9 kB each, 269 TB; at 3.8 TB a machine 71, in threes 72.
        let planned = Assumptions { nodes_us: 0.0, nodes_publication_us: 0.0, ..with() }.plan(Role::Node, 1e10, 1.0);
        assert_eq!(planned, Planned { machines: 72.0, bound: Bound::Disk });
    }

    #[test]
    fn a_day_has_its_peak_and_its_average() {
        let with = with();
        let hours: Vec<_> = (0..24).map(|hour| with.of_peak(f64::from(hour))).collect();
        assert!((hours[0] - 1.0).abs() < 1e-9);
        assert!((24.0 / hours.iter().sum::<f64>() - 5.0).abs() < 1e-6);
    }

    #[test]
    fn batches_spare_relays_and_gateways_and_no_node() {
        let (with, users) = (with(), 1e10);
        let spared = |role| with.peak_work(role, users, 1.0) / with.peak_work(role, users, 50.0);
        assert!((spared(Role::Relay) - 50.0).abs() < 1e-6);
        assert!(spared(Role::Gateway) > 5.0);
        assert!((spared(Role::Node) - 1.0).abs() < 1e-9);
    }
}
