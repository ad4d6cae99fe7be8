//! The relay before a constant gateway: HTTP/2 with TLS out; in, HTTP/1.1, and TLS with HTTP/1.1 or HTTP/2. And how much memory
//! idle connections take.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, Line, WARM_UP};
use crate::back_end::BackEnd;
use crate::capsules::Capsules;
use crate::closed::Caller as _;
use crate::connection::{Answers, Poster, Speak};
use crate::place::Door;
use crate::{Result, ensure};

/// Longer than it takes a connection to be put to rest, by default.
const SILENCE: Duration = Duration::from_secs(4);

impl Bench {
    pub(super) fn relay(&mut self) -> Result<()> {
        let back_end = BackEnd::start(self.place.server_identity(), &self.cores.client)?;
        let tls = self.place.client_tls(false).load()?;
        let capsules = Arc::new(Capsules::opaque(WARM_UP + self.requests()));
        for (what, door, speak) in [
            ("relay, HTTP/1.1 in", Door::Plain, Speak::Http1),
            ("relay, HTTP/1.1 and TLS in", Door::Tls, Speak::Http1Tls(tls.clone())),
            ("relay, HTTP/2 and TLS in", Door::Tls, Speak::Http2Tls(tls)),
        ] {
            let running = self.place.relay(back_end.address, door, &self.cores.server)?;
            let line = Line { running: &running, path: "/", speak: &speak, shared: false };
            let row = self.as_client(async {
                let posters = line.posters(self.connections(), &capsules, &Answers::default()).await?;
                Ok(self.throughput(what, &running.server, posters, self.requests()).await?.1)
            })?;
            self.report.throughput.push(row);
        }
        Ok(())
    }

    /// Each connection has carried one request, and has then been silent for [`SILENCE`].
    pub(super) fn idle(&mut self) -> Result<()> {
        let back_end = BackEnd::start(self.place.server_identity(), &self.cores.client)?;
        let tls = self.place.client_tls(false).load()?;
        let capsules = Arc::new(Capsules::opaque(1));
        for (what, door, speak) in [
            ("HTTP/1.1", Door::Plain, Speak::Http1),
            ("HTTP/1.1 and TLS", Door::Tls, Speak::Http1Tls(tls.clone())),
            ("HTTP/2 and TLS", Door::Tls, Speak::Http2Tls(tls)),
        ] {
            let running = self.place.relay(back_end.address, door, &self.cores.server)?;
            let count = self.settings.idle;
            let before = running.server.usage()?.resident_bytes;
            let held = self.as_client(async {
                let mut kept = Vec::new();
                for n in 0..count as usize {
                    let answers = Answers::default();
                    let mut one = Poster::open(running.address, "/", &speak, (1, false), &capsules, &answers).await?;
                    one[0].call(n).await?;
                    kept.append(&mut one);
                }
                tokio::time::sleep(SILENCE).await;
                let held = running.server.usage()?.resident_bytes;
                // The first to come is still there.
                kept[0].call(0).await?;
                Ok(held)
            })?;
            ensure(held > 0, "the relay is gone")?;
            let each = held.saturating_sub(before) / u64::from(count.max(1));
            self.report.fact(
                format!("Memory of the relay with {count} idle connections, {what}"),
                format!("{} MiB ({} MiB before, {each} bytes a connection)", held >> 20, before >> 20),
            );
        }
        Ok(())
    }
}
