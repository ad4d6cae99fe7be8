//! What changes while a prover runs: admitted MSPs, limits, keys.

use std::time::Duration;

use client::enrollment::Enrolled;
use id_prover::keys::{public_signing_key, rotation};
use protocol::credential::{DEFAULT_LIFETIME, Method};
use protocol::problem::ProblemType;
use protocol::trust::{TrustAnchor, TrustAnchors};
use protocol::{PublicKey, Unverified};
use serde_json::Value;

use crate::server::{MSP, PROVER, Place, Server};
use crate::user::{EMAIL, PHONE, another, challenged, enrolled, offer, problem_type, request, request_at};

async fn description(place: &Place, server: &Server) -> Value {
    let uri = format!("{}/.well-known/id-prover", server.base()).parse().unwrap();
    let response = place.http(Some(MSP)).get(&uri, "application/json").await.unwrap();
    serde_json::from_slice(response.body()).unwrap()
}

/// State and key of each signing key that the prover announces.
async fn announced(place: &Place, server: &Server) -> Vec<(String, String)> {
    let description = description(place, server).await;
    let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
    let keys = description["signing_keys"].as_array().unwrap();
    keys.iter().map(|key| (text(key, "state"), text(key, "key"))).collect()
}

fn trust(keys: Vec<PublicKey>) -> TrustAnchors {
    let methods = vec![Method::SmsOtp, Method::EmailOtp];
    TrustAnchors::new(vec![TrustAnchor {
        prover: PROVER.to_owned(),
        keys,
        methods,
        max_credential_lifetime: DEFAULT_LIFETIME,
    }])
}

#[tokio::test]
async fn an_msp_is_admitted_and_turned_away_without_a_restart() {
    let place = Place::new();
    let config = |admitted: &str| place.file_config(&format!("[msps]\nadmitted = [{admitted}]"));
    let server = Server::start(&place, config("'a.example'")).await;
    let other = server.connection(place.http(Some("b.example")));
    let ask = async || other.request(request_at(&place, PHONE, "b.example").bytes()).await;
    assert_eq!(problem_type(ask().await), ProblemType::NotThisMsp);
    server.reload(config("'a.example', 'b.example'")).await;
    assert!(ask().await.is_ok());
    server.reload(config("'b.example'")).await;
    let turned_away = server.msp(&place).request(request(&place, PHONE).bytes()).await;
    assert_eq!(problem_type(turned_away), ProblemType::NotThisMsp);
    server.stop().await;
}

