//! What passes through the gateway, and what does not.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use futures_util::StreamExt;
use poem::Response;
use serde_json::json;
use testkit::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::{Answer, Edge, SOON, Service, body, generated};

/// Sends `request` as it is and reads until the other side closes.
async fn raw(edge: &Edge, request: &str) -> String {
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn echoed(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    Answer {
        status: 200,
        headers: Default::default(),
        text: body.to_owned(),
    }
}

#[tokio::test]
async fn a_request_reaches_the_service_of_its_path_as_it_was_sent() {
    let project = Service::echoing();
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    let ada = edge.user();
    let answer = edge
        .post(
            &ada,
            "/v1/projects/prj_1/members?sort=due%20at&q=%2F..%2F",
            &json!({"title": "Valve"}),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let seen = answer.json();
    assert_eq!(seen["method"], "POST");
    assert_eq!(seen["path"], "/v1/projects/prj_1/members?sort=due%20at&q=%2F..%2F");
    assert_eq!(seen["body"], r#"{"title":"Valve"}"#);
    assert_eq!(answer.seen("authorization"), [format!("Bearer {}", ada.token)]);
    assert_eq!(answer.seen("host"), [project.address.to_string()]);
    assert_eq!(answer.seen("via"), ["1.1 cloudtaskhub-gateway"]);
    assert_eq!(answer.header("via"), "1.1 cloudtaskhub-gateway");
}

#[tokio::test]
async fn a_service_that_shares_a_port_with_others_is_called_by_its_host() {
    let project = Service::echoing();
    let settings = "[gateway.upstreams.project]\nhost = \"project.localhost\"";
    let edge = Edge::with(&[("project", project.address)], settings).await;
    let answer = edge.get(&edge.user(), "/v1/projects").await;
    assert_eq!(answer.seen("host"), ["project.localhost"]);
    assert_eq!(answer.seen("x-forwarded-host"), [edge.address.to_string()]);
}

#[tokio::test]
async fn an_unknown_path_is_404_and_a_wrong_method_is_405_with_those_that_are_right() {
    let edge = Edge::in_front_of(&[]).await;
    let ada = edge.user();
    for path in [
        "/v1/nothing",
        "/v1/projects/",
        "/v1/projects/../me",
        "/v1/sessions/%2e%2e",
        "/v1/auth/introspect",
    ] {
        let answer = raw(
            &edge,
            &format!(
                "GET {path} HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
                ada.token
            ),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(answer.contains("problem:no-such-path"), "{path}: {answer}");
    }
    let answer = Answer::of(edge.request(reqwest::Method::PUT, "/v1/me").send().await.unwrap()).await;
    assert_eq!((answer.status, answer.problem().as_str()), (405, "method-not-allowed"));
    assert!(
        answer.header("allow").contains("GET") && answer.header("allow").contains("PATCH"),
        "{}",
        answer.header("allow")
    );
}

#[tokio::test]
async fn headers_of_the_clients_connection_end_at_the_gateway() {
    let project = Service::echoing();
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    let token = edge.user().token;
    let answer = raw(
        &edge,
        &format!(
            "GET /v1/projects HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\nconnection: close, X-Hop\r\nx-hop: 1\r\n\
             te: trailers\r\nkeep-alive: timeout=9\r\nproxy-authorization: Basic eA==\r\nupgrade: websocket\r\nx-kept: 2\r\n\r\n"
        ),
    )
    .await;
    let seen = echoed(&answer);
    for name in [
        "x-hop",
        "te",
        "keep-alive",
        "proxy-authorization",
        "upgrade",
        "connection",
    ] {
        assert!(seen.seen(name).is_empty(), "{name}: {}", seen.text);
    }
    assert_eq!(seen.seen("x-kept"), ["2"]);
}

#[tokio::test]
async fn headers_of_a_services_connection_end_at_the_gateway() {
    let project = Service::answering(|_| async {
        Response::builder()
            .header("connection", "x-internal")
            .header("x-internal", "1")
            .header("x-kept", "2")
            .body("[]")
    });
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    let answer = edge.get(&edge.user(), "/v1/projects").await;
    assert_eq!((answer.header("x-internal"), answer.header("x-kept")), ("", "2"));
}

#[tokio::test]
async fn a_second_request_hidden_in_a_body_is_not_one() {
    let project = Service::echoing();
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    let token = edge.user().token;
    let hidden = "0\r\n\r\nDELETE /v1/projects/prj_1 HTTP/1.1\r\nhost: hub\r\n\r\n";
    let answer = raw(
        &edge,
        &format!(
            "POST /v1/projects HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{hidden}",
            hidden.len()
        ),
    )
    .await;
    assert!(project.calls() <= 1, "{answer}");
    if answer.starts_with("HTTP/1.1 200") {
        assert_eq!(echoed(&answer).json()["method"], "POST");
    }
}

#[tokio::test]
async fn a_client_cannot_pretend_to_be_at_another_address() {
    let project = Service::echoing();
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    let request = edge
        .request(reqwest::Method::GET, "/v1/projects")
        .bearer_auth(edge.user().token);
    let request = request
        .header("x-forwarded-for", "1.2.3.4")
        .header("forwarded", "for=1.2.3.4")
        .header("x-real-ip", "1.2.3.4");
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer.seen("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(answer.seen("x-forwarded-proto"), ["http"]);
    assert!(
        answer.seen("forwarded")[0].starts_with("for=127.0.0.1;proto=http;host="),
        "{}",
        answer.text
    );
    assert!(answer.seen("x-real-ip").is_empty());
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_who_the_proxy_says() {
    let project = Service::echoing();
    let edge = Edge::with(
        &[("project", project.address)],
        "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]",
    )
    .await;
    let request = edge
        .request(reqwest::Method::GET, "/v1/projects")
        .bearer_auth(edge.user().token);
    let request = request
        .header("x-forwarded-for", "1.2.3.4, 203.0.113.9")
        .header("x-forwarded-proto", "https");
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer.seen("x-forwarded-for"), ["203.0.113.9"]);
    assert_eq!(answer.seen("x-forwarded-proto"), ["https"]);
}

#[tokio::test]
async fn the_service_is_told_how_much_time_is_left() {
    let project = Service::echoing();
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    let request = edge
        .request(reqwest::Method::GET, "/v1/projects")
        .bearer_auth(edge.user().token);
    let answer = Answer::of(request.header("x-request-timeout-ms", "2000").send().await.unwrap()).await;
    let left: u64 = answer.seen("x-request-timeout-ms")[0].parse().unwrap();
    assert!((1..2000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_service_that_does_not_answer_in_time_is_504() {
    let project = Service::answering(|_| std::future::pending());
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    let request = edge
        .request(reqwest::Method::GET, "/v1/projects")
        .bearer_auth(edge.user().token);
    let answer = Answer::of(request.header("x-request-timeout-ms", "200").send().await.unwrap()).await;
    assert_eq!((answer.status, answer.problem().as_str()), (504, "upstream-timeout"));
}

#[tokio::test]
async fn fifty_megabytes_pass_in_both_directions_without_being_gathered() {
    const CHUNK: usize = 64 * 1024;
    const CHUNKS: usize = 800;
    let received = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&received);
    let project = Service::answering(move |mut request| {
        let counter = Arc::clone(&counter);
        async move {
            let mut body_in = request.take_body().into_bytes_stream();
            while let Some(chunk) = body_in.next().await {
                counter.fetch_add(chunk.unwrap().len() as u64, Ordering::SeqCst);
            }
            Response::builder().body(body(generated(CHUNKS, CHUNK)))
        }
    });
    let settings = "[http]\nbody_limit_bytes = 100000000";
    let edge = Edge::with(&[("project", project.address)], settings).await;
    // How far the sender is ahead of the receiver at most: what lies in buffers on the way.
    let ahead = Arc::new(AtomicU64::new(0));
    let (watermark, arrived) = (Arc::clone(&ahead), Arc::clone(&received));
    let sent = AtomicU64::new(0);
    let upload = generated(CHUNKS, CHUNK).map(move |chunk| {
        let now = sent.fetch_add(CHUNK as u64, Ordering::SeqCst) + CHUNK as u64;
        watermark.fetch_max(now.saturating_sub(arrived.load(Ordering::SeqCst)), Ordering::SeqCst);
        chunk
    });
    let request = edge
        .request(reqwest::Method::POST, "/v1/projects")
        .bearer_auth(edge.user().token);
    let response = request.body(reqwest::Body::wrap_stream(upload)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut download = response.bytes_stream();
    let mut size = 0;
    while let Some(chunk) = download.next().await {
        size += chunk.unwrap().len();
    }
    assert_eq!(received.load(Ordering::SeqCst), (CHUNK * CHUNKS) as u64);
    assert_eq!(size, CHUNK * CHUNKS);
    assert!(
        ahead.load(Ordering::SeqCst) < 25_000_000,
        "the upload was gathered on the way: {ahead:?} bytes"
    );
}

#[tokio::test]
async fn a_download_waits_for_a_client_that_reads_slowly() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let project = Service::answering(move |_| {
        let counter = Arc::clone(&counter);
        let chunks = generated(1600, 64 * 1024).inspect(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        async move { Response::builder().body(body(chunks)) }
    });
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    let token = edge.user().token;
    let mut client = TcpStream::connect(edge.address).await.unwrap();
    let request =
        format!("GET /v1/projects HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 64];
    client.read_exact(&mut first).await.unwrap();
    // It stands still when all buffers on the way are full.
    let mut before = usize::MAX;
    eventually(SOON, async || {
        tokio::task::yield_now().await;
        let now = made.load(Ordering::SeqCst);
        let still = now == before;
        before = now;
        still
    })
    .await;
    assert!(
        made.load(Ordering::SeqCst) < 1600,
        "the gateway took everything though nobody reads"
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_also_when_its_size_is_not_told() {
    let project = Service::echoing();
    let edge = Edge::with(&[("project", project.address)], "[http]\nbody_limit_bytes = 100000").await;
    let token = edge.user().token;
    let told = edge
        .request(reqwest::Method::POST, "/v1/projects")
        .bearer_auth(&token)
        .body(vec![b'x'; 200_000]);
    let answer = Answer::of(told.send().await.unwrap()).await;
    assert_eq!((answer.status, answer.problem().as_str()), (413, "body-too-large"));
    assert_eq!(project.calls(), 0, "it never got there");

    let untold = edge.request(reqwest::Method::POST, "/v1/projects").bearer_auth(&token);
    let answer = Answer::of(
        untold
            .body(reqwest::Body::wrap_stream(generated(200, 1000)))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!((answer.status, answer.problem().as_str()), (413, "body-too-large"));
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it_and_its_body_through() {
    let project = Service::echoing();
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    let token = edge.user().token;
    let mut client = TcpStream::connect(edge.address).await.unwrap();
    let head = format!(
        "POST /v1/projects HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    client.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"{}").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    let seen = echoed(&answer);
    assert_eq!(seen.json()["body"], "{}");
    assert!(seen.seen("expect").is_empty());
}

#[tokio::test]
async fn when_a_client_goes_away_its_call_is_given_up() {
    struct Gone(Arc<AtomicUsize>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let gone = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&gone);
    let project = Service::answering(move |_| {
        let guard = Gone(Arc::clone(&counter));
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    });
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    let token = edge.user().token;
    let mut client = TcpStream::connect(edge.address).await.unwrap();
    let request = format!("GET /v1/projects HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    eventually(SOON, async || project.calls() == 1).await;
    drop(client);
    eventually(SOON, async || gone.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_service_that_dies_in_the_middle_of_an_answer_does_not_look_like_a_whole_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly the beginning")
                .await;
        }
    });
    let edge = Edge::in_front_of(&[("project", address)]).await;
    let request = edge
        .request(reqwest::Method::GET, "/v1/projects")
        .bearer_auth(edge.user().token);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err(), "the client must notice");
}

#[tokio::test]
async fn a_service_address_that_leads_back_to_the_gateway_is_noticed() {
    let edge = Edge::in_front_of(&[]).await;
    let request = edge
        .request(reqwest::Method::POST, "/v1/auth/login")
        .header("via", "1.1 cloudtaskhub-gateway");
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!((answer.status, answer.problem().as_str()), (508, "loop-detected"));
}

#[tokio::test]
async fn head_is_answered_like_get_without_its_body() {
    let project = Service::echoing();
    let edge = Edge::in_front_of(&[("project", project.address)]).await;
    let request = edge
        .request(reqwest::Method::HEAD, "/v1/projects")
        .bearer_auth(edge.user().token);
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
}
