//! What comes from the other end of a courier's connection, for the fuzz targets in `fuzz/`: only with the feature `fuzzing`,
//! which no other crate enables.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use rusmpp::pdus::{BindTransmitter, SubmitSm};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};

use crate::courier::smpp::session::{Session, Settings};
use crate::courier::webhook;

/// Holds whatever either side says at once.
const PIPE_BYTES: usize = 1 << 20;
/// `bind_transmitter_resp` to the first request: 17 octets, status 0, number 1, an empty name.
const BOUND: &[u8] = b"\0\0\0\x11\x80\0\0\x02\0\0\0\0\0\0\0\x01\0";

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime needs a few descriptors"));

/// Has a session bind and submit a message to an SMSC that says `answers` and goes. If they begin with a zero, it agrees to
/// the binding, and says what follows once it has the message.
///
/// # Panics
///
/// If the session does, or does not end.
pub fn smpp(answers: &[u8]) {
    let settings = Settings { window: 2, response: Duration::from_secs(60), enquire_link: Duration::from_secs(60) };
    RUNTIME.block_on(async {
        let (ours, mut theirs) = tokio::io::duplex(PIPE_BYTES);
        let bound = answers.strip_prefix(b"\0");
        theirs.write_all(bound.map_or(answers, |_| BOUND)).await.expect("it is open");
        if bound.is_none() {
            theirs.shutdown().await.expect("it is open");
        }
        let session = Session::bind(ours, BindTransmitter::default(), settings).await;
        assert!(bound.is_none() || session.is_ok(), "it does not take an agreement for one");
        let Ok(session) = session else { return };
        let submitter = session.submitter();
        let submitted = tokio::spawn(async move { submitter.submit(SubmitSm::default()).await });
        if let Some(answers) = bound {
            let mut submitted = [0; 16];
            // The binding comes first: its header, and its length in that.
            theirs.read_exact(&mut submitted).await.expect("the binding is sent");
            let [_, _, _, length, ..] = submitted;
            theirs.read_exact(&mut vec![0; usize::from(length) - 16]).await.expect("the binding is sent");
            theirs.read_exact(&mut submitted).await.expect("the message is sent");
            // It may have ended meanwhile.
            let _ = theirs.write_all(answers).await;
            let _ = theirs.shutdown().await;
        }
        let outcome = submitted.await;
        assert!(outcome.is_ok(), "submitting panicked");
        session.unbind().await;
    });
}

/// Has the webhook's client judge this answer.
///
/// # Panics
///
/// If it does.
pub fn webhook(answer: &[u8]) {
    RUNTIME.block_on(async {
        let (ours, mut theirs) = tokio::io::duplex(PIPE_BYTES);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.expect("it is open");
        let connection = tokio::spawn(connection);
        let request = Request::post("/sms").header("host", "sms.example").body(Full::new(Bytes::from_static(b"{}")));
        let judged = tokio::spawn(async move {
            let response = sender.send_request(request.expect("it is well-formed")).await;
            if let Ok(response) = response {
                let good = response.status().is_success();
                assert_eq!(webhook::takes_over(response).await, good);
            }
        });
        let mut request = [0; 32];
        theirs.read_exact(&mut request).await.expect("the request is sent");
        // It may have had enough.
        let _ = theirs.write_all(answer).await;
        let _ = theirs.shutdown().await;
        let outcome = judged.await;
        assert!(outcome.is_ok(), "judging panicked");
        connection.abort();
    });
}
