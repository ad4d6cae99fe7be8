//! A scraper: it asks for all numbers of a range, as fast as it is let, from one address and from several.

#![allow(clippy::print_stdout, reason = "what it gets is for people to compare with the settings")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use protocol::cpi::Cpi;
use protocol::lookup::{Answer, LookupRequest};

use crate::between::post_from;
use crate::system::parties::{PROVIDER, Settings, System, Who};

/// What the relay is set to: capsules of one address in so many seconds, in a burst of as many.
const COUNT: u32 = 20;
const SECONDS: u32 = 600;
const CPIS: usize = 64;

/// One scraper's address.
struct Scraper {
    address: IpAddr,
    next: u32,
    got: usize,
}

impl Scraper {
    fn new(last: u8) -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::new(127, 88, 7, last)), next: 0, got: 0 }
    }

    /// Asks for the next 64 numbers; whether they were answered.
    async fn ask(&mut self, system: &System, ca: &[u8], keys: &[u8]) -> bool {
        let cpis: Vec<_> = (self.next..).take(CPIS).map(|n| format!("tel:+1415{:07}", 2_000_000 + n)).collect();
        let cpis = cpis.iter().map(|cpi| Cpi::parse(cpi).unwrap()).collect();
        let question = LookupRequest::new(cpis, None).unwrap().encode();
        let question = Request::post(format!("https://{PROVIDER}/v1/lookup"))
            .header("content-type", "application/cbor")
            .body(Bytes::from(question))
            .unwrap();
        let (capsule, opener) = client::oblivious::encapsulate(&question, 16 * 1024, keys).unwrap();
        let request = Request::post("/").header("host", PROVIDER).header("content-type", "message/ohttp-req");
        let request = request.body(Full::new(Bytes::from(capsule))).unwrap();
        let (relay, name) = (system.address(Who::Relay), system.name(Who::Relay));
        let answer = post_from(self.address, relay, &name, ca, request).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            assert!(answer.headers().contains_key("retry-after"));
            return false;
        }
        let answer = opener.open(answer.body()).unwrap();
        self.got += Answer::decode(answer.body()).unwrap().entries.len();
        self.next += u32::try_from(CPIS).unwrap();
        true
    }
}

/// R8: from one address it gets what the settings say, and no more. Prevented it is not: each further address gets as many,
/// until the limit of all together; that is what the figure bounds, and what alerts are for.
#[tokio::test(flavor = "multi_thread")]
async fn r08_a_scraper_gets_what_the_settings_say_and_no_more() {
    let limits =
        format!("per_address = {{ count = {COUNT}, seconds = {SECONDS} }}\ntotal = {{ count = 55, seconds = 600 }}");
    let system = System::start(8, Settings { relay_limits: limits, ..Settings::default() }).await;
    let ca = std::fs::read(system.authority.path()).unwrap();
    let http = client::http::HttpClient::new(
        &client::http::TlsIdentity { ca_pem: ca.clone(), client: None },
        client::http::Bounds::default(),
    );
    let listed = http.unwrap().get(&system.keys_url().parse().unwrap(), "application/ohttp-keys").await.unwrap();
    let keys = client::oblivious::select(listed.body()).unwrap();

    let begun = Instant::now();
    let mut one = Scraper::new(1);
    let mut refused = 0;
    while refused < 40 {
        refused += usize::from(!one.ask(&system, &ca, &keys).await);
    }
    // A burst, and what is refilled in the time that it took.
    let refilled = usize::try_from(begun.elapsed().as_secs()).unwrap() * COUNT as usize / SECONDS as usize + 1;
    let (burst, most) = (COUNT as usize * CPIS, (COUNT as usize + refilled) * CPIS);
    let an_hour = CPIS as u64 * u64::from(COUNT) * 3600 / u64::from(SECONDS);
    println!(
        "one address: {} identifiers in {:.1} s, where {burst} at once and {an_hour} an hour are configured",
        one.got,
        begun.elapsed().as_secs_f32()
    );
    assert!((burst..=most).contains(&one.got), "{} identifiers, where {burst} to {most} are configured", one.got);

    // Others are not held up by it; each gets as much, until all together are refused.
    let mut others: Vec<_> = (2..6).map(Scraper::new).collect();
    for scraper in &mut others {
        while scraper.ask(&system, &ca, &keys).await {}
    }
    assert!(others[0].got >= burst, "a second address has a budget of its own: {}", others[0].got);
    let all = one.got + others.iter().map(|scraper| scraper.got).sum::<usize>();
    let refilled = usize::try_from(begun.elapsed().as_secs()).unwrap() * 55 / 600 + 1;
    assert!(all <= (55 + refilled) * CPIS, "{all} identifiers");
    assert_eq!(others[3].got, 0, "the limit of all together is reached");
}
