//! Two provers on one keyspace of a real node of Apache Cassandra: to MSPs and users they are one. What is spent at one is spent at
//! both, also when both are asked at the same moment; and when one of them is killed.

mod storm;

use std::sync::Arc;
use std::time::Duration;

use cassandra_fixture::Cluster as Nodes;
use client::enrollment::Challenged;
use client::error::Error;
use client::msp::ProverConnection;
use futures_util::future::join_all;
use id_prover::command::{self, Schema};
use id_prover::config::ClusterConfig;
use id_prover::{Config, Prover};
use protocol::problem::ProblemType;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::{Place, Server};
use crate::user::{another, challenged, offer, problem, problem_type, request};
use storm::one_is_killed_over_and_over;

/// For what must come.
const DEADLINE: Duration = Duration::from_secs(300);
const KEYS: [&str; 3] = ["signing.key", "hpke.key", "code.key"];

/// Two servers with state folders of their own, and the same keys in them.
struct Two {
    place: Place,
    configs: [Config; 2],
    servers: [Server; 2],
}

impl Two {
    async fn start(nodes: &[String], keyspace: &str, tables: &str) -> Self {
        let place = Place::new();
        let configs = configs(&place, nodes, keyspace, tables).await;
        let servers =
            [Server::start(&place, configs[0].clone()).await, Server::start(&place, configs[1].clone()).await];
        Self { place, configs, servers }
    }

    fn msps(&self) -> [ProverConnection; 2] {
        [self.servers[0].msp(&self.place), self.servers[1].msp(&self.place)]
    }

    /// Messages to this CPI.
    fn letters(&self, cpi: &str) -> Vec<String> {
        self.place.letters().into_iter().filter(|letter| letter.to == cpi).map(|letter| letter.code).collect()
    }

    async fn challenged(&self, by: usize, cpi: &str) -> (Arc<Challenged>, String) {
        let challenged = challenged(&self.place, &self.msps()[by], cpi).await;
        // Names of messages sort by age only among those of one prover: the two begin to count at the same moment.
        let id = challenged.id().to_string();
        let letters: Vec<_> = self.place.letters().into_iter().filter(|letter| letter.enrollment == id).collect();
        let [letter] = letters.as_slice() else { panic!("{} messages for one enrollment", letters.len()) };
        assert_eq!(letter.to, cpi);
        (Arc::new(challenged), letter.code.clone())
    }

