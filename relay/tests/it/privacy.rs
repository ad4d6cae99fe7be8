//! What the gateway learns of a client, and the client of the gateway: nothing but capsules.

use std::collections::BTreeSet;

use http::{HeaderMap, Method, Request};

use crate::harness::{whole, written_bit_by_bit};
use crate::scene::{Conduct, PLAIN, SIGNED, Scene, answer};

/// Fields by which a client could be known, each with a value to search for.
const TELLTALE: [(&str, &str); 16] = [
    ("user-agent", "telltale-agent/1"),
    ("forwarded", "for=192.0.2.77;by=telltale"),
    ("x-forwarded-for", "192.0.2.77"),
    ("x-real-ip", "192.0.2.78"),
    ("via", "1.1 telltale-via"),
    ("cookie", "telltale=cookie"),
    ("authorization", "Bearer telltale"),
    ("proxy-authorization", "Basic telltale"),
    ("accept", "telltale/accept"),
    ("accept-language", "tlh-telltale"),
    ("accept-encoding", "telltale-encoding"),
    ("referer", "https://telltale.example/"),
    ("origin", "https://telltale.example"),
    ("traceparent", "00-telltale-01"),
    ("x-request-id", "telltale-id"),
    ("date", "Tue, 03 Mar 2026 telltale"),
];

fn names(headers: &HeaderMap) -> BTreeSet<&str> {
    headers.keys().map(http::HeaderName::as_str).collect()
}

#[tokio::test]
async fn no_field_of_a_client_reaches_the_gateway() {
    let scene = Scene::start().await;
    for client in [scene.client(), scene.client_http1()] {
        let mut request = scene.capsule(whole("capsule"));
        *request.uri_mut() = scene.url("/provider?client=telltale").parse().unwrap();
        request.headers_mut().insert("content-type", "Message/OHTTP-Req".parse().unwrap());
        TELLTALE.iter().for_each(|(name, value)| drop(request.headers_mut().insert(*name, value.parse().unwrap())));
        assert_eq!(client.send(request).await.unwrap().body(), "sealed");
    }
    let received = scene.stub.received(Method::POST);
    assert_eq!(received.len(), 2);
    for received in received {
        let shown = format!("{received:?}").to_ascii_lowercase();
        assert!(!shown.contains("telltale") && !shown.contains("192.0.2."), "{shown}");
        assert!(!shown.contains(&scene.address.to_string()), "{shown}");
        assert_eq!(
            received.headers,
            HeaderMap::from_iter([("content-type".parse().unwrap(), "message/ohttp-req".parse().unwrap())])
        );
        assert_eq!(received.uri.query(), None);
    }
}

/// A client that declares its capsule's length, one that streams it, and one of each version of HTTP look alike.
#[tokio::test]
async fn clients_look_alike() {
    let scene = Scene::start().await;
    for client in [scene.client(), scene.client_http1()] {
        client.send(scene.capsule(whole("capsule"))).await.unwrap();
        let (sender, body) = written_bit_by_bit();
        sender.send("capsule".into()).await.unwrap();
        drop(sender);
        client.send(scene.capsule(body)).await.unwrap();
    }
    let received = scene.stub.received(Method::POST);
    assert_eq!(received.len(), 4);
    let shown: BTreeSet<String> = received.iter().map(|received| format!("{received:?}")).collect();
    assert_eq!(shown.len(), 1, "{shown:?}");
}

#[tokio::test]
async fn no_field_of_the_gateway_marks_a_client() {
    let scene = Scene::start().await;
    let mut marked = answer(200, "message/ohttp-res", "sealed");
    for name in ["set-cookie", "etag", "server", "x-mark", "alt-svc", "location", "link", "cache-control"] {
        marked.headers_mut().insert(name, "telltale".parse().unwrap());
    }
    marked.headers_mut().insert("retry-after", "7".parse().unwrap());
    scene.stub.conduct(Conduct::Answer(marked.clone()));
    let response = scene.post("capsule").await;
    assert!(!format!("{response:?}").contains("telltale"));
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(names(response.headers()), ["content-length", "content-type", "date", "retry-after"].into());

    marked.headers_mut().insert("retry-after", "Tue, 03 Mar 2026 10:00:00 GMT".parse().unwrap());
    scene.stub.conduct(Conduct::Answer(marked));
    assert!(!scene.post("capsule").await.headers().contains_key("retry-after"));
}

/// Not by parameters of a media type, nor by how it is spelt: answers are of one of three.
#[tokio::test]
async fn no_media_type_of_the_gateway_marks_a_client() {
    let scene = Scene::start().await;
    for (given, passed) in [
        ("message/ohttp-res", Some("message/ohttp-res")),
        ("Message/OHTTP-Chunked-Res", Some("message/ohttp-chunked-res")),
        ("APPLICATION/problem+json", Some("application/problem+json")),
        ("message/ohttp-res; mark=telltale", None),
        ("application/problem+json;charset=utf-8", None),
        ("text/telltale", None),
    ] {
        scene.stub.conduct(Conduct::Answer(answer(200, given, "sealed")));
        let response = scene.post("capsule").await;
        let media_type = response.headers().get("content-type").map(|value| value.to_str().unwrap());
        assert_eq!((media_type, response.body().as_ref()), (passed, &b"sealed"[..]), "{given}");
    }
}

/// However many clients ask for the keys, the gateway is asked by the relay alone, once for each form.
#[tokio::test]
async fn the_gateway_does_not_see_who_asks_for_keys() {
    let scene = Scene::start().await;
    scene.has_keys().await;
    for client in [scene.client(), scene.client_http1()] {
        for form in [PLAIN, SIGNED] {
            let request =
                Request::get(scene.url("/provider/.well-known/ohttp-gateway")).header("user-agent", "telltale");
            let response = client.send(request.header("accept", form).body(whole("")).unwrap()).await.unwrap();
            assert_eq!(response.headers()["content-type"], form);
            assert!(!response.headers().contains_key("set-cookie"));
        }
    }
    let asked = scene.stub.received(Method::GET);
    assert_eq!(asked.iter().map(|asked| &asked.headers["accept"]).collect::<Vec<_>>(), [PLAIN, SIGNED]);
    asked.iter().for_each(|asked| assert_eq!(names(&asked.headers), ["accept"].into()));
}
