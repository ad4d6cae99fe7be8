//! Where the time comes from. Tests give another clock, and need no sleep.

use std::sync::Arc;
use std::time::SystemTime;

/// A source of time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The system's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(SystemTime::now)
}
