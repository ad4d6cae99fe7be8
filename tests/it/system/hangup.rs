//! SIGHUP, which operators send to services by habit.

use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::net::TcpSocket;

use super::parties::{Settings, System, Who};
use super::people::People;
use crate::between::shake_hands;

/// Half of the time after which certificates are looked at without being told.
const AT_ONCE: Duration = Duration::from_secs(30);
const DAY: i64 = 24 * 3600;

/// The certificate that a party shows.
async fn shown(system: &System, who: Who) -> Vec<u8> {
    let ca = std::fs::read(system.authority.path()).unwrap();
    // Whether it wants a certificate of ours is told later.
    let socket = TcpSocket::new_v4().unwrap();
    let stream = shake_hands(socket, system.address(who), &system.name(who), &ca).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(AT_ONCE, waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_ends_no_service_and_has_certificates_read_again() {
    let mut system = System::start(7, Settings::default()).await;
    for who in Who::ALL {
        let before = shown(&system, who).await;
        system.renew_certificate(who, DAY);
        system.signal(who, "HUP");
        until(&format!("{who:?} takes up its certificate"), || system.reloads(who, true) == 1).await;
        let after = shown(&system, who).await;
        assert_ne!(before, after, "{who:?}");

        // What cannot be used changes nothing.
        let file = system.path(&format!("{}.pem", who.binary()));
        let good = std::fs::read(&file).unwrap();
        std::fs::write(&file, "no certificate").unwrap();
        system.signal(who, "HUP");
        until(&format!("{who:?} complains"), || system.log(who).contains("the old ones stay")).await;
        std::fs::write(&file, good).unwrap();
        assert_eq!(shown(&system, who).await, after, "{who:?}");
    }
    system.assert_all_running();

    let (people, mut rng) = (People::new(&system), StdRng::seed_from_u64(7));
    assert!(people.change(&mut rng).await);
    people.look_everybody_up(&mut rng, true).await;
    for who in [Who::Relay, Who::Gateway, Who::Store, Who::Prover] {
        system.stop(who).await;
    }
}
