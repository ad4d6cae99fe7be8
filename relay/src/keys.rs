//! The relay's copy of a gateway's key configuration: one for everybody, so that no client can be told apart by its keys.
//!
//! Both forms (plain and signed) are fetched together, refreshed when half of their life is over, and served past their
//! life for a bounded time while the gateway cannot be reached. Clients check the signature; the relay could not.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use service::CancellationToken;
use service::published::Representation;

use crate::body::{AnswerBody, whole};
use crate::forward::Gateway;
use crate::problem::Problem;

/// The plain form (RFC 9458 §3.2).
pub(crate) const PLAIN: &str = "application/ohttp-keys";
/// The form signed by the provider.
pub(crate) const SIGNED: &str = "application/mimi-ohttp-keys+cwt";

const RETRY: Duration = Duration::from_secs(2);
const SHORTEST_LIFE: Duration = Duration::from_secs(10);
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

struct Copy {
    plain: Representation,
    signed: Option<Representation>,
    fetched: Instant,
    life: Duration,
}

/// One gateway's keys.
pub(crate) struct Keys {
    copy: Mutex<Option<Copy>>,
    stale: Duration,
}

impl Keys {
    pub(crate) fn new(stale: Duration) -> Self {
        Self { copy: Mutex::default(), stale }
    }

    /// Fetches and refreshes until `shutdown`; `fetched` is told of each success.
    pub(crate) async fn keep(&self, gateway: &Gateway, fetched: impl Fn(), shutdown: CancellationToken) {
        loop {
            let Some(fetch) = shutdown.run_until_cancelled(fetch(gateway)).await else { return };
            let wait = match fetch {
                Some(copy) => {
                    let half = copy.life / 2;
                    *self.copy.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy);
                    fetched();
                    half
                }
                None => {
                    tracing::warn!("the gateway's keys cannot be fetched");
                    RETRY
                }
            };
            if shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// How long ago the copy was fetched.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.copy.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|copy| copy.fetched.elapsed())
    }

    /// Answers a `GET` or `HEAD` for the keys.
    pub(crate) fn answer(&self, method: &Method, headers: &HeaderMap) -> Result<Response<AnswerBody>, Problem> {
        let (form, life) = {
            let copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner);
            let held = copy.as_ref().map(|copy| (copy, copy.fetched.elapsed()));
            let (copy, age) = held.filter(|(copy, age)| *age < copy.life + self.stale).ok_or(Problem::NoKeys)?;
            let form = if wants_signed(headers) { copy.signed.as_ref() } else { Some(&copy.plain) };
            (form.ok_or(Problem::NoKeys)?.clone(), copy.life.saturating_sub(age))
        };
        Ok(form.answer(method, headers, life).map(whole))
    }
}

async fn fetch(gateway: &Gateway) -> Option<Copy> {
    let (plain_life, plain) = good(gateway.fetch_keys(PLAIN).await?, PLAIN)?;
    // A gateway may do without the signed form; one that fails at it is asked again.
    let answer = gateway.fetch_keys(SIGNED).await.filter(|answer| !answer.status().is_server_error())?;
    let signed = good(answer, SIGNED);
    // Of several gateways behind one name, another may have answered, and signed earlier.
    let life = signed.as_ref().map_or(plain_life, |(life, _)| plain_life.min(*life));
    let signed = signed.map(|(_, signed)| Representation::new(SIGNED, signed));
    Some(Copy { plain: Representation::new(PLAIN, plain), signed, fetched: Instant::now(), life })
}

/// The life and bytes of a key configuration in the wanted form.
fn good(response: Response<Bytes>, media_type: &str) -> Option<(Duration, Bytes)> {
    let headers = response.headers();
    if response.status() != StatusCode::OK || headers.get(header::CONTENT_TYPE)?.as_bytes() != media_type.as_bytes() {
        return None;
    }
    let control = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let max_age = control.split(',').find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok());
    let life = Duration::from_secs(max_age.unwrap_or_default()).clamp(SHORTEST_LIFE, LONGEST_LIFE);
    Some((life, response.into_body()))
}

/// Whether the signed form is asked for; everything else, a missing `Accept` included, gets the plain one.
fn wants_signed(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .any(|range| range.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(SIGNED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(60);
    const STALE: Duration = Duration::from_secs(3600);

    /// The answer from a copy that was fetched so long ago.
    fn answer(age: Duration) -> Result<Response<AnswerBody>, Problem> {
        let fetched = Instant::now().checked_sub(age).unwrap();
        let copy = Copy { plain: Representation::new(PLAIN, "plain"), signed: None, fetched, life: LIFE };
        let keys = Keys { copy: Mutex::new(Some(copy)), stale: STALE };
        keys.answer(&Method::GET, &HeaderMap::new())
    }

    #[test]
    fn a_copy_is_served_past_its_life_for_a_while_but_not_to_be_cached() {
        let fresh = answer(Duration::ZERO).unwrap();
        assert!(
            ["public, max-age=59", "public, max-age=60"].iter().any(|life| fresh.headers()["cache-control"] == life)
        );
        for age in [LIFE, LIFE + STALE / 2] {
            let stale = answer(age).unwrap();
            assert_eq!(
                (stale.status(), &stale.headers()["cache-control"]),
                (StatusCode::OK, &"public, max-age=0".parse().unwrap())
            );
        }
        assert_eq!(answer(LIFE + STALE).unwrap_err(), Problem::NoKeys);
    }

    #[test]
    fn the_life_of_a_copy_is_bounded() {
        let life = |control: &str| {
            let response = Response::builder().header("content-type", PLAIN).header("cache-control", control);
            good(response.body(Bytes::new()).unwrap(), PLAIN).unwrap().0
        };
        assert_eq!(life("public, max-age=3600"), Duration::from_secs(3600));
        assert_eq!([life("max-age=0"), life("no-store"), life("max-age=x")], [SHORTEST_LIFE; 3]);
        assert_eq!(life("max-age=99999999"), LONGEST_LIFE);
        let other = Response::builder().header("content-type", "text/html").body(Bytes::new()).unwrap();
        assert!(good(other, PLAIN).is_none());
    }
}
