//! One user, one provider, one request: the cast of this crate's unit tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use protocol::cpi::Cpi;
use protocol::credential::Method;
use protocol::enrollment::{EnrollmentId, EnrollmentRequest};
use protocol::mimi_uri::Msp;
use protocol::{Signed, SigningKey, Timestamp};

use crate::enrollment::{CodeHash, Requested, Terms};
use crate::{Clock, Config, Prover};

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(crate) const PROVER: &str = "prover.example";
pub(crate) const CODE: CodeHash = CodeHash([1; 32]);

pub(crate) fn user() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

pub(crate) fn prover() -> SigningKey {
    SigningKey::from_seed(&[2; 32])
}

pub(crate) fn phone() -> Cpi {
    Cpi::parse("tel:+14155552671").unwrap()
}

pub(crate) fn email() -> Cpi {
    Cpi::parse("mailto:bob@b.example").unwrap()
}

pub(crate) fn msp() -> Msp {
    Msp::parse("mimi://a.example").unwrap()
}

/// A request with this number, signed now.
pub(crate) fn request(number: u128) -> Signed<EnrollmentRequest> {
    let request = EnrollmentRequest {
        cpi: phone(),
        msp: msp(),
        user_key: user().public(),
        prover: PROVER.to_owned(),
        issued_at: NOW,
        id: number.to_be_bytes(),
    };
    Signed::sign(request, &user())
}

/// An enrollment with this number, opened now by the request with the same; its code holds for ten minutes.
pub(crate) fn requested(number: u128) -> Requested {
    let id = EnrollmentId::from_bytes(number.to_be_bytes());
    Requested::open(&request(number), Method::SmsOtp, id, CODE, NOW, NOW.plus(10 * MINUTE))
}

/// What a credential says that is issued now for 45 days.
pub(crate) fn terms(number: u128) -> Terms {
    Terms {
        credential_id: number.to_be_bytes(),
        issued_at: NOW,
        expires_at: NOW.plus(45 * DAY),
        signer: prover().public().thumbprint(),
    }
}

/// A prover whose state and outbox are in this folder.
pub(crate) async fn opened(folder: &tempfile::TempDir, clock: &TestClock) -> Prover {
    let config: Config = toml::from_str(&format!(
        "name = '{PROVER}'\n\
         state_folder = '{0}/state'\n\
         cache_bytes = 1048576\n\
         listener = {{ address = '127.0.0.1:0' }}\n\
         courier.sms = {{ kind = 'file', outbox = '{0}/outbox' }}",
        folder.path().display()
    ))
    .unwrap();
    Prover::open(config, clock.clock()).await.unwrap()
}

/// A clock that stands still until it is moved; it begins at [`NOW`].
#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(NOW.seconds())))
    }

    pub(crate) fn set(&self, time: Timestamp) {
        self.0.store(time.seconds(), Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    pub(crate) fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.0);
        Arc::new(move || UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::SeqCst)))
    }
}
