//! One SMPP session: a task that owns the connection, gives each PDU its number, and matches the answers.
//!
//! Messages wait while as many are unanswered as the window allows. The link is asked after in silence; one that does not
//! answer is dropped, and so is one that says what cannot be read. A message whose answer is missing when the link drops may
//! have been sent ([`SubmitError::Lost`]). When nobody can submit any more, the session unbinds.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use rusmpp::pdus::{BindTransmitter, DeliverSmResp, SubmitSm};
use rusmpp::tokio_codec::CommandCodec;
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::codec::{Decoder as _, Encoder as _};

use crate::courier::CourierError;
use crate::courier::attempts::Failure;

/// The longest PDU that is read, in bytes.
const MAX_PDU_BYTES: usize = 8192;

/// How a session behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Messages without an answer at once.
    pub(crate) window: usize,
    /// How long an answer may take.
    pub(crate) response: Duration,
    /// How long the link may be silent before it is asked after.
    pub(crate) enquire_link: Duration,
}

/// Why a message was not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SubmitError {
    /// There is no session, and none could be made: nothing was sent.
    #[error("no session with the SMSC")]
    NoSession,
    /// The SMSC has too much to do.
    #[error("the SMSC has too much to do")]
    Busy,
    /// The SMSC refuses with this status.
    #[error("the SMSC refuses with status {0}")]
    Refused(u32),
    /// The answer is missing: it may have been sent.
    #[error("the SMSC did not answer")]
    Lost,
}

impl SubmitError {
    pub(crate) const fn failure(self) -> Failure {
        match self {
            Self::NoSession | Self::Busy => Failure::Passing { after: Duration::ZERO },
            Self::Refused(_) => Failure::Final(CourierError::Refused),
            Self::Lost => Failure::InDoubt,
        }
    }
}

/// A bound session.
pub(crate) struct Session {
    jobs: mpsc::Sender<Job>,
    task: JoinHandle<()>,
}

/// A way into a session.
pub(crate) struct Submitter {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    pdu: SubmitSm,
    answer: oneshot::Sender<CommandStatus>,
}

impl Session {
    /// Binds as a transmitter.
    ///
    /// # Errors
    ///
    /// [`SubmitError::NoSession`] if the SMSC does not agree within the time for an answer.
    pub(crate) async fn bind<S>(stream: S, bind: BindTransmitter, settings: Settings) -> Result<Self, SubmitError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut link = Link::new(stream, settings.response);
        let bound = tokio::time::timeout(settings.response, link.bind(bind)).await;
        match bound {
            Ok(Ok(CommandStatus::EsmeRok)) => {}
            Ok(Ok(status)) => {
                tracing::warn!(status = u32::from(status), "an SMSC refused to bind");
                return Err(SubmitError::NoSession);
            }
            Ok(Err(_)) | Err(_) => return Err(SubmitError::NoSession),
        }
        let (jobs, waiting) = mpsc::channel(settings.window);
        let work = Work { link, pending: HashMap::new(), settings, enquiring: false };
        let task = tokio::spawn(async move {
            if let Err(error) = work.run(waiting).await {
                tracing::warn!(kind = %error.kind(), "an SMPP session ended");
            }
        });
        Ok(Self { jobs, task })
    }

    /// Whether it can still be used.
    pub(crate) fn is_open(&self) -> bool {
        !self.jobs.is_closed()
    }

    pub(crate) fn submitter(&self) -> Submitter {
        Submitter { jobs: self.jobs.clone() }
    }

    /// Unbinds, and waits until that is done.
    pub(crate) async fn unbind(self) {
        drop(self.jobs);
        // A task that panicked has said so already.
        let _ = self.task.await;
    }
}

impl Submitter {
    /// Submits a message, and waits for the answer.
    ///
    /// # Errors
    ///
    /// [`SubmitError`].
    pub(crate) async fn submit(&self, pdu: SubmitSm) -> Result<(), SubmitError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job { pdu, answer }).await.map_err(|_| SubmitError::NoSession)?;
        match answered.await {
            Ok(CommandStatus::EsmeRok) => Ok(()),
            Ok(CommandStatus::EsmeRthrottled | CommandStatus::EsmeRmsgqful | CommandStatus::EsmeRsyserr) => {
                Err(SubmitError::Busy)
            }
            Ok(status) => Err(SubmitError::Refused(u32::from(status))),
            Err(_) => Err(SubmitError::Lost),
        }
    }
}

/// A connection that carries PDUs.
struct Link<S> {
    stream: S,
    codec: CommandCodec,
    incoming: BytesMut,
    outgoing: BytesMut,
    number: u32,
    write: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    fn new(stream: S, write: Duration) -> Self {
        let codec = CommandCodec::new().with_max_length(MAX_PDU_BYTES);
        Self { stream, codec, incoming: BytesMut::new(), outgoing: BytesMut::new(), number: 0, write }
    }

