//! What the commands of a user have in common: a stack, a key, an identifier.

use std::path::PathBuf;

use protocol::cpi::{Cpi, Region};
use protocol::mimi_uri::Msp;

use crate::enroll::Desk;
use crate::failure::Failure;
use crate::stack::Description;

/// Whose mapping it is about, and where.
#[derive(Debug, clap::Args)]
pub(super) struct UserArgs {
    /// The stack's description, as `discovery up` wrote it
    #[arg(long, value_name = "FILE")]
    stack: PathBuf,
    /// The user's key; `enroll` creates it, readable by its owner alone, if there is none
    #[arg(long, value_name = "FILE", default_value = "user.key")]
    pub(super) key: PathBuf,
    /// Where a number without country code is at home, such as US
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The phone number or email address
    #[arg(value_name = "CPI")]
    cpi: String,
}

/// The same, read: the identifier, the stack, and the desk of its MSP.
pub(super) struct User {
    pub(super) cpi: Cpi,
    pub(super) stack: Description,
    pub(super) msp: Msp,
    pub(super) desk: Desk,
}

impl UserArgs {
    pub(super) fn read(&self) -> Result<User, Failure> {
        let region = self.region.as_deref().map(Region::parse).transpose()?;
        let cpi = Cpi::from_user_input(&self.cpi, region)?;
        let stack = Description::read(&self.stack)?;
        let msp = Msp::parse(&stack.msp)?;
        let desk = Desk::open(&stack, msp.clone(), &stack.msp_identity())?;
        Ok(User { cpi, stack, msp, desk })
    }
}
