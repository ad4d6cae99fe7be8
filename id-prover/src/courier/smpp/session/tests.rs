//! The other side is written here PDU by PDU; `tests/it/smpp.rs` has one that shares no code with ours.

use rusmpp::pdus::{BindTransmitterResp, SubmitSmResp};
use tokio::io::DuplexStream;

use super::*;

const SETTINGS: Settings =
    Settings { window: 2, response: Duration::from_secs(60), enquire_link: Duration::from_secs(60) };
/// For those that wait until it gives up.
const IMPATIENT: Settings =
    Settings { window: 2, response: Duration::from_secs(2), enquire_link: Duration::from_millis(20) };

/// A bound session, and its other side.
async fn bound() -> (Session, Link<DuplexStream>) {
    bound_with(SETTINGS).await
}

async fn bound_with(settings: Settings) -> (Session, Link<DuplexStream>) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let mut smsc = Link::new(theirs, Duration::from_secs(10));
    let binding = tokio::spawn(Session::bind(ours, BindTransmitter::default(), settings));
    let bind = smsc.receive().await.unwrap();
    assert_eq!(bind.id(), CommandId::BindTransmitter);
    smsc.answer(bind.sequence_number(), BindTransmitterResp::default()).await.unwrap();
    (binding.await.unwrap().unwrap(), smsc)
}

fn submit(session: &Session) -> JoinHandle<Result<(), SubmitError>> {
    let submitter = session.submitter();
    tokio::spawn(async move { submitter.submit(SubmitSm::default()).await })
}

async fn received(smsc: &mut Link<DuplexStream>, id: CommandId) -> u32 {
    let command = smsc.receive().await.unwrap();
    assert_eq!(command.id(), id);
    command.sequence_number()
}

#[tokio::test]
async fn answers_are_matched_by_number() {
    let (session, mut smsc) = bound().await;
    let first = submit(&session);
    let first_number = received(&mut smsc, CommandId::SubmitSm).await;
    let second = submit(&session);
    let second_number = received(&mut smsc, CommandId::SubmitSm).await;
    assert_ne!(first_number, second_number);
    for (number, status) in [(second_number, CommandStatus::EsmeRthrottled), (first_number, CommandStatus::EsmeRok)] {
        smsc.send(Command::new(status, number, SubmitSmResp::default())).await.unwrap();
    }
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(()), Err(SubmitError::Busy)));
}

#[tokio::test]
async fn a_refusal_says_why() {
    let (session, mut smsc) = bound().await;
    let refused = submit(&session);
    let number = received(&mut smsc, CommandId::SubmitSm).await;
    smsc.send(Command::new(CommandStatus::EsmeRinvdstadr, number, SubmitSmResp::default())).await.unwrap();
    assert_eq!(refused.await.unwrap(), Err(SubmitError::Refused(11)));
    let nacked = submit(&session);
    let number = received(&mut smsc, CommandId::SubmitSm).await;
    smsc.send(Command::new(CommandStatus::EsmeRinvcmdid, number, Pdu::GenericNack)).await.unwrap();
    assert_eq!(nacked.await.unwrap(), Err(SubmitError::Refused(3)));
}

/// SMPP 3.4 §4.4.2: without success, the answer to submit_sm has no body.
#[tokio::test]
async fn a_refusal_without_a_body_is_understood() {
    let (session, mut smsc) = bound().await;
    let refused = submit(&session);
    let number = received(&mut smsc, CommandId::SubmitSm).await;
    let header = [[0, 0, 0, 16], [0x80, 0, 0, 4], [0, 0, 0, 11], number.to_be_bytes()].concat();
    smsc.stream.write_all(&header).await.unwrap();
    assert_eq!(refused.await.unwrap(), Err(SubmitError::Refused(11)));
}

#[tokio::test]
async fn further_messages_wait_for_the_window() {
    let (session, mut smsc) = bound().await;
    let submitting = [submit(&session), submit(&session), submit(&session)];
    let first = received(&mut smsc, CommandId::SubmitSm).await;
    received(&mut smsc, CommandId::SubmitSm).await;
    // The third is not among what the task has written: a question of ours is answered first.
    smsc.request(Pdu::EnquireLink).await.unwrap();
    received(&mut smsc, CommandId::EnquireLinkResp).await;
    smsc.answer(first, SubmitSmResp::default()).await.unwrap();
    received(&mut smsc, CommandId::SubmitSm).await;
    drop(smsc);
    let mut outcomes = Vec::new();
    for submitting in submitting {
        outcomes.push(submitting.await.unwrap());
    }
    outcomes.sort_by_key(Result::is_err);
    assert_eq!(outcomes, [Ok(()), Err(SubmitError::Lost), Err(SubmitError::Lost)]);
}

#[tokio::test]
async fn a_silent_link_is_asked_after_and_then_dropped() {
    let (session, mut smsc) = bound_with(IMPATIENT).await;
    let number = received(&mut smsc, CommandId::EnquireLink).await;
    smsc.answer(number, Pdu::EnquireLinkResp).await.unwrap();
    received(&mut smsc, CommandId::EnquireLink).await;
    assert!(session.is_open());
    assert_eq!(smsc.receive().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(session.submitter().submit(SubmitSm::default()).await, Err(SubmitError::NoSession));
}

#[tokio::test]
async fn a_message_without_an_answer_is_given_up() {
    let (session, mut smsc) = bound_with(Settings { enquire_link: Duration::from_secs(60), ..IMPATIENT }).await;
    let lost = submit(&session);
    received(&mut smsc, CommandId::SubmitSm).await;
    assert_eq!(lost.await.unwrap(), Err(SubmitError::Lost));
}

#[tokio::test]
async fn what_cannot_be_read_ends_the_session() {
    let (session, mut smsc) = bound().await;
    let lost = submit(&session);
    received(&mut smsc, CommandId::SubmitSm).await;
    smsc.stream.write_all(&[0xff; 16]).await.unwrap();
    assert_eq!(lost.await.unwrap(), Err(SubmitError::Lost));
    session.task.await.unwrap();
}

#[tokio::test]
async fn it_unbinds_at_the_end_and_lets_the_other_side_do_so() {
    let (session, mut smsc) = bound().await;
    let ending = tokio::spawn(session.unbind());
    let number = received(&mut smsc, CommandId::Unbind).await;
    smsc.answer(number, Pdu::UnbindResp).await.unwrap();
    ending.await.unwrap();

    let (session, mut smsc) = bound().await;
    smsc.request(Pdu::Unbind).await.unwrap();
    received(&mut smsc, CommandId::UnbindResp).await;
    session.task.await.unwrap();
}

#[tokio::test]
async fn a_refused_bind_makes_no_session() {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let mut smsc = Link::new(theirs, Duration::from_secs(10));
    let binding = tokio::spawn(Session::bind(ours, BindTransmitter::default(), SETTINGS));
    let number = received(&mut smsc, CommandId::BindTransmitter).await;
    smsc.send(Command::new(CommandStatus::EsmeRinvpaswd, number, BindTransmitterResp::default())).await.unwrap();
    assert_eq!(binding.await.unwrap().err(), Some(SubmitError::NoSession));
}
