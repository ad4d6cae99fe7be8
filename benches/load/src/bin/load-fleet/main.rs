//! `load-fleet`: how many machines a service for so many users takes, and what they cost, from measured figures and stated assumptions.
//!
//! Two ways that check each other: arithmetic ([`plan`]), and a simulation of one machine of each role over a day ([`queue`]), in normal times and
//! with one of the zones lost in the busiest hour. Prints tables in Markdown.

mod plan;
mod queue;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use plan::{Assumptions, Bound, ROLES, Role};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// Requests of each part of a simulation.
const SIMULATED: usize = 400_000;
const HOURS: u32 = 24;

fn main() -> ExitCode {
    match tables(&Assumptions::parse(), &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "load-fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tables(with: &Assumptions, out: &mut impl io::Write) -> io::Result<()> {
    for (title, batch) in
        [("one identifier a request", 1.0), ("a day's identifiers in one request", with.lookups_a_day)]
    {
        writeln!(out, "{title}\n")?;
        writeln!(
            out,
            "| users | role | µs a request | machines | bound by | busy at the peak | a zone lost | p99 there |"
        )?;
        writeln!(out, "| --- | --- | --- | --- | --- | --- | --- | --- |")?;
        for users in [1e8, 1e10] {
            fleet(with, users, batch, out)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn fleet(with: &Assumptions, users: f64, batch: f64, out: &mut impl io::Write) -> io::Result<()> {
    let mut rng = StdRng::seed_from_u64(1);
    let (mut machines, mut chain) = (0.0, Vec::new());
    for role in ROLES {
        let planned = with.plan(role, users, batch);
        let seconds = with.request_seconds(role, batch);
        let work = with.peak_work(role, users, batch);
        // One machine has its share of all requests, as a balancer deals them out.
        let rate = |lost: f64| work / seconds / (planned.machines * (1.0 - lost));
        let (at_peak, with_loss) = (rate(0.0), rate(1.0 / with.zones));
        let mut day_busy: f64 = 0.0;
        for hour in 0..HOURS {
            let part =
                queue::simulate(at_peak * with.of_peak(f64::from(hour)), seconds, with.cores, SIMULATED / 24, &mut rng);
            day_busy = day_busy.max(part.busy);
        }
        let lost = queue::simulate(with_loss, seconds, with.cores, SIMULATED, &mut rng);
        let bound = match planned.bound {
            Bound::Work => "work",
            Bound::Disk => "disk",
            Bound::Zones => "zones",
        };
        writeln!(
            out,
            "| {users:.0e} | {} | {:.0} | {:.0} | {bound} | {:.0} % | {:.0} % | {:.2} ms |",
            role.name(),
            seconds * 1e6,
            planned.machines,
            day_busy * 100.0,
            lost.busy * 100.0,
            lost.quantile(0.99) * 1e3,
        )?;
        machines += planned.machines * with.price(role);
        chain.push((role, lost));
    }
    let whole =
        queue::chain(chain.iter().map(|(role, part)| (part, *role == Role::Node)), with.network_ms / 1e3, &mut rng);
    let traffic = with.traffic_tb(users, batch) * with.price_of_tb;
    writeln!(
        out,
        "| {users:.0e} | all | | | | | | {:.2} ms; {:.0} for machines and {:.0} for traffic a month |",
        whole * 1e3,
        machines,
        traffic
    )
}
