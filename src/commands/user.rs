//! What the commands of a user have in common: a deployment, a key, an identifier; and how they publish.

use std::path::PathBuf;

use client::enrollment::{Enrolled, Wish};
use protocol::authenticated::{UnverifiedMapping, VerifiedMapping};
use protocol::cpi::Cpi;
use protocol::mapping::{Mapping, Reachability, State, Tags};
use protocol::mimi_uri::Msp;
use protocol::receipt::Position;

use crate::enroll::{Desk, MAPPING_LIFETIME};
use crate::failure::Failure;
use crate::output;
use crate::receipts::{self, Kept};
use crate::settings::{Flags, Key, Settings};
use crate::wallet::Wallet;

/// Whose mapping it is about, and where.
#[derive(Debug, clap::Args)]
pub(super) struct UserArgs {
    /// The user's key; `enroll` creates it, readable by its owner alone, if there is none
    #[arg(long, value_name = "FILE", default_value = "user.key")]
    key: PathBuf,
    /// Where a number without country code is at home, such as US
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Keep the provider's receipts in this file, for `audit`; they are added at its end
    #[arg(long, value_name = "FILE")]
    receipts: Option<PathBuf>,
    /// The phone number or email address
    #[arg(value_name = "CPI")]
    cpi: String,
    #[command(flatten)]
    deployment: Flags,
}

/// The same, read: the identifier, the settings, the desk of the MSP, and what the user keeps.
pub(super) struct User {
    pub(super) cpi: Cpi,
    pub(super) settings: Settings,
    pub(super) msp: Msp,
    pub(super) desk: Desk,
    pub(super) wallet: Wallet,
}

impl UserArgs {
    /// A user who may be new here: without a key one is made.
    pub(super) fn read_or_create(self) -> Result<User, Failure> {
        let key = self.key.clone();
        self.read_with(|| Wallet::open_or_create(&key))
    }

    /// A user who has a key.
    pub(super) fn read(self) -> Result<User, Failure> {
        let key = self.key.clone();
        self.read_with(|| Wallet::open(&key))
    }

    /// A key is made last, when nothing else is wrong.
    fn read_with(self, wallet: impl FnOnce() -> Result<Wallet, Failure>) -> Result<User, Failure> {
        let flags = self.deployment.with(Key::Region, self.region.as_deref());
        let settings = Settings::load(&flags.with(Key::Receipts, self.receipts.as_deref()))?;
        let cpi = Cpi::from_user_input(&self.cpi, settings.region()?)?;
        let (msp, desk) = (settings.msp()?, settings.desk()?);
        Ok(User { cpi, msp, desk, settings, wallet: wallet()? })
    }
}

impl User {
    /// The last mapping that this wallet published of the CPI here, if it did; verified as of its own time.
    pub(super) fn last(&self) -> Result<Option<VerifiedMapping>, Failure> {
        let Some(bytes) = self.wallet.mapping(&self.cpi, &self.msp)? else { return Ok(None) };
        let failed = |error: &dyn std::fmt::Display| Failure::new(format!("the kept mapping: {error}"));
        let kept = UnverifiedMapping::parse(&bytes).map_err(|error| failed(&error))?;
        let then = kept.unverified_mapping().issued_at;
        kept.verify(&self.desk.trust().provers, then).map(Some).map_err(|error| failed(&error))
    }

    /// Publishes, with this `seq` if one is given, else the next; keeps mapping and receipt. Before somebody goes from a provider
    /// to nowhere, or back, what was published in the other place is withdrawn: the store keeps both apart.
    pub(super) async fn publish(
        &self,
        enrolled: &Enrolled,
        wish: Wish,
        last: Option<&Mapping>,
        seq: Option<u64>,
    ) -> Result<Position, Failure> {
        let mut next = seq.unwrap_or_else(|| last.map_or(1, |last| last.seq + 1));
        let elsewhere =
            last.filter(|last| last.state == State::Live && last.reachability.msp() != wish.reachability.msp());
        if let Some(last) = elsewhere {
            let withdrawal = Wish { seq: last.seq + 1, state: State::Withdrawn, fresh: false, ..wish_of(last) };
            self.publish_one(enrolled, withdrawal, None).await?;
            next = seq.unwrap_or(last.seq + 2);
        }
        self.publish_one(enrolled, Wish { seq: next, ..wish }, seq).await
    }

    async fn publish_one(&self, enrolled: &Enrolled, wish: Wish, seq: Option<u64>) -> Result<Position, Failure> {
        let (mapping, receipt) = match seq {
            Some(_) => self.desk.publish_exactly(enrolled, wish, self.wallet.key()).await?,
            None => self.desk.publish(enrolled, wish, self.wallet.key()).await?,
        };
        self.wallet.keep(&self.cpi, &self.msp, &mapping)?;
        if let Some(file) = self.settings.path(Key::Receipts) {
            receipts::append(file, &Kept { receipt: receipt.bytes().to_vec(), published: mapping })?;
        }
        Ok(receipt.document().position)
    }

    /// Says where something stands in the provider's log.
    pub(super) fn tell(&self, what: &str, position: Position) -> Result<(), Failure> {
        let Position { shard, number } = position;
        output::line(format_args!("{} is {what}, at position {shard}/{number} of the log.", self.cpi))?;
        Ok(())
    }
}

/// To publish the same once more.
pub(super) fn wish_of(mapping: &Mapping) -> Wish {
    Wish {
        reachability: mapping.reachability.clone(),
        tags: mapping.tags.clone(),
        seq: mapping.seq,
        fresh: false,
        state: State::Live,
        lifetime: MAPPING_LIFETIME,
    }
}

/// To be found at an MSP, or nowhere.
pub(super) fn wish(reachability: Reachability, tags: Tags, fresh: bool) -> Wish {
    Wish { reachability, tags, seq: 1, fresh, state: State::Live, lifetime: MAPPING_LIFETIME }
}
