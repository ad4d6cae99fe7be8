//! What lies between the nodes: each is reached by the others through a proxy of its own, which lets nothing pass while they are parted.
//!
//! A node says who it is in the first octets of a connection (Cassandra's handshake, from 4.0 on: a magic number of 4 octets, flags of 4, the
//! sender's address with its length before it and its port behind it). Parted nodes keep their connections and hear nothing, as
//! with a cable pulled out; what was on its way arrives once it is in again, as TCP has it.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::Place;

const MAGIC: [u8; 4] = 0xCA55_2DFA_u32.to_be_bytes();
/// Magic number, flags, the length of address and port, an IPv4 address, a port.
const INTRODUCTION: usize = 4 + 4 + 1 + 4 + 2;
const CHUNK: usize = 64 * 1024;

/// The proxies of all nodes; they end with it.
pub(crate) struct Links {
    shared: Arc<Shared>,
    doors: Vec<SocketAddr>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The node that is parted from all others.
    alone: Option<Ipv4Addr>,
    ended: bool,
}

impl Links {
    /// Stands before every node of `place`, at the address by which the others know it.
    pub(crate) fn start(place: &Place) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let mut doors = Vec::new();
        for (node, known_as) in place.addresses.iter().zip(&place.known_as) {
            let door = SocketAddr::from((*known_as, place.storage_port));
            let listener = TcpListener::bind(door).expect("the address was free a moment ago");
            let (shared, node) = (Arc::clone(&shared), SocketAddr::from((*node, place.storage_port)));
            let to = *known_as;
            thread::spawn(move || {
                for client in listener.incoming().map_while(Result::ok) {
                    if shared.state().ended {
                        return;
                    }
                    let shared = Arc::clone(&shared);
                    // A connection that breaks is the nodes' to make anew.
                    thread::spawn(move || shared.connect(client, to, node));
                }
            });
            doors.push(door);
        }
        Self { shared, doors }
    }

    /// Parts one node from all others, or none.
    pub(crate) fn part(&self, alone: Option<Ipv4Addr>) {
        self.shared.state().alone = alone;
        self.shared.changed.notify_all();
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
        // Wakes those who wait for connections.
        for door in &self.doors {
            let _ = TcpStream::connect(door);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until these two can speak to each other; whether anybody still can.
    fn wait_until_joined(&self, ends: [Ipv4Addr; 2]) -> bool {
        let parted = |state: &mut State| !state.ended && state.alone.is_some_and(|alone| ends.contains(&alone));
        !self.changed.wait_while(self.state(), parted).unwrap_or_else(PoisonError::into_inner).ended
    }

    fn connect(self: &Arc<Self>, mut client: TcpStream, to: Ipv4Addr, node: SocketAddr) -> io::Result<()> {
        let mut introduction = [0; INTRODUCTION];
        client.read_exact(&mut introduction)?;
        let ends = [sender(&introduction).ok_or(io::ErrorKind::InvalidData)?, to];
        if !self.wait_until_joined(ends) {
            return Ok(());
        }
        let mut server = TcpStream::connect(node)?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
        }
        server.write_all(&introduction)?;
        let (back, shared) = ((server.try_clone()?, client.try_clone()?), Arc::clone(self));
        thread::spawn(move || shared.pass(back.0, back.1, ends));
        self.pass(client, server, ends);
        Ok(())
    }

    /// Passes on what comes, until one of the two ends it.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, ends: [Ipv4Addr; 2]) {
        let mut chunk = vec![0; CHUNK];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            if !self.wait_until_joined(ends) || to.write_all(&chunk[..read]).is_err() {
                break;
            }
        }
        // An end does not reach the other side either.
        self.wait_until_joined(ends);
        for stream in [from, to] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Who opens a connection.
fn sender(introduction: &[u8; INTRODUCTION]) -> Option<Ipv4Addr> {
    let (magic, rest) = introduction.split_first_chunk::<4>()?;
    let [_, _, _, _, 6, a, b, c, d, _, _] = *rest else { return None };
    (*magic == MAGIC).then_some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_opens_a_connection_is_read_off_its_first_octets() {
        let mut introduction = [0xCA, 0x55, 0x2D, 0xFA, 1, 2, 3, 4, 6, 127, 1, 2, 3, 0x1B, 0x58];
        assert_eq!(sender(&introduction), Some(Ipv4Addr::new(127, 1, 2, 3)));
        introduction[8] = 18;
        assert_eq!(sender(&introduction), None);
        introduction[8] = 6;
        introduction[0] = 0;
        assert_eq!(sender(&introduction), None);
    }
}
