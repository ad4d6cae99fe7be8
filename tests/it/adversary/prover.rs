//! A lying ID Prover: it has its own signing key, and an accomplice with a key and an MSP.

use client::lookup::Found;
use client::msp::StoreConnection;
use discovery::enroll::{now, read_trust};
use protocol::authenticated::{MappingError, VerifiedMapping};
use protocol::conflict::{ConflictNotice, ConflictQuery};
use protocol::cpi::Cpi;
use protocol::credential::{CpiCredential, DEFAULT_LIFETIME, Method};
use protocol::lookup::Outcome;
use protocol::mapping::{Mapping, Reachability, State, Tags};
use protocol::mimi_uri::Msp;
use protocol::problem::ProblemType;
use protocol::{Signed, SigningKey, Unverified, media};

use crate::scene::{Scene, key};

const NUMBER: &str = "tel:+14155550132";

/// The prover's own signing key.
fn provers_key(scene: &Scene) -> SigningKey {
    let path = scene.file("stack/prover/signing.key");
    let seed = service::secret_file::read_key::<32>(&path).unwrap().unwrap();
    SigningKey::from_seed(&seed)
}

fn store(scene: &Scene) -> StoreConnection {
    let receipt_key = read_trust(scene.description()).unwrap().provider.receipt_key;
    StoreConnection::new(scene.http(None), &scene.description().store_url, receipt_key)
}

/// What a prover can make for an accomplice, without any code to anybody.
fn made_up(prover: &SigningKey, accomplice: &SigningKey) -> CpiCredential {
    CpiCredential {
        prover: "prover.example".to_owned(),
        cpi: Cpi::parse(NUMBER).unwrap(),
        msp: Msp::from_domain("evil.example").unwrap(),
        user_key: accomplice.public(),
        method: Method::SmsOtp,
        issued_at: now(),
        expires_at: now().plus(DEFAULT_LIFETIME),
        id: prover.to_seed()[..16].try_into().unwrap(),
    }
}

fn mapped(credential: CpiCredential, prover: &SigningKey, by: &SigningKey, fresh: bool) -> Vec<u8> {
    let (cpi, msp, expires_at) = (credential.cpi.clone(), credential.msp.clone(), credential.expires_at);
    let credential = Signed::sign(credential, prover);
    let mapping = Mapping {
        cpi,
        reachability: Reachability::At { msp, psi: None },
        tags: Tags::default(),
        seq: 1,
        credential_hash: credential.hash(),
        fresh,
        state: State::Live,
        issued_at: now(),
        expires_at,
    };
    VerifiedMapping::encode(&credential, &Signed::sign(mapping, by))
}

/// Prevented: without the user's key it maps no user's key anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_under_the_users_key_needs_the_user() {
    let scene = Scene::start().await;
    let (ann, prover) = (key(), provers_key(&scene));
    scene.publish("a.example", NUMBER, &ann).await;
    let before = scene.look_up(NUMBER).await;
    let credential = CpiCredential { user_key: ann.public(), ..made_up(&prover, &ann) };
    let forged = mapped(credential, &prover, &prover, false);
    let problem = store(&scene).publish(&forged).await.unwrap_err().problem.unwrap();
    assert_eq!(problem.problem_type, ProblemType::InvalidSignature);
    assert_eq!(scene.look_up(NUMBER).await.mappings, before.mappings);
}

/// Prevented: what its anchor does not grant it: another name, another method, a longer life.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_is_not_trusted_for_does_not_count() {
    let scene = Scene::start().await;
    let (prover, accomplice) = (provers_key(&scene), key());
    let honest = made_up(&prover, &accomplice);
    let year = std::time::Duration::from_secs(365 * 24 * 3600);
    for (credential, expected) in [
        (CpiCredential { prover: "other.example".to_owned(), ..honest.clone() }, ProblemType::UntrustedProver),
        (CpiCredential { expires_at: now().plus(year), ..honest.clone() }, ProblemType::LivesTooLong),
        (
            CpiCredential { issued_at: now().plus(year), expires_at: now().plus(year * 2), ..honest },
            ProblemType::NotYetValid,
        ),
    ] {
        let document = mapped(credential, &prover, &accomplice, false);
        let problem = store(&scene).publish(&document).await.unwrap_err().problem.unwrap();
        assert_eq!(problem.problem_type, expected);
        // The client's judgement is the same.
        let mut trust = read_trust(scene.description()).unwrap().provers;
        assert!(client::verify::verify(&document, &trust, now()).is_err());
        trust = protocol::trust::TrustAnchors::new(Vec::new());
        assert_eq!(client::verify::verify(&document, &trust, now()), Err(MappingError::UntrustedProver));
    }
}

/// Detected, and not prevented: a credential for anybody's number. Clients believe it beside the true one; that there are two
/// holders shows in every answer, and nothing is chosen between them but by the user.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_holder_shows_in_every_answer() {
    let scene = Scene::start().await;
    let (ann, prover, accomplice) = (key(), provers_key(&scene), key());
    scene.publish("a.example", NUMBER, &ann).await;
    store(&scene).publish(&mapped(made_up(&prover, &accomplice), &prover, &accomplice, false)).await.unwrap();
    let found = scene.look_up(NUMBER).await;
    assert_eq!((found.outcome, found.mappings.len()), (Outcome::SeveralHolders, 2));
    assert_eq!(client::choice::choose(&found, None, None, 0), None, "nobody is drawn to the thief by chance");
    assert!(found.mappings.iter().any(|mapping| *mapping.holder() == ann.public()));
}

/// Detected, and not prevented: a takeover. The true holder, who asks, learns of it from the store's notice; to everybody who
/// reads the change feed the credential names its prover, under the prover's own signature.
#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_is_told_to_whoever_was_displaced() {
    let scene = Scene::start().await;
    let (ann, prover, accomplice) = (key(), provers_key(&scene), key());
    let enrolled = scene.publish("a.example", NUMBER, &ann).await;
    // Times are whole seconds: the new credential must be later than the old one.
    while now() <= enrolled.credential().document().issued_at {
        tokio::task::yield_now().await;
    }
    store(&scene).publish(&mapped(made_up(&prover, &accomplice), &prover, &accomplice, true)).await.unwrap();
    let Found { outcome, mappings, .. } = scene.look_up(NUMBER).await;
    assert_eq!((outcome, mappings.len()), (Outcome::OneMapping, 1), "the lookup shows nothing to whoever did not know");
    assert_eq!(*mappings[0].holder(), accomplice.public());
    // The evidence: the prover has signed that this key has proven the number.
    assert_eq!(*mappings[0].prover_key(), prover.public());

    let query = ConflictQuery {
        cpi: Cpi::parse(NUMBER).unwrap(),
        provider: "provider.example".to_owned(),
        user_key: ann.public(),
        issued_at: now(),
    };
    let uri = format!("{}/v1/conflicts", scene.description().store_url).parse().unwrap();
    let query = Signed::sign(query, &ann).bytes().to_vec();
    let answer = scene.http(None).post(&uri, media::CONFLICT_QUERY, query.into()).await.unwrap();
    let receipt_key = read_trust(scene.description()).unwrap().provider.receipt_key;
    let notice = Unverified::<ConflictNotice>::parse(answer.body()).unwrap().verify(&receipt_key).unwrap();
    assert_eq!(notice.document().holder, ann.public().thumbprint());
}
