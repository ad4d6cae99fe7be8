//! Several relays of one gateway: each gets its share, one that fails is passed over.

use client::Fault;
use client::lookup::Client;
use http::StatusCode;
use ohttp::hpke::Kem;

use crate::fixtures::{NOW, cpi, document, trust};
use crate::server::{Manner, Server, listed, new_key, signed_keys};

/// Servers with one key among them, and a client of all.
async fn several<const N: usize>() -> ([Server; N], Client) {
    let key = new_key(1, Kem::X25519Sha256);
    let mut servers = Vec::new();
    for _ in 0..N {
        let server = Server::with_key(&key).await;
        server.publish(cpi(), vec![document("mimi://a.example", &[])]);
        servers.push(server);
    }
    let servers: [Server; N] = servers.try_into().unwrap_or_else(|_| unreachable!("N were started"));
    let ca_pem = servers.iter().flat_map(|server| server.ca_pem().to_vec()).collect();
    let first = servers[0].relay();
    let lookup = "https://provider.example/v1/lookup".parse().unwrap();
    let mut builder = Client::builder(first.capsules, first.keys, lookup, trust(), ca_pem).clock(|| NOW);
    for server in &servers[1..] {
        builder = builder.relay(server.relay());
    }
    (servers, builder.build().unwrap())
}

#[tokio::test]
async fn requests_are_spread() {
    let (servers, client) = several::<3>().await;
    for _ in 0..90 {
        assert_eq!(client.lookup(&[cpi()], |_| ()).await.unwrap()[0].mappings.len(), 1);
    }
    let shares = servers.each_ref().map(Server::capsules);
    assert_eq!(shares.iter().sum::<usize>(), 90);
    // Not one relay by chance, short of one in ten to the fifteenth.
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    assert_eq!(
        servers.iter().map(Server::key_fetches).sum::<usize>(),
        1,
        "the keys are the gateway's, not the relay's"
    );
}

#[tokio::test]
async fn a_failing_relay_is_passed_over_and_left_alone() {
    for manner in [
        Manner::Relay(StatusCode::INTERNAL_SERVER_ERROR, None),
        Manner::Relay(StatusCode::TOO_MANY_REQUESTS, Some("60")),
        Manner::Relay(StatusCode::SERVICE_UNAVAILABLE, Some("18446744073709551615")),
        Manner::CutConnection,
        Manner::NoCapsule,
    ] {
        let ([failing, good], client) = several::<2>().await;
        failing.always(manner);
        for _ in 0..40 {
            assert_eq!(client.lookup(&[cpi()], |_| ()).await.unwrap()[0].mappings.len(), 1);
        }
        assert_eq!((failing.capsules(), good.capsules()), (1, 40));
    }
}

/// A relay that serves spoiled keys is no worse than one that does not answer.
#[tokio::test]
async fn spoiled_keys_are_fetched_elsewhere() {
    let ([spoiling, good], client) = several::<2>().await;
    spoiling.serve_keys(signed_keys(listed(&[new_key(1, Kem::X25519Sha256)]), 8, NOW));
    for _ in 0..20 {
        assert!(client.lookup(&[cpi()], |_| ()).await.is_ok());
    }
    assert!(good.capsules() > 0);
}

/// Nor is one whose copy is of keys that the gateway does not have any more.
#[tokio::test]
async fn keys_that_are_gone_are_fetched_elsewhere() {
    // Which relay is asked first is chance: in one of twelve it is this one, short of one in four thousand.
    for _ in 0..12 {
        let ([behind, good], client) = several::<2>().await;
        behind.serve_keys(signed_keys(listed(&[new_key(2, Kem::X25519Sha256)]), 9, NOW));
        assert_eq!(client.lookup(&[cpi()], |_| ()).await.unwrap()[0].mappings.len(), 1);
        assert!(behind.capsules() == 0 || (behind.capsules(), good.capsules(), good.key_fetches()) == (2, 2, 1));
    }
}

/// What is no fault of the relay's is not blamed on it, and not asked a second time elsewhere.
#[tokio::test]
async fn other_faults_are_not_the_relays() {
    let (servers, client) = several::<2>().await;
    for server in &servers {
        server.always(Manner::Gateway(StatusCode::TOO_MANY_REQUESTS, Some("5")));
    }
    assert_eq!(client.lookup(&[cpi()], |_| ()).await.unwrap_err().fault, Fault::Gateway);
    assert_eq!(servers.iter().map(Server::capsules).sum::<usize>(), 1);
}

#[tokio::test]
async fn when_all_fail_three_are_tried() {
    let (servers, client) = several::<4>().await;
    for server in &servers {
        server.always(Manner::Relay(StatusCode::BAD_GATEWAY, None));
    }
    assert_eq!(client.lookup(&[cpi()], |_| ()).await.unwrap_err().fault, Fault::Relay);
    assert_eq!(servers.iter().map(Server::capsules).sum::<usize>(), 3);
    for server in &servers {
        server.always(Manner::Well);
    }
    assert!(client.lookup(&[cpi()], |_| ()).await.is_ok(), "resting is no reason to give up");
}
