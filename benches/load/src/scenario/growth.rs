//! Lookups against the number of mappings: in the store alone, and at the gateway.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use mapping_store::Store;
use mapping_store::store::system_clock;
use protocol::lookup::{LookupRequest, Outcome};
use tokio::runtime::Builder;

use super::{Bench, Line};
use crate::capsules::Questions;
use crate::connection::{Speak, get};
use crate::place::{Door, GATEWAY_PATH};
use crate::process::this_thread;
use crate::report::GrowthRow;
use crate::{Result, cores, ensure};

/// Lookups of a round, for each request of a measurement of throughput.
const LOOKUPS_A_REQUEST: usize = 5;
/// Requests made beforehand, in pieces: making them is not what is measured.
const PIECE: usize = 20_000;

impl Bench {
    pub(super) fn growth(&mut self) -> Result<()> {
        let mut sizes = self.settings.records.clone();
        sizes.sort_unstable();
        sizes.dedup();
        for records in sizes {
            let store = self.place.filled_store(records)?;
            let questions = Questions { records, each: 1 };
            let gateway = {
                let running = self.place.provider(&store, Door::Plain, &self.cores.server)?;
                let keys = self.as_client(get(running.address, GATEWAY_PATH, &Speak::Http1))?;
                let line = Line { running: &running, path: GATEWAY_PATH, speak: &Speak::Http1, shared: false };
                self.warm(&line, &keys, records)?;
                let what = format!("gateway with its store of {records}, HTTP/1.1");
                self.answered(&what, &line, &keys, questions, self.requests(), false)?
            };
            let settings = self.place.store_settings(&store)?;
            let lookup =
                cores::on(&self.cores.server, || lookups(&settings, questions, LOOKUPS_A_REQUEST * self.requests()))??;
            self.report.growth.push(GrowthRow { records, lookup, gateway: gateway.least() });
        }
        Ok(())
    }
}

/// What a lookup takes in the store alone: of the second of two rounds, when the cache holds what it can, the piece that took least.
fn lookups(settings: &Path, questions: Questions, count: usize) -> Result<Duration> {
    let config: mapping_store::Config = service::load_config(settings)?;
    let store = Store::open(&config.store, system_clock())?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut least = Duration::MAX;
    for _ in 0..2 {
        least = Duration::MAX;
        for from in (0..count).step_by(PIECE) {
            let asked: Vec<LookupRequest> = (from..count.min(from + PIECE))
                .map(|n| LookupRequest::new(questions.nth(n), None))
                .collect::<std::result::Result<_, _>>()?;
            let before = this_thread()?;
            let found = runtime.block_on(async {
                let mut found = 0_u64;
                for request in &asked {
                    let answer = store.lookup(black_box(request)).await.map_err(|_| "the store does not answer")?;
                    found += black_box(answer).outcomes[usize::from(Outcome::OneMapping.code())];
                }
                Ok::<_, crate::Error>(found)
            })?;
            least = least.min((this_thread()? - before) / u32::try_from(asked.len())?);
            ensure(found == asked.len() as u64, "a lookup found nothing")?;
        }
    }
    Ok(least)
}
