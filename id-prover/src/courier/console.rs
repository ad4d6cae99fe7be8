//! Messages on standard error, for trying the prover out by hand. Never for production: whoever reads the terminal has the
//! codes.

use std::io::Write as _;

use protocol::cpi::Cpi;

use super::{Courier, CourierError, Delivery, Message};

/// Prints messages.
#[derive(Debug)]
pub(crate) struct ConsoleCourier;

impl Courier for ConsoleCourier {
    fn deliver<'a>(&'a self, to: &'a Cpi, message: &'a Message) -> Delivery<'a> {
        let line = format!("to {to}, enrollment {}: {}\n", message.id(), message.short_text().replace('\n', " / "));
        let written = std::io::stderr().lock().write_all(line.as_bytes());
        Box::pin(std::future::ready(written.map_err(|_| CourierError::Unavailable)))
    }
}
