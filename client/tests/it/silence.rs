//! A connection on which nothing comes any more, as after a change of networks: given up, and not used again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use client::Fault;
use client::http::{Bounds, HttpClient, TlsIdentity};
use http::StatusCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::server::Server;

/// Passes everything on to `to`; connections that are open when it is notified stay open, and say nothing any more.
async fn way(to: SocketAddr) -> (SocketAddr, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, silence) = (listener.local_addr().unwrap(), Arc::new(Notify::new()));
    let silenced = Arc::clone(&silence);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let silence = Arc::clone(&silence);
            tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    () = silence.notified() => std::future::pending().await,
                }
            });
        }
    });
    (address, silenced)
}

#[tokio::test]
async fn a_silent_connection_is_given_up() {
    let server = Server::start().await;
    let (address, silence) = way(server.address()).await;
    let identity = TlsIdentity { ca_pem: server.ca_pem().to_vec(), client: None };
    let bounds = Bounds { timeout: Duration::from_secs(2), ..Bounds::default() };
    let http = HttpClient::new(&identity, bounds).unwrap();
    let uri = format!("https://{address}/keys").parse().unwrap();
    let ask = async || http.get(&uri, "application/ohttp-keys").await.map(|answer| answer.status());
    assert_eq!(ask().await, Ok(StatusCode::OK));
    silence.notify_waiters();
    let error = ask().await.unwrap_err();
    assert_eq!((error.fault, error.is_passing()), (Fault::Network, true), "{error}");
    assert_eq!(ask().await, Ok(StatusCode::OK), "on a connection of its own");
}