#[tokio::test]
async fn a_raised_limit_acts_at_once_and_gives_no_second_budget() {
    let place = Place::new();
    let config = |count: u32| place.file_config(&format!("[limits]\nper_cpi_and_msp_hour = {count}"));
    let server = Server::start(&place, config(1)).await;
    let msp = server.msp(&place);
    let ask = async || msp.request(request(&place, PHONE).bytes()).await;
    assert!(ask().await.is_ok());
    assert_eq!(problem_type(ask().await), ProblemType::RateLimited);
    server.reload(config(3)).await;
    assert!(ask().await.is_ok());
    assert!(ask().await.is_ok());
    assert_eq!(ask().await.unwrap_err().retry_after, Some(Duration::from_secs(1200)));
    assert_eq!(description(&place, &server).await["limits"]["per_cpi_and_msp_hour"], 3);
    server.stop().await;
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_changes_nothing() {
    let place = Place::new();
    let config = |tables: &str| place.file_config(&format!("[msps]\nadmitted = ['a.example']\n{tables}"));
    let server = Server::start(&place, config("")).await;
    let mut unusable = config("");
    unusable.msps.admitted = Some(vec!["B.example".to_owned()]);
    server.reload(unusable).await;
    assert!(server.msp(&place).request(request(&place, PHONE).bytes()).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn a_restart_resets_no_budget_of_messages() {
    let place = Place::new();
    let config = || place.file_config("[limits]\nper_cpi_day = 2\nper_number_range = { count = 3, seconds = 3600 }");
    let server = Server::start(&place, config()).await;
    let msp = server.msp(&place);
    for _ in 0..2 {
        msp.request(request(&place, PHONE).bytes()).await.unwrap();
    }
    // What was not sent is given back, for good.
    std::fs::rename(place.path("outbox"), place.path("away")).unwrap();
    let failed = msp.request(request(&place, EMAIL).bytes()).await;
    assert_eq!(problem_type(failed), ProblemType::DeliveryFailed);
    std::fs::rename(place.path("away"), place.path("outbox")).unwrap();
    server.stop().await;

    let server = Server::start(&place, config()).await;
    let msp = server.msp(&place);
    let refused = msp.request(request(&place, PHONE).bytes()).await.unwrap_err();
    assert_eq!(refused.retry_after, Some(Duration::from_secs(12 * 3600)));
    for _ in 0..2 {
        msp.request(request(&place, EMAIL).bytes()).await.unwrap();
    }
    msp.request(request(&place, "tel:+14155552672").bytes()).await.unwrap();
    let refused = msp.request(request(&place, "tel:+14155552673").bytes()).await;
    assert_eq!(problem_type(refused), ProblemType::RateLimited);
    server.stop().await;
}

#[tokio::test]
async fn a_budget_that_is_whole_again_is_forgotten_across_restarts() {
    let place = Place::new();
    let config = || place.file_config("[limits]\nper_cpi_hour = 1");
    let server = Server::start(&place, config()).await;
    server.msp(&place).request(request(&place, PHONE).bytes()).await.unwrap();
    server.stop().await;
    place.advance(Duration::from_secs(3600));
    let server = Server::start(&place, config()).await;
    assert!(server.msp(&place).request(request(&place, PHONE).bytes()).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn signing_keys_change_with_overlap_while_the_prover_runs() {
    let place = Place::new();
    let config = || place.file_config("");
    let server = Server::start(&place, config()).await;
    let (msp, state) = (server.msp(&place), place.path("state"));
    let first = public_signing_key(&state).unwrap();
    let hex = |key: &PublicKey| hex::encode(key.as_bytes());
    let early = enrolled(&place, &msp, PHONE).await;

    let next = rotation::prepare(&state).unwrap();
    server.reload(config()).await;
    let both = [("current".to_owned(), hex(&first)), ("next".to_owned(), hex(&next))];
    assert_eq!(announced(&place, &server).await, both);
    // An enrollment that is open meanwhile is finished under the new key.
    let open = challenged(&place, &msp, PHONE).await;
    let code = place.code();
    assert!(offer(&msp, &open, &another(&code)).await.is_err());

    rotation::activate(&state, place.now(), DEFAULT_LIFETIME).unwrap();
    server.reload(config()).await;
    let both = [("current".to_owned(), hex(&next)), ("retired".to_owned(), hex(&first))];
    assert_eq!(announced(&place, &server).await, both);
    let credential = offer(&msp, &open, &code).await.unwrap();
    assert_eq!(
        *Unverified::<protocol::credential::CpiCredential>::parse(&credential).unwrap().kid(),
        next.thumbprint()
    );
    // Whoever trusts both keys takes both credentials; who has not taken the new one in refuses it.
    let trusting_both = trust(vec![first, next]);
    for credential in [early.credential().bytes(), credential.as_slice()] {
        assert!(Enrolled::from_credential(credential, &trusting_both).is_ok());
    }
    assert!(Enrolled::from_credential(&credential, &trust(vec![first])).is_err());

    // The retired key is announced for as long as what it signed may hold.
    place.advance(DEFAULT_LIFETIME);
    assert_eq!(announced(&place, &server).await, both);
    place.advance(Duration::from_secs(300));
    assert_eq!(announced(&place, &server).await, both[..1]);
    server.stop().await;
}

#[tokio::test]
async fn the_hpke_key_changes_under_an_open_enrollment() {
    let place = Place::new();
    let config = || place.file_config("");
    let server = Server::start(&place, config()).await;
    let msp = server.msp(&place);
    let open = challenged(&place, &msp, PHONE).await;
    let code = place.code();
    let before = description(&place, &server).await["hpke_key"].clone();
    rotation::renew_hpke(&place.path("state"), place.now()).unwrap();
    server.reload(config()).await;
    let after = description(&place, &server).await;
    assert_ne!(after["hpke_key"], before);
    assert_eq!((&after["hpke_keys"][1]["key"], after["hpke_keys"][1]["state"].as_str()), (&before, Some("retired")));
    assert!(offer(&msp, &open, &code).await.is_ok());
    enrolled(&place, &msp, PHONE).await;
    server.stop().await;
}
