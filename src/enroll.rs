//! One user enrolls one CPI at one MSP and publishes a mapping: both sides of the handshake, as a command plays them.

use std::path::Path;
use std::time::{Duration, SystemTime};

use client::conflict::Asked;
use client::enrollment::{Enrolled, Requested, Wish};
use client::http::{Bounds, HttpClient, TlsIdentity};
use client::msp::{ProverConnection, StoreConnection};
use client::retry::Retry;
use client::trust::Trust;
use protocol::conflict::ConflictNotice;
use protocol::cpi::Cpi;
use protocol::mimi_uri::Msp;
use protocol::problem::ProblemType;
use protocol::receipt::Receipt;
use protocol::{Signed, SigningKey, Timestamp};

use crate::certificates::Identity;
use crate::codes::{Awaited, CodeSource};
use crate::failure::Failure;
use crate::stack::Description;

/// How many different wrong codes a person may type before the command gives up; the prover has its own limit.
const TRIES: u32 = 5;

/// How patient a command is with passing faults: a person waits.
pub const PATIENCE: Retry =
    Retry { max_tries: 3, max_wait: Duration::from_secs(20), first_pause: Duration::from_millis(500) };

/// The MSP's connections, and whom its users trust.
pub struct Desk {
    msp: Msp,
    prover: ProverConnection,
    prover_name: String,
    store: StoreConnection,
    trust: Trust,
}

/// The present time, for documents.
#[must_use]
pub fn now() -> Timestamp {
    SystemTime::now().into()
}

impl Desk {
    /// Opens the desk of `msp`, whose certificate is `identity`, in a local stack.
    ///
    /// # Errors
    ///
    /// [`Failure`] if a file of the stack cannot be read.
    pub fn open(stack: &Description, msp: Msp, identity: &Identity) -> Result<Self, Failure> {
        let trust = read_trust(stack)?;
        let client = Some((std::fs::read(&identity.certificate)?, std::fs::read(&identity.key)?));
        let http = HttpClient::new(&TlsIdentity { ca_pem: std::fs::read(&stack.ca_cert)?, client }, Bounds::default())?;
        Ok(Self::at(msp, http, &stack.prover_url, &stack.prover, &stack.store_url, trust))
    }

    /// The desk of `msp`, in whose name `http` speaks, with the ID Prover `prover_name` at `prover`, and the store at `store`.
    #[must_use]
    pub fn at(msp: Msp, http: HttpClient, prover: &str, prover_name: &str, store: &str, trust: Trust) -> Self {
        Self {
            msp,
            prover: ProverConnection::new(http.clone(), prover),
            prover_name: prover_name.to_owned(),
            store: StoreConnection::new(http, store, trust.provider.receipt_key),
            trust,
        }
    }

    /// The MSP of this desk.
    #[must_use]
    pub fn msp(&self) -> &Msp {
        &self.msp
    }

    /// Whom its users trust.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Proves possession of `cpi` under `key`: request, code, proof, credential.
    ///
    /// # Errors
    ///
    /// [`Failure`] in the words of whoever refused.
    pub async fn enroll(&self, cpi: &Cpi, key: &SigningKey, codes: &CodeSource) -> Result<Enrolled, Failure> {
        let trust = &self.trust.provers;
        let requested =
            Requested::begin(cpi.clone(), self.msp.clone(), &self.prover_name, key, now(), &mut rand::rng());
        let challenge = self.prover.request(requested.bytes()).await?;
        let challenged = requested.challenged(&challenge, trust, now())?;
        let fingerprint = key.public().thumbprint().fingerprint();
        let awaited = Awaited { id: challenged.id(), cpi, msp: &self.msp, fingerprint: &fingerprint };
        for tries_left in (0..TRIES).rev() {
            let code = codes.code(&awaited).await?;
            let proof = challenged.prove(&code, &mut rand::rng())?;
            match self.prover.proof(challenged.id(), &proof).await {
                Ok(credential) => return Ok(challenged.credential(&credential, trust)?),
                Err(error) if tries_left > 0 && wrong_code(&error) => crate::output::note(&error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::new("no right code was given"))
    }

    /// Asks whether a mapping of `key` for `cpi` was displaced; the provider's notice is verified. A passing fault is tried again.
    ///
    /// # Errors
    ///
    /// [`client::Error`] of whoever refused.
    pub async fn conflict(&self, cpi: &Cpi, key: &SigningKey) -> Result<Option<Signed<ConflictNotice>>, client::Error> {
        let asked = Asked::new(cpi.clone(), &self.trust.provider.name, key, now());
        PATIENCE.run(|| self.store.conflict(&asked)).await
    }

    /// Signs what the user wishes and publishes it. Returns the published bytes and the receipt.
    ///
    /// # Errors
    ///
    /// [`Failure`] in the words of whoever refused.
    pub async fn publish(
        &self,
        enrolled: &Enrolled,
        wish: Wish,
        key: &SigningKey,
    ) -> Result<(Vec<u8>, Signed<Receipt>), Failure> {
        match self.publish_exactly(enrolled, wish.clone(), key).await {
            Err(error) => {
                // The key has published before, and this side has lost count: go on from where the store is.
                let Some(seq) = stale(&error) else { return Err(error.into()) };
                Ok(self.publish_exactly(enrolled, Wish { seq: seq + 1, ..wish }, key).await?)
            }
            Ok(published) => Ok(published),
        }
    }

    /// As [`Self::publish`], with the `seq` of the wish and no other. A passing fault is tried again.
    ///
    /// # Errors
    ///
    /// [`client::Error`] of whoever refused.
    pub async fn publish_exactly(
        &self,
        enrolled: &Enrolled,
        wish: Wish,
        key: &SigningKey,
    ) -> Result<(Vec<u8>, Signed<Receipt>), client::Error> {
        let mapping = enrolled.map(wish, key, now())?;
        // The same document is answered by the same receipt: sending it again does no harm.
        let receipt = PATIENCE.run(|| self.store.publish(&mapping)).await?;
        Ok((mapping, receipt))
    }
}

/// How long a mapping holds unless its credential ends earlier.
pub const MAPPING_LIFETIME: Duration = protocol::credential::DEFAULT_LIFETIME;

/// Reads the trust file of a stack.
///
/// # Errors
///
/// [`Failure`] names the file or what is wrong in it.
pub fn read_trust(stack: &Description) -> Result<Trust, Failure> {
    read_trust_file(&stack.trust)
}

/// Reads a trust file.
///
/// # Errors
///
/// As [`read_trust`].
pub fn read_trust_file(path: &Path) -> Result<Trust, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
    Ok(Trust::from_toml(&text)?)
}

fn wrong_code(error: &client::Error) -> bool {
    error
        .problem
        .as_ref()
        .is_some_and(|problem| problem.problem_type == ProblemType::WrongCode && problem.tries_left != Some(0))
}

fn stale(error: &client::Error) -> Option<u64> {
    let problem = error.problem.as_ref()?;
    (problem.problem_type == ProblemType::StaleSequence).then_some(problem.current_seq?)
}
