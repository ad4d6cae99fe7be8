//! A TCP proxy that makes faults: one [`Link`] between two parties. What it does is chosen by a seeded generator; what it did
//! is counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

const CHUNK_BYTES: usize = 4096;
/// Connections that are held back for [`Fault::Reorder`] at once.
const HELD: usize = 3;

/// What is wrong with a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Every piece is late, by up to so much.
    Delay(Duration),
    /// One piece in six is lost, and comes as late as TCP sends it anew.
    Loss,
    /// Connections are reset: those that stand, and later ones after a few pieces.
    Cut,
    /// The other side is gone without a word: nothing passes, nothing is closed, until the fault ends.
    Gone,
    /// Questions pass, answers do not.
    AnswersGone,
    /// One piece in four has a flipped bit.
    Corrupt,
    /// Connections that come together are made in the reverse order.
    Reorder,
}

impl Fault {
    pub(crate) const ALL: [Self; 7] = [
        Self::Delay(Duration::from_millis(120)),
        Self::Loss,
        Self::Cut,
        Self::Gone,
        Self::AnswersGone,
        Self::Corrupt,
        Self::Reorder,
    ];
}

/// What links did, together.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) connections: AtomicU64,
    pub(crate) pieces: AtomicU64,
    pub(crate) late: AtomicU64,
    pub(crate) flipped: AtomicU64,
    pub(crate) reset: AtomicU64,
    pub(crate) swallowed: AtomicU64,
    pub(crate) reordered: AtomicU64,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { connections, pieces, late, flipped, reset, swallowed, reordered } = self;
        let [connections, pieces, late, flipped, reset, swallowed, reordered] =
            [connections, pieces, late, flipped, reset, swallowed, reordered].map(|count| count.load(Relaxed));
        write!(
            f,
            "{connections} connections, {pieces} pieces, {late} late, {flipped} flipped bits, {reset} connections reset, \
             {swallowed} pieces swallowed, {reordered} connections out of order"
        )
    }
}

/// A proxy in front of one address.
pub(crate) struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
}

/// What holds for a link at present.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    fault: Fault,
    /// How often all connections were reset.
    resets: u64,
}

/// What every connection of a link knows.
#[derive(Clone)]
struct Way {
    to: SocketAddr,
    state: watch::Receiver<State>,
    done: Arc<Done>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Questions,
    Answers,
}

impl Link {
    /// Listens on a free port of `host` and passes on to `to`, until the runtime ends.
    pub(crate) async fn open(host: &str, to: SocketAddr, seed: u64, done: Arc<Done>) -> Self {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, state) = watch::channel(State { fault: Fault::None, resets: 0 });
        tokio::spawn(accept(listener, Way { to, state, done }, StdRng::seed_from_u64(seed)));
        Self { address, state: sender }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.state.send_modify(|state| {
            state.fault = fault;
            state.resets += u64::from(fault == Fault::Cut);
        });
    }

    /// Resets every connection that stands.
    pub(crate) fn reset(&self) {
        self.state.send_modify(|state| state.resets += 1);
    }
}

async fn accept(listener: TcpListener, way: Way, mut rng: StdRng) {
    let (hold, held) = mpsc::channel(HELD);
    tokio::spawn(reorder(held, way.clone()));
    while let Ok((stream, _)) = listener.accept().await {
        way.done.connections.fetch_add(1, Relaxed);
        let one = (stream, rng.random());
        if way.state.borrow().fault == Fault::Reorder {
            // The other end is there as long as this one is.
            let _ = hold.send(one).await;
        } else {
            tokio::spawn(pass(one, way.clone()));
        }
    }
}

/// Lets connections wait for one another, and makes the last one first.
async fn reorder(mut held: mpsc::Receiver<(TcpStream, u64)>, way: Way) {
    while let Some(first) = held.recv().await {
        let mut waiting = vec![first];
        let more = async {
            while waiting.len() < HELD {
                let Some(next) = held.recv().await else { break };
                waiting.push(next);
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(250), more).await;
        way.done.reordered.fetch_add(waiting.len() as u64 - 1, Relaxed);
        for one in waiting.into_iter().rev() {
            tokio::spawn(pass(one, way.clone()));
        }
    }
}

async fn pass((from, seed): (TcpStream, u64), mut way: Way) {
    let standing = *way.state.borrow_and_update();
    if standing.fault == Fault::Gone {
        // Whoever comes now gets no answer, until the other side is back, and does not know the connection.
        drop(way.state.changed().await);
        return reset(&from, &way.done);
    }
    let Ok(to) = TcpStream::connect(way.to).await else { return reset(&from, &way.done) };
    from.set_nodelay(true).unwrap();
    to.set_nodelay(true).unwrap();
    let ((read_from, write_from), (read_to, write_to)) = (from.into_split(), to.into_split());
    let [one, other] = [seed, seed ^ 1].map(StdRng::seed_from_u64);
    tokio::select! {
        () = pump(read_from, write_to, way.clone(), one, Direction::Questions) => {}
        () = pump(read_to, write_from, way.clone(), other, Direction::Answers) => {}
    }
}

/// A reset instead of an orderly end.
fn reset(stream: &TcpStream, done: &Done) {
    done.reset.fetch_add(1, Relaxed);
    // It may be gone already.
    let _ = stream.set_zero_linger();
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: Way, mut rng: StdRng, direction: Direction) {
    let mut piece = [0; CHUNK_BYTES];
    let resets = way.state.borrow().resets;
    loop {
        let length = tokio::select! {
            read = from.read(&mut piece) => match read {
                Ok(0) | Err(_) => return,
                Ok(length) => length,
            },
            changed = way.state.changed() => {
                if changed.is_err() || way.state.borrow_and_update().resets != resets {
                    return reset(from.as_ref(), &way.done);
                }
                continue;
            }
        };
        way.done.pieces.fetch_add(1, Relaxed);
        let fault = way.state.borrow().fault;
        match fault {
            Fault::None | Fault::Reorder => {}
            Fault::Delay(most) => {
                way.done.late.fetch_add(1, Relaxed);
                sleep(most.mul_f64(rng.random())).await;
            }
            Fault::Loss => {
                if rng.random_bool(1.0 / 6.0) {
                    way.done.late.fetch_add(1, Relaxed);
                    sleep(Duration::from_millis(rng.random_range(200..900))).await;
                }
            }
            Fault::Cut => {
                if rng.random_bool(1.0 / 3.0) {
                    return reset(from.as_ref(), &way.done);
                }
            }
            Fault::Gone | Fault::AnswersGone if fault == Fault::Gone || direction == Direction::Answers => {
                way.done.swallowed.fetch_add(1, Relaxed);
                swallow(&mut from, &mut way).await;
                return reset(from.as_ref(), &way.done);
            }
            Fault::Gone | Fault::AnswersGone => {}
            Fault::Corrupt => {
                if rng.random_bool(0.25) {
                    way.done.flipped.fetch_add(1, Relaxed);
                    piece[rng.random_range(0..length)] ^= 1 << rng.random_range(0..8);
                }
            }
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

/// Takes what comes, and passes nothing on, until the fault ends.
async fn swallow(from: &mut OwnedReadHalf, way: &mut Way) {
    let mut piece = [0; CHUNK_BYTES];
    loop {
        tokio::select! {
            read = from.read(&mut piece) => if !matches!(read, Ok(1..)) {
                drop(way.state.changed().await);
                return;
            },
            _ = way.state.changed() => return,
        }
    }
}
