//! Health, readiness, metrics.

use http::{Method, Request, StatusCode};
use service::{AdminConfig, CancellationToken, Readiness, install_metrics, run_admin};

use crate::harness::{Authority, Client, in_time, whole};

#[tokio::test]
async fn health_readiness_and_metrics() {
    let listener = AdminConfig { address: "127.0.0.1:0".parse().unwrap(), allow_remote: false }.bind().await.unwrap();
    let address = listener.local_addr();
    let (readiness, shutdown) = (Readiness::default(), CancellationToken::new());
    let running = tokio::spawn(run_admin(listener, readiness.clone(), install_metrics(), shutdown.clone()));
    let client = Client::http1(&Authority::new().client_tls(None));
    let get = async |path: &str| {
        let answer = client.fetch(&format!("http://{address}{path}")).await.unwrap();
        (answer.status(), String::from_utf8(answer.body().to_vec()).unwrap())
    };

    assert_eq!(get("/health").await, (StatusCode::OK, "alive\n".to_owned()));
    assert_eq!(get("/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
    readiness.set_ready(true);
    assert_eq!(get("/ready").await, (StatusCode::OK, "ready\n".to_owned()));
    readiness.set_ready(false);
    assert_eq!(get("/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);

    metrics::counter!("service_it_total", "outcome" => "seen").increment(3);
    let (status, text) = get("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("service_it_total{outcome=\"seen\"} 3"), "{text}");

    assert!(text.contains("service_connections{listener=\"admin\"}"), "{text}");
    assert!(text.contains("service_accepted_total{listener=\"admin\",outcome=\"accepted\"}"), "{text}");

    assert_eq!(get("/other").await.0, StatusCode::NOT_FOUND);
    let post = Request::builder().method(Method::POST).uri(format!("http://{address}/health"));
    let answer = client.send(post.body(whole("x")).unwrap()).await.unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
    );

    shutdown.cancel();
    in_time(running).await.unwrap();
}