    /// What the audit trail of the cluster says of an enrollment; it is verified by the way.
    async fn audit(&self, challenged: &Challenged) -> Vec<String> {
        let (config, id) = (self.configs[0].clone(), challenged.id().to_string());
        let lines = tokio::task::spawn_blocking(move || {
            let mut out = Vec::new();
            command::audit(&config, Some(&id), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        });
        lines.await.unwrap().lines().filter(|line| line.contains(" enrollment=")).map(str::to_owned).collect()
    }

    async fn stop(self) {
        for server in self.servers {
            server.stop().await;
        }
    }
}

fn count(lines: &[String], event: &str) -> usize {
    lines.iter().filter(|line| line.contains(&format!(" {event} enrollment="))).count()
}

/// The settings of two provers, over a keyspace that is made here.
async fn configs(place: &Place, nodes: &[String], keyspace: &str, tables: &str) -> [Config; 2] {
    let mut first = place.file_config(tables);
    let cluster = ClusterConfig::of(nodes.to_vec(), keyspace);
    // On a machine with much else to do.
    first.cluster = Some(ClusterConfig { request_timeout_ms: 20_000, connect_timeout_ms: 20_000, ..cluster });
    let second = Config { state_folder: place.path("second-state"), ..first.clone() };
    let config = first.clone();
    let made = tokio::task::spawn_blocking(move || {
        command::schema(&config, Schema { replication: 1, buckets: 4, replace_code_key: false }, &mut Vec::new())
    });
    made.await.unwrap().unwrap();
    share_keys(&first, &second);
    [first, second]
}

fn share_keys(first: &Config, second: &Config) {
    std::fs::create_dir(&second.state_folder).unwrap();
    for key in KEYS {
        std::fs::copy(first.state_folder.join(key), second.state_folder.join(key)).unwrap();
    }
}

async fn offer_to(msp: ProverConnection, challenged: Arc<Challenged>, code: String) -> Result<Vec<u8>, Error> {
    offer(&msp, &challenged, &code).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_provers_are_one() {
    if cassandra_fixture::is_skipped("two ID Provers over Apache Cassandra") {
        return;
    }
    let cluster = tokio::task::spawn_blocking(|| Nodes::start(1)).await.unwrap();
    let nodes = cluster.contact_points();
    let two = Two::start(&nodes, "two", "").await;
    enrolled_at_one_and_proven_at_the_other(&two).await;
    wrong_codes_by_turns(&two).await;
    wrong_codes_at_the_same_moment(&two).await;
    one_request_at_both_at_once_is_one_message(&two).await;
    two_right_codes_at_once_are_one_credential(&two).await;
    a_right_code_among_wrong_ones_at_once(&two).await;
    let two = one_is_started_again(two).await;
    two.stop().await;
    a_limit_holds_for_both_together(&nodes).await;
    other_keys_are_refused(&nodes).await;
    one_is_killed_over_and_over(&nodes).await;
    without_the_cluster_nothing_is_sent(&nodes, cluster).await;
}

async fn enrolled_at_one_and_proven_at_the_other(two: &Two) {
    let cpi = "tel:+14155550101";
    let (challenged, code) = two.challenged(0, cpi).await;
    let [one, other] = two.msps();
    let credential = offer(&other, &challenged, &code).await.unwrap();
    assert_eq!(offer(&one, &challenged, &code).await.unwrap(), credential);
    let lines = two.audit(&challenged).await;
    let events: Vec<_> = lines.iter().map(|line| line.split(' ').nth(2).unwrap()).collect();
    assert_eq!(events, ["requested", "delivered", "tried", "proven"]);
    let enrolled = Arc::into_inner(challenged).unwrap().credential(&credential, &two.place.trust()).unwrap();
    assert_eq!(enrolled.credential().document().cpi.as_str(), cpi);
}

async fn wrong_codes_by_turns(two: &Two) {
    let (challenged, code) = two.challenged(0, "tel:+14155550102").await;
    let wrong = another(&code);
    for (turn, left) in [4, 3, 2, 1, 0].into_iter().enumerate() {
        let refused = problem(offer(&two.msps()[turn % 2], &challenged, &wrong).await);
        assert_eq!((refused.problem_type, refused.tries_left), (ProblemType::WrongCode, Some(left)));
    }
    for msp in two.msps() {
        assert_eq!(problem_type(offer(&msp, &challenged, &code).await), ProblemType::EnrollmentLocked);
    }
    let lines = two.audit(&challenged).await;
    assert_eq!([count(&lines, "tried"), count(&lines, "wrong-code"), count(&lines, "locked")], [5, 4, 1]);
}

async fn wrong_codes_at_the_same_moment(two: &Two) {
    const TRIES: usize = 5;
    for round in 0..3 {
        let (challenged, code) = two.challenged(round % 2, &format!("tel:+1415555011{round}")).await;
        let offering =
            (0..16).map(|n| tokio::spawn(offer_to(two.msps()[n % 2].clone(), Arc::clone(&challenged), another(&code))));
        let answers = join_all(offering.collect::<Vec<_>>()).await;
        let problems: Vec<_> = answers.into_iter().map(|answer| problem(answer.unwrap())).collect();
        let of = |wanted: ProblemType| problems.iter().filter(|problem| problem.problem_type == wanted).count();
        assert_eq!(of(ProblemType::WrongCode) + of(ProblemType::EnrollmentLocked), 16, "{problems:?}");
        assert_eq!(of(ProblemType::WrongCode), TRIES, "{problems:?}");
        for msp in two.msps() {
            assert_eq!(problem_type(offer(&msp, &challenged, &code).await), ProblemType::EnrollmentLocked);
        }
        let lines = two.audit(&challenged).await;
        assert_eq!([count(&lines, "tried"), count(&lines, "locked"), count(&lines, "proven")], [TRIES, 1, 0]);
    }
}

async fn one_request_at_both_at_once_is_one_message(two: &Two) {
    for round in 0..4 {
        let cpi = format!("tel:+1415555012{round}");
        let request = Arc::new(request(&two.place, &cpi));
        let asking = (0..6).map(|n| {
            let (msp, request) = (two.msps()[n % 2].clone(), Arc::clone(&request));
            tokio::spawn(async move { msp.request(request.bytes()).await.unwrap() })
        });
        let challenges: Vec<_> = join_all(asking.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
        assert!(challenges.iter().all(|challenge| *challenge == challenges[0]));
        assert_eq!(two.letters(&cpi).len(), 1);
    }
}

async fn two_right_codes_at_once_are_one_credential(two: &Two) {
    for round in 0..4 {
        let (challenged, code) = two.challenged(round % 2, &format!("tel:+1415555013{round}")).await;
        let offering =
            (0..4).map(|n| tokio::spawn(offer_to(two.msps()[n % 2].clone(), Arc::clone(&challenged), code.clone())));
        let credentials: Vec<_> =
            join_all(offering.collect::<Vec<_>>()).await.into_iter().map(|offered| offered.unwrap().unwrap()).collect();
        assert!(credentials.iter().all(|credential| *credential == credentials[0]));
        assert_eq!(count(&two.audit(&challenged).await, "proven"), 1);
    }
}

/// Whatever comes in between, a right code that a try was spent on is taken.
async fn a_right_code_among_wrong_ones_at_once(two: &Two) {
    for round in 0..3 {
        let (challenged, code) = two.challenged(round % 2, &format!("tel:+1415555014{round}")).await;
        // As many as there are tries.
        let offering = (0..5).map(|n| {
            let offered = if n == round { code.clone() } else { another(&code) };
            tokio::spawn(offer_to(two.msps()[n % 2].clone(), Arc::clone(&challenged), offered))
        });
        let answers: Vec<_> = join_all(offering.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        let lines = two.audit(&challenged).await;
        assert_eq!([count(&lines, "proven"), count(&lines, "locked")], [1, 0]);
        assert!(count(&lines, "tried") <= 5);
    }
}

async fn one_is_started_again(two: Two) -> Two {
    let cpi = "tel:+14155550151";
    let request = request(&two.place, cpi);
    let [one, _] = two.msps();
    let challenge = one.request(request.bytes()).await.unwrap();
    let (locked, code) = two.challenged(0, "tel:+14155550152").await;
    for _ in 0..5 {
        assert!(offer(&one, &locked, &another(&code)).await.is_err());
    }
    let Two { place, configs, servers: [one, other] } = two;
    one.stop().await;
    let two = Two { servers: [Server::start(&place, configs[0].clone()).await, other], place, configs };
    for msp in two.msps() {
        assert_eq!(msp.request(request.bytes()).await.unwrap(), challenge);
        assert_eq!(problem_type(offer(&msp, &locked, &code).await), ProblemType::EnrollmentLocked);
    }
    assert_eq!(two.letters(cpi).len(), 1);
    two
}

async fn a_limit_holds_for_both_together(nodes: &[String]) {
    const MESSAGES: usize = 7;
    let tables = "[limits]\nper_cpi_hour = 7\nper_cpi_day = 1000\nper_cpi_and_msp_hour = 1000\nper_cpi_and_msp_day = 1000\n\
                  wrong_codes_per_cpi = { count = 2, seconds = 3600 }";
    let two = Two::start(nodes, "limits", tables).await;
    let cpi = "tel:+14155550161";
    let ask_at_once = async || {
        let asking = (0..24).map(|n| {
            let (msp, request) = (two.msps()[n % 2].clone(), request(&two.place, cpi));
            tokio::spawn(async move { msp.request(request.bytes()).await })
        });
        let answers: Vec<_> = join_all(asking.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
        let permitted = answers.iter().filter(|answer| answer.is_ok()).count();
        for refused in answers.into_iter().filter(Result::is_err) {
            assert_eq!(problem_type(refused), ProblemType::RateLimited);
        }
        permitted
    };
    assert_eq!(ask_at_once().await, MESSAGES);
    assert_eq!(two.letters(cpi).len(), MESSAGES);
    // A seventh of an hour is one more, for both together.
    two.place.advance(Duration::from_secs(3600 / 7 + 1));
    assert_eq!(ask_at_once().await, 1);

    // Wrong codes: two, and then the first of each enrollment alone.
    let (first, code) = two.challenged(0, "tel:+14155550162").await;
    let [one, other] = two.msps();
    for (msp, wanted) in [
        (&one, ProblemType::WrongCode),
        (&other, ProblemType::WrongCode),
        (&one, ProblemType::RateLimited),
        (&other, ProblemType::RateLimited),
    ] {
        assert_eq!(problem_type(offer(msp, &first, &another(&code)).await), wanted);
    }
    let (second, code) = two.challenged(1, "tel:+14155550162").await;
    offer(&one, &second, &code).await.unwrap();
    two.stop().await;
}

async fn other_keys_are_refused(nodes: &[String]) {
    let place = Place::new();
    let [first, second] = configs(&place, nodes, "keys", "").await;
    std::fs::remove_file(second.state_folder.join("code.key")).unwrap();
    let error = Prover::open(second, place.clock()).await.err().unwrap().to_string();
    assert!(error.contains("code.key"), "{error}");
    let without_schema = Config { cluster: Some(ClusterConfig::of(nodes.to_vec(), "nothing")), ..first };
    let error = Prover::open(without_schema, place.clock()).await.err().unwrap().to_string();
    assert!(error.contains("id-prover schema"), "{error}");
}

async fn without_the_cluster_nothing_is_sent(nodes: &[String], mut cluster: Nodes) {
    let place = Place::new();
    let [mut config, _] = configs(&place, nodes, "down", "[admin]\naddress = '127.0.0.1:0'").await;
    if let Some(cluster) = &mut config.cluster {
        cluster.request_timeout_ms = 3000;
    }
    let server = Server::start(&place, config).await;
    let msp = server.msp(&place);
    let (open, code) = {
        let challenged = challenged(&place, &msp, "tel:+14155550171").await;
        (challenged, place.code())
    };
    let admin = server.admin.unwrap();
    assert!(is_ready(admin).await);
    tokio::task::spawn_blocking(move || {
        cluster.nodes()[0].kill();
        cluster
    })
    .await
    .unwrap();
    let refused = msp.request(request(&place, "tel:+14155550172").bytes()).await.unwrap_err();
    assert!(refused.retry_after.is_some());
    assert_eq!(problem_type::<()>(Err(refused)), ProblemType::Unavailable);
    assert_eq!(problem_type(offer(&msp, &open, &code).await), ProblemType::Unavailable);
    assert_eq!(place.letters().len(), 1);
    let noticed = async {
        while is_ready(admin).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, noticed).await.unwrap();
    server.stop().await;
}

async fn is_ready(admin: std::net::SocketAddr) -> bool {
    let mut connection = TcpStream::connect(admin).await.unwrap();
    connection.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer.starts_with("HTTP/1.1 200")
}
