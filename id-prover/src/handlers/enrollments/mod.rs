//! `/v1/enrollments`.

pub(super) mod create;
pub(super) mod prove;
