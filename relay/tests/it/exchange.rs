//! A capsule there and its answer back.

use http::{Method, Request, StatusCode, Version};
use http_body_util::BodyExt as _;

use crate::harness::{in_time, whole, written_bit_by_bit};
use crate::scene::{Conduct, GATEWAY_PATH, Scene, answer};

#[tokio::test]
async fn a_capsule_goes_and_its_answer_comes_unchanged() {
    let scene = Scene::start().await;
    let capsule: Vec<u8> = (0..20_000_u32).map(|n| (n % 251) as u8).collect();
    let sealed: Vec<u8> = (0..300_000_u32).map(|n| (n % 241) as u8).collect();
    scene.stub.conduct(Conduct::Answer(answer(200, "message/ohttp-res", sealed.clone())));
    let response = scene.post(capsule.clone()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "message/ohttp-res");
    assert!(response.body() == &sealed);
    let received = scene.stub.capsule();
    assert_eq!((received.method, received.uri.path(), received.version), (Method::POST, GATEWAY_PATH, Version::HTTP_2));
    assert!(received.body.unwrap() == capsule);
}

#[tokio::test]
async fn the_gateway_knows_the_relay_by_its_certificate() {
    let scene = Scene::start().await;
    scene.post("capsule").await;
    assert_eq!(scene.stub.capsule().relay, ["relay.example"]);
}

#[tokio::test]
async fn a_chunked_capsule_passes_streaming_both_ways() {
    let scene = Scene::start().await;
    scene.stub.conduct(Conduct::Echo);
    let (sender, body) = written_bit_by_bit();
    let request = Request::post(scene.url("/provider")).header("content-type", "message/ohttp-chunked-req");
    let mut response = scene.client().begin(request.body(body).unwrap()).await.unwrap().into_body();
    // Each part comes back before the next one is sent: neither direction is held up for its end.
    for part in ["one", "two", "three"] {
        sender.send(part.into()).await.unwrap();
        let frame = in_time(response.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    drop(sender);
    assert!(in_time(response.collect()).await.unwrap().to_bytes().is_empty());
    assert_eq!(scene.stub.capsule().headers["content-type"], "message/ohttp-chunked-req");
}

#[tokio::test]
async fn an_answer_is_passed_on_as_it_comes() {
    let scene = Scene::start().await;
    let (sender, body) = written_bit_by_bit();
    scene.stub.conduct(Conduct::Streamed(Some(body)));
    let mut response = scene.client().begin(scene.capsule(whole("capsule"))).await.unwrap().into_body();
    sender.send("first".into()).await.unwrap();
    assert_eq!(in_time(response.frame()).await.unwrap().unwrap().into_data().unwrap(), "first");
    sender.send("second".into()).await.unwrap();
    assert_eq!(in_time(response.frame()).await.unwrap().unwrap().into_data().unwrap(), "second");
    drop(sender);
    assert!(in_time(response.collect()).await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn the_gateways_refusals_pass() {
    let scene = Scene::start().await;
    let problem = r#"{"type":"https://iana.org/assignments/http-problem-types#ohttp-key"}"#;
    for status in [400, 422, 429, 500] {
        scene.stub.conduct(Conduct::Answer(answer(status, "application/problem+json", problem)));
        let response = scene.post("capsule").await;
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (status, problem.as_bytes()));
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn routes_lead_to_their_own_gateways() {
    let other = Scene::start().await;
    other.stub.conduct(Conduct::Answer(answer(200, "message/ohttp-res", "from the other")));
    // The other gateway's authority is not known to this relay's first route, so each route brings its own trust.
    let identity = other.authority.issue("second-relay", &["relay.example"]);
    let tls = other.authority.client_tls(Some(&identity));
    let address = other.stub.address;
    let scene = Scene::with(|config| config.routes.push(crate::scene::route("/other", address, tls))).await;
    let post = async |path: &str| {
        let request = Request::post(scene.url(path)).header("content-type", "message/ohttp-req");
        scene.client().send(request.body(whole("capsule")).unwrap()).await.unwrap().into_body()
    };
    assert_eq!(post("/provider").await, "sealed");
    assert_eq!(post("/other").await, "from the other");
}
