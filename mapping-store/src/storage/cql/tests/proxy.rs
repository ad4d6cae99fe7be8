//! A proxy that understands as much of CQL's frames as is needed to lose an answer, or to hold a batch back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

/// The opcode of a batch (the native protocol's section 4.1.7).
pub(super) const BATCH: u8 = 0x0d;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Pass,
    /// Of the next request of this opcode.
    LoseAnswer(u8),
    Hold,
}

pub(super) struct Proxy {
    address: String,
    state: Arc<State>,
}

struct State {
    next: Mutex<Next>,
    lost: AtomicUsize,
    held: Mutex<Option<Held>>,
    holding: Notify,
}

/// A batch that was held back, and the connection on which it was to go.
struct Held {
    frame: Vec<u8>,
    answers: mpsc::Receiver<Vec<u8>>,
    to_node: OwnedWriteHalf,
}

impl Proxy {
    pub(super) async fn start(node: &str) -> Self {
        // Of the node's address: clients take its address from the node, and the port from how they have reached it.
        let (address, _) = node.rsplit_once(':').unwrap();
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            next: Mutex::new(Next::Pass),
            lost: AtomicUsize::new(0),
            held: Mutex::new(None),
            holding: Notify::new(),
        });
        let (node, shared) = (node.to_owned(), Arc::clone(&state));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (node, state) = (node.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    let server = TcpStream::connect(&node).await.unwrap();
                    // Whatever ends one side ends the connection.
                    let _ = state.pass(client, server).await;
                });
            }
        });
        Self { address, state }
    }

    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    /// Of a batch, or of another request by its opcode.
    pub(super) fn lose_the_next_answer_to(&self, opcode: u8) {
        *self.state.next.lock().unwrap() = Next::LoseAnswer(opcode);
    }

    pub(super) fn hold_the_next_batch(&self) {
        *self.state.next.lock().unwrap() = Next::Hold;
    }

    pub(super) fn lost(&self) -> usize {
        self.state.lost.load(Ordering::Relaxed)
    }

    pub(super) async fn until_one_is_held(&self) {
        self.state.holding.notified().await;
    }

    /// Sends the batch that was held, and waits for the node's answer to it.
    pub(super) async fn deliver_what_is_held(&self) -> Vec<u8> {
        let held = self.state.held.lock().unwrap().take();
        let Held { frame, mut answers, mut to_node } = held.unwrap();
        to_node.write_all(&frame).await.unwrap();
        answer_to(&frame, &mut answers).await
    }
}

impl State {
    async fn pass(&self, client: TcpStream, server: TcpStream) -> std::io::Result<()> {
        let (from_client, mut to_client) = client.into_split();
        let (from_node, mut to_node) = server.into_split();
        let (mut requests, mut answers) = (frames(from_client), frames(from_node));
        loop {
            tokio::select! {
                request = requests.recv() => {
                    let Some(frame) = request else { return Ok(()) };
                    let next = {
                        let mut next = self.next.lock().unwrap();
                        let concerned = match *next {
                            Next::Pass => false,
                            Next::LoseAnswer(opcode) => frame[4] == opcode,
                            Next::Hold => frame[4] == BATCH,
                        };
                        if concerned { std::mem::replace(&mut *next, Next::Pass) } else { Next::Pass }
                    };
                    match next {
                        Next::Pass => to_node.write_all(&frame).await?,
                        Next::LoseAnswer(_) => {
                            to_node.write_all(&frame).await?;
                            answer_to(&frame, &mut answers).await;
                            self.lost.fetch_add(1, Ordering::Relaxed);
                            return Ok(());
                        }
                        Next::Hold => {
                            *self.held.lock().unwrap() = Some(Held { frame, answers, to_node });
                            self.holding.notify_one();
                            return Ok(());
                        }
                    }
                }
                answer = answers.recv() => {
                    let Some(frame) = answer else { return Ok(()) };
                    to_client.write_all(&frame).await?;
                }
            }
        }
    }
}

/// The answer to a request: that of the same stream.
async fn answer_to(request: &[u8], answers: &mut mpsc::Receiver<Vec<u8>>) -> Vec<u8> {
    loop {
        let answer = answers.recv().await.unwrap();
        if answer[2..4] == request[2..4] {
            return answer;
        }
    }
}

/// What comes, frame by frame, until its end.
fn frames(mut from: OwnedReadHalf) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok(frame) = read_frame(&mut from).await {
            if sender.send(frame).await.is_err() {
                return;
            }
        }
    });
    receiver
}

/// Header of nine bytes, the last four of them the length of what follows.
async fn read_frame(from: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let mut frame = vec![0; 9];
    from.read_exact(&mut frame).await?;
    let length = u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]);
    frame.resize(9 + length as usize, 0);
    from.read_exact(&mut frame[9..]).await?;
    Ok(frame)
}
