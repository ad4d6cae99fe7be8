//! What is logged and measured: never a number, an address or a code.

use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use protocol::problem::ProblemType;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tracing_subscriber::EnvFilter;

use crate::server::{Place, Server};
use crate::user::{another, challenged, offer, problem_type, request};

/// Everything that all tests of this process logged.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static CAPTURING: OnceLock<()> = OnceLock::new();

/// All that our own crates have to say, and the libraries' warnings, as `service` lets them through.
const FILTER: &str = "warn,id_prover=trace,service=trace,protocol=trace,documents=trace";

struct Sink;

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what is logged from here on.
pub(crate) fn capture() {
    CAPTURING.get_or_init(|| {
        tracing_subscriber::fmt().with_env_filter(EnvFilter::new(FILTER)).with_ansi(false).with_writer(|| Sink).init();
    });
}

fn logged() -> String {
    String::from_utf8(LOGGED.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
}

async fn metrics(server: &Server) -> String {
    let mut admin = TcpStream::connect(server.admin.unwrap()).await.unwrap();
    admin.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    admin.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    answer
}

#[tokio::test]
async fn no_identifier_and_no_code_is_logged_or_measured() {
    let place = Place::new();
    let tables = "[limits]\nper_cpi_hour = 1\n[admin]\naddress = '127.0.0.1:0'";
    let server = Server::start(&place, place.file_config(tables)).await;
    let msp = server.msp(&place);
    let mut secrets = vec!["4155559173".to_owned(), "hildegard".to_owned(), "bingen.example".to_owned()];
    for cpi in ["tel:+14155559173", "mailto:hildegard@bingen.example"] {
        let challenged = challenged(&place, &msp, cpi).await;
        let code = place.code();
        let wrong = another(&code);
        assert_eq!(problem_type(offer(&msp, &challenged, &wrong).await), ProblemType::WrongCode);
        offer(&msp, &challenged, &code).await.unwrap();
        assert_eq!(problem_type(msp.request(request(&place, cpi).bytes()).await), ProblemType::RateLimited);
        secrets.extend([code, wrong]);
    }
    std::fs::remove_dir_all(place.path("outbox")).unwrap();
    let failed = msp.request(request(&place, "mailto:hildegard@rupert.bingen.example").bytes()).await;
    assert_eq!(problem_type(failed), ProblemType::DeliveryFailed);
    let metrics = metrics(&server).await;
    server.stop().await;

    let logged = logged();
    for line in ["ID prover serving", "a message cannot be written to the outbox", "ID prover drained"] {
        assert!(logged.contains(line), "{line} is not in the log");
    }
    for line in [
        "id_prover_requests_total{outcome=\"new\"}",
        "id_prover_requests_total{outcome=\"rate-limited\"}",
        "id_prover_proofs_total{outcome=\"issued\"}",
        "id_prover_proofs_total{outcome=\"wrong-code\"}",
        "id_prover_deliveries_total{method=\"sms-otp\",outcome=\"delivered\"}",
        "id_prover_deliveries_total{method=\"email-otp\",outcome=\"unavailable\"}",
        "id_prover_limited_total{limit=\"cpi-hour\"}",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    for secret in secrets {
        assert!(!logged.contains(&secret), "{secret} is in the log");
        assert!(!metrics.contains(&secret), "{secret} is in the metrics");
    }
}
