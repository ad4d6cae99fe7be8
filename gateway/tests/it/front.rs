//! The production relay in front of a gateway, and what clients need to reach it.

use std::net::SocketAddr;

use http::{Request, StatusCode};
use relay::config::{Config, Exchange, Limits, RouteConfig};
use service::{CancellationToken, ClientCertificates, ListenerConfig};
use tokio::task::JoinHandle;

use crate::harness::{Authority, Client, eventually, in_time, whole};
use crate::scene::PLAIN;

/// A relay with one route.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

impl Front {
    /// Starts it in front of the gateway with this URL, under the name that gateways of the tests allow, and waits until
    /// it has the gateway's keys.
    pub(crate) async fn start(authority: &Authority, gateway: String) -> Self {
        let tls = authority.server_tls(&authority.issue_server("front"), ClientCertificates::None);
        let identity = authority.issue("front-client", &["relay.example"]);
        let config = Config {
            listener: ListenerConfig { tls: Some(tls), ..ListenerConfig::loopback() },
            admin: None,
            routes: vec![RouteConfig {
                path: "/provider".to_owned(),
                gateway,
                tls: authority.client_tls(Some(&identity)),
            }],
            limits: Limits::default(),
            exchange: Exchange::default(),
        };
        let listeners = config.bind().await.unwrap();
        let (address, shutdown) = (listeners.public.local_addr(), CancellationToken::new());
        let token = shutdown.clone();
        let running = tokio::spawn(async move { relay::run(config, listeners, token).await.unwrap() });
        let front = Self { address, shutdown, running };
        let client = Client::http2(&authority.client_tls(None));
        eventually(|| async {
            let request = Request::get(front.keys_url()).header("accept", PLAIN).body(whole("")).unwrap();
            (client.send(request).await.unwrap().status() == StatusCode::OK).then_some(())
        })
        .await;
        front
    }

    /// Where capsules go.
    pub(crate) fn resource_url(&self) -> String {
        format!("https://{}/provider", self.address)
    }

    /// Where the gateway's keys are.
    pub(crate) fn keys_url(&self) -> String {
        format!("{}/.well-known/ohttp-gateway", self.resource_url())
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        in_time(self.running).await.unwrap();
    }
}