    /// Sends a request; returns its number.
    async fn request(&mut self, pdu: impl Into<Pdu>) -> io::Result<u32> {
        // SMPP 3.4 §3.2: from 1 to 0x7fffffff.
        self.number = if self.number >= 0x7fff_ffff { 1 } else { self.number + 1 };
        self.send(Command::new(CommandStatus::EsmeRok, self.number, pdu)).await?;
        Ok(self.number)
    }

    async fn answer(&mut self, number: u32, pdu: impl Into<Pdu>) -> io::Result<()> {
        self.send(Command::new(CommandStatus::EsmeRok, number, pdu)).await
    }

    async fn send(&mut self, command: Command) -> io::Result<()> {
        self.outgoing.clear();
        self.codec.encode(command, &mut self.outgoing).map_err(|_| io::ErrorKind::InvalidInput)?;
        tokio::time::timeout(self.write, self.stream.write_all(&self.outgoing)).await??;
        self.stream.flush().await
    }

    /// The next PDU. What was read of it stays if this is given up.
    async fn receive(&mut self) -> io::Result<Command> {
        loop {
            // Its own text could show what is in the PDU.
            if let Some(command) = self.codec.decode(&mut self.incoming).map_err(|_| io::ErrorKind::InvalidData)? {
                return Ok(command);
            }
            if self.stream.read_buf(&mut self.incoming).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn bind(&mut self, bind: BindTransmitter) -> io::Result<CommandStatus> {
        let number = self.request(bind).await?;
        loop {
            let command = self.receive().await?;
            let ours = matches!(command.id(), CommandId::BindTransmitterResp | CommandId::GenericNack);
            if ours && command.sequence_number() == number {
                return Ok(command.status());
            }
        }
    }
}

/// The task of a session.
struct Work<S> {
    link: Link<S>,
    /// Those that wait for an answer, by number, and until when.
    pending: HashMap<u32, (oneshot::Sender<CommandStatus>, Instant)>,
    settings: Settings,
    /// Whether the link was asked after and has not answered.
    enquiring: bool,
}

/// What happens next.
enum Next {
    Job(Option<Job>),
    Command(io::Result<Command>),
    Silence,
    Overdue,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Work<S> {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) -> io::Result<()> {
        let mut silence = tokio::time::interval(self.settings.enquire_link);
        silence.set_missed_tick_behavior(MissedTickBehavior::Delay);
        silence.reset();
        loop {
            // Whoever gave up leaves a place in the window.
            self.pending.retain(|_, (answer, _)| !answer.is_closed());
            let overdue = self.pending.values().map(|(_, until)| *until).min();
            let overdue = overdue.unwrap_or_else(|| Instant::now() + self.settings.enquire_link);
            let next = tokio::select! {
                job = jobs.recv(), if self.pending.len() < self.settings.window => Next::Job(job),
                command = self.link.receive() => Next::Command(command),
                _ = silence.tick() => Next::Silence,
                () = tokio::time::sleep_until(overdue), if !self.pending.is_empty() => Next::Overdue,
            };
            match next {
                Next::Job(Some(Job { pdu, answer })) => {
                    let number = self.link.request(pdu).await?;
                    self.pending.insert(number, (answer, Instant::now() + self.settings.response));
                }
                Next::Job(None) => return self.unbind().await,
                Next::Command(command) => {
                    silence.reset();
                    if !self.take(command?).await? {
                        return Ok(());
                    }
                }
                Next::Silence if self.enquiring => return Err(io::ErrorKind::TimedOut.into()),
                Next::Silence => {
                    self.enquiring = true;
                    self.link.request(Pdu::EnquireLink).await?;
                    silence.reset_after(self.settings.response);
                }
                Next::Overdue => {
                    let now = Instant::now();
                    self.pending.retain(|_, (_, until)| *until > now);
                }
            }
        }
    }

    /// Takes what the other side says; false once it has said goodbye.
    async fn take(&mut self, command: Command) -> io::Result<bool> {
        self.enquiring = false;
        let number = command.sequence_number();
        match command.id() {
            CommandId::SubmitSmResp | CommandId::GenericNack => {
                if let Some((answer, _)) = self.pending.remove(&number) {
                    // Whoever asked may have given up.
                    let _ = answer.send(command.status());
                }
            }
            CommandId::EnquireLink => self.link.answer(number, Pdu::EnquireLinkResp).await?,
            CommandId::DeliverSm => self.link.answer(number, DeliverSmResp::default()).await?,
            CommandId::Unbind => {
                self.link.answer(number, Pdu::UnbindResp).await?;
                return Ok(false);
            }
            _ => {}
        }
        Ok(true)
    }

    /// Says goodbye, and waits for the answer a while.
    async fn unbind(mut self) -> io::Result<()> {
        let number = self.link.request(Pdu::Unbind).await?;
        let goodbye = async {
            loop {
                let command = self.link.receive().await?;
                if command.id() == CommandId::UnbindResp && command.sequence_number() == number {
                    return self.link.stream.shutdown().await;
                }
            }
        };
        tokio::time::timeout(self.settings.response, goodbye).await?
    }
}

#[cfg(test)]
mod tests;
