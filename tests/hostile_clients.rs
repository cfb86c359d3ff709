//! Clients that speak no HTTP, half of it, too much of it, or two requests in one: each is answered as it deserves or dropped,
//! and nobody else notices.

mod house;
mod tab;

use std::time::Duration;

use foretop::config::AuthMode;
use house::wire::{Stream, Wire, get};
use house::{House, config, list, pod, watch};
use tokio::io::AsyncWriteExt;

const USER: &str = "X-Forwarded-User: ann\r\n";

/// A house whose users live on either core.
async fn house() -> House {
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.1".parse().expect("an address")];
    config.server.head_timeout = Duration::from_millis(300);
    config.server.head_bytes = 4096;
    config.server.target_bytes = 1024;
    House::small_with(&config).await
}

/// Fails unless a fresh stream works, for users of either core.
async fn goes_on(house: &House, after: &str) {
    for user in 0..4 {
        let user = format!("X-Forwarded-User: user-{user}\r\n");
        let mut stream = Stream::open(house.address(), &watch("pods"), &user).await;
        assert_eq!(
            (stream.head.status, &*stream.events(1).await[0].name),
            (200, "snapshot"),
            "after {after}"
        );
    }
}

/// All that a client gets that sends this and then waits for the end.
async fn exchange(house: &House, bytes: impl AsRef<[u8]>) -> String {
    let mut wire = Wire::connect(house.address()).await;
    wire.try_send(bytes).await;
    wire.rest().await
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// How many answers there are.
fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count() + text.matches("HTTP/1.0 ").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_is_400_and_the_end() {
    let house = house().await;
    let head = |lines: &str| format!("GET {} HTTP/1.1\r\n{lines}\r\n", list("pods")).into_bytes();
    let with = |line: &str| head(&format!("Host: localhost\r\n{USER}{line}"));
    let cases: Vec<Vec<u8>> = vec![
        b"\r\r\r\r".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/3.0\r\n\r\n".to_vec(),
        b"GET / / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        b"GET ../../etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        head(""),
        head("Host: a\r\nHost: b\r\n"),
        with("Name : value\r\n"),
        with("Name: a\r\n folded\r\n"),
        with("Name: a\0b\r\n"),
        with("Na me: b\r\n"),
        with(": b\r\n"),
        with("Name: a\nTransfer-Encoding: chunked\r\n"),
        with("Name: a\rTransfer-Encoding: chunked\r\n"),
        with("Name: a\r\r\n"),
        with("\tName: folded\r\n"),
        with("Host : localhost\r\n"),
        with("host:\tlocalhost\r\n"),
        format!("GET {} HTTP/1.1\nHost: localhost\n\n", list("pods")).into_bytes(),
        format!("GET\t{} HTTP/1.1\r\nHost: localhost\r\n\r\n", list("pods")).into_bytes(),
        format!("GET {}\r\nHost: localhost\r\n\r\n", list("pods")).into_bytes(),
        format!("GET http://localhost@evil.example{} HTTP/1.1\r\nHost: localhost\r\n\r\n", list("pods"))
            .into_bytes(),
    ];
    for case in cases {
        let answer = exchange(&house, &case).await;
        let shown = case.escape_ascii().to_string();
        assert_eq!((status(&answer), answers(&answer)), (Some(400), 1), "{shown}: {answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{shown}: {answer}");
    }
    goes_on(&house, "what is no HTTP").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_requests_in_one_are_not_both_answered() {
    let house = house().await;
    let hidden = get(&list("nodes"), USER);
    let (length, more) = (hidden.len(), hidden.len() + 5);
    let lines = [
        (format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), 400),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"), 400),
        (format!("Content-Length: {length}\r\nContent-Length: 0\r\n"), 400),
        (format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), 400),
        ("Content-Length: +0\r\n".into(), 400),
        ("Content-Length: 0x0\r\n".into(), 400),
        ("Content-Length: 0, 0\r\n".into(), 400),
        ("Content-Length: 0;x\r\n".into(), 400),
        ("Content-Length : 0\r\n".into(), 400),
        ("Content-Length: 0\r\n 9\r\n".into(), 400),
        (format!("Content-Length: 0\ncontent-length: {length}\r\n"), 400),
        ("Transfer-Encoding : chunked\r\n".into(), 400),
        ("Transfer-Encoding: \u{b}chunked\r\n".into(), 400),
        ("Transfer-Encoding: chunked;q=1\r\n".into(), 400),
        ("Transfer-Encoding: \"chunked\"\r\n".into(), 400),
        ("Transfer-Encoding: chunked,\r\n".into(), 400),
        ("Transfer-Encoding:\r\n chunked\r\n".into(), 400),
        ("X: a\rTransfer-Encoding: chunked\r\n".into(), 400),
        ("TRANSFER-ENCODING:\tCHUNKED\t\r\n".into(), 413),
        ("Transfer-Encoding: identity\r\n".into(), 400),
        ("Transfer-Encoding: xchunked\r\n".into(), 400),
        ("Transfer-Encoding: chunked, identity\r\n".into(), 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".into(), 400),
        (format!("Content-Length: {length}\r\n"), 413),
        (format!("Content-Length: {more}\r\n"), 413),
        ("Transfer-Encoding: chunked\r\n".into(), 413),
        (format!("Expect: 100-continue\r\nContent-Length: {length}\r\n"), 413),
    ];
    for path in [list("pods"), watch("pods")] {
        for (lines, expected) in &lines {
            let request = get(&path, &format!("{USER}{lines}")) + &hidden;
            let answer = exchange(&house, &request).await;
            assert_eq!((status(&answer), answers(&answer)), (Some(*expected), 1), "{lines}: {answer}");
            assert!(!answer.contains("\"nodes\""), "{lines}: {answer}");
        }
    }
    // On other methods, and on the control plane's routes.
    for (method, path) in
        [("POST", list("pods")), ("POST", "/api/features".into()), ("GET", "/healthz".into())]
    {
        let lines = format!("{USER}Content-Length: {length}\r\n");
        let request = get(&path, &lines).replacen("GET", method, 1) + &hidden;
        let answer = exchange(&house, &request).await;
        assert_eq!(answers(&answer), 1, "{method} {path}: {answer}");
        assert!(!answer.contains("\"nodes\""), "{method} {path}: {answer}");
    }
    // Chunks that end where a careless reader would go on.
    for chunks in [
        "0\r\n\r\n",
        "0\n\n",
        "0;x=\n\r\n\r\n",
        "-0\r\n\r\n",
        "0x0\r\n\r\n",
        "fffffffffffffffff\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "\r\n",
    ] {
        let lines = format!("{USER}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n");
        let request = get("/api/clusters/east/can-i", &lines).replacen("GET", "POST", 1) + chunks + &hidden;
        let answer = exchange(&house, &request).await;
        assert!(answers(&answer) <= 1 && !answer.contains("\"nodes\""), "{chunks:?}: {answer}");
    }
    goes_on(&house, "two requests in one").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_long_is_414_or_431() {
    let house = house().await;
    let target = |length: usize| format!("{}?x={}", list("pods"), "x".repeat(length));
    let line = |length: usize| format!("{USER}X-Long: {}\r\n", "x".repeat(length));
    let many: String = (0..101).map(|number| format!("A{number}: b\r\n")).collect();
    for (request, expected) in [
        (get(&target(2000), USER), 414),
        (get(&target(6000), USER), 414),
        (get(&list("pods"), &line(5000)), 431),
        (get(&list("pods"), &line(200_000)), 431),
        (get(&list("pods"), &(USER.to_owned() + &many)), 431),
        (format!("GET /{}", "x".repeat(100_000)), 414),
        (format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(100_000)), 431),
    ] {
        let answer = exchange(&house, &request).await;
        let shown: String = request.chars().take(60).collect();
        assert_eq!((status(&answer), answers(&answer)), (Some(expected), 1), "{shown}: {answer}");
    }
    let just_right = Wire::with(house.address(), get(&target(900), USER)).await.answer().await;
    assert_eq!(just_right.head.status, 200);
    goes_on(&house, "what is too long").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_head_is_408_in_its_time_and_holds_up_nobody() {
    let house = house().await;
    let mut slow = Wire::with(house.address(), "GET /api/clusters/east/pods HTTP/1.1\r\nHos").await;
    let mut behind = Wire::with(house.address(), get(&list("pods"), USER)).await;
    assert_eq!(behind.answer().await.head.status, 200);
    behind.send("G").await;
    goes_on(&house, "the beginning of a head").await;
    for wire in [&mut slow, &mut behind] {
        let answer = wire.rest().await;
        assert_eq!((status(&answer), answers(&answer)), (Some(408), 1), "{answer}");
    }
    let mut drip = Wire::connect(house.address()).await;
    let dripping = async {
        for byte in get(&list("pods"), USER).bytes().cycle() {
            if !drip.try_send([byte]).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), dripping).await.ok();
    let answer = drip.rest().await;
    assert_eq!(
        (status(&answer), answers(&answer)),
        (Some(408), 1),
        "each byte is no new beginning: {answer}"
    );
    goes_on(&house, "slow heads").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_is_closed_without_a_word() {
    let house = house().await;
    let mut silent = Wire::connect(house.address()).await;
    assert_eq!(silent.rest().await, "");
    goes_on(&house, "silence").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_has_said_all_still_gets_its_answer() {
    let house = house().await;
    for path in [list("pods"), "/api/features".into()] {
        let mut wire = Wire::with(house.address(), get(&path, USER)).await;
        wire.half_close().await;
        let answer = wire.rest().await;
        assert_eq!((status(&answer), answers(&answer)), (Some(200), 1), "{path}: {answer}");
    }
    let mut half = Wire::with(house.address(), "GET / HTTP/1.1\r\n").await;
    half.half_close().await;
    assert!(!half.rest().await.contains(" 200 "));
    let mut nothing = Wire::connect(house.address()).await;
    nothing.half_close().await;
    assert_eq!(nothing.rest().await, "");
    goes_on(&house, "half-closed sockets").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_are_reset_harm_nobody() {
    let house = house().await;
    for request in [get(&watch("pods"), USER), get(&list("pods"), USER), "GET /".into(), get("/metrics", "")]
    {
        for _ in 0..20 {
            let mut socket = tokio::net::TcpStream::connect(house.address()).await.unwrap();
            socket.write_all(request.as_bytes()).await.unwrap();
            socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
    goes_on(&house, "resets").await;
    house::eventually("no stream of theirs", async || {
        let answer = tab::get(
            house.address(),
            "/debug/streams",
            &[("X-Forwarded-User", "ann"), ("X-Forwarded-Groups", house::OPERATORS)],
        )
        .await;
        answer.json().as_array().unwrap().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_of_any_sort_harms_nobody() {
    let house = house().await;
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..100 {
        let length = usize::try_from(random() % 3000).unwrap();
        let bytes: Vec<u8> = (0..length).map(|_| random().to_le_bytes()[0]).collect();
        let mut wire = Wire::connect(house.address()).await;
        wire.try_send(&bytes).await;
        let _ = wire.half_close_if_open().await;
        let answer = wire.rest().await;
        assert!(answers(&answer) <= 1 && !answer.contains(" 200 "), "{}: {answer}", bytes.escape_ascii());
    }
    // A right request in which bytes are wrong.
    let right = get(&watch("pods"), &format!("{USER}Last-Event-ID: 12\r\nAccept: text/event-stream\r\n"));
    for _ in 0..100 {
        let mut bytes = right.clone().into_bytes();
        for _ in 0..3 {
            let at = usize::try_from(random()).unwrap() % bytes.len();
            bytes[at] = random().to_le_bytes()[0];
        }
        let mut wire = Wire::connect(house.address()).await;
        wire.try_send(&bytes).await;
        wire.half_close_if_open().await;
    }
    goes_on(&house, "garbage").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_last_event_id_is_nobodys_id() {
    let house = house().await;
    house.east().put("pods", pod("team-x", "a", "Running")).unwrap();
    for id in
        ["9".repeat(65), "9".repeat(3000), "x".repeat(3000), "\u{7f}".repeat(10), "\t".repeat(100) + "1"]
    {
        let lines = format!("{USER}Last-Event-ID: {id}\r\n");
        let wire = Wire::with(house.address(), get(&watch("pods"), &lines)).await;
        if let Some(mut stream) = Stream::on(wire, tab::http::Version::Http11).await.accepted() {
            let name = stream.events(1).await.remove(0).name;
            assert!(name == "snapshot" || name == "relist", "{name}");
        }
    }
    goes_on(&house, "huge ids").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_request_id_is_repeated_that_could_be_more_than_an_id() {
    let house = house().await;
    let long = "x".repeat(129);
    for path in [list("pods"), watch("pods"), "/api/features".into(), "/nowhere".into()] {
        for id in ["a b", "a\tb", "<script>", "a;b", "\"", "é", "%0d%0aSet-Cookie:x", &long] {
            let lines = format!("{USER}X-Request-Id: {id}\r\n");
            let mut wire = Wire::with(house.address(), get(&path, &lines)).await;
            let text = wire.head_text().await;
            let lower = text.to_ascii_lowercase();
            let given = lower.split("x-request-id: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let given = given.unwrap_or_else(|| panic!("{path}: {text}"));
            assert!(!given.contains(&id.to_ascii_lowercase()) && !given.is_empty(), "{path} {id}: {text}");
        }
        // A bare line feed ends a line for some; what follows is a header of the request, and none of the answer.
        let lines = format!("{USER}X-Request-Id: a\nSet-Cookie: evil=1\r\n");
        let mut wire = Wire::with(house.address(), get(&path, &lines)).await;
        let text = wire.head_text().await;
        assert!(!text.contains("evil"), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_utf_8_names_nothing() {
    let house = house().await;
    for (request, expected) in [
        (get("/api/clusters/%ff/pods", USER).into_bytes(), 404),
        (get("/api/clusters/east%00/pods", USER).into_bytes(), 404),
        (get("/api/clusters/east/%ff", USER).into_bytes(), 404),
        (get("/api/clusters/%ff/dashboard", USER).into_bytes(), 404),
        (get("/api/clusters/east/pods/team-a/%ff", USER).into_bytes(), 404),
        (get(&format!("{}?namespace=%ff%fe", list("pods")), USER).into_bytes(), 400),
    ] {
        let answer = Wire::with(house.address(), &request).await.answer().await;
        assert_eq!(answer.head.status, expected, "{}", request.escape_ascii());
    }
    let mut raw = b"GET /api/clusters/\xff\xfe/pods HTTP/1.1\r\nHost: localhost\r\n".to_vec();
    raw.extend_from_slice(USER.as_bytes());
    raw.extend_from_slice(b"\r\n");
    let answer = Wire::with(house.address(), &raw).await.answer().await;
    assert!(matches!(answer.head.status, 400 | 404), "{}", answer.head.status);
    let mut user =
        format!("GET {} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-User: ", list("pods")).into_bytes();
    user.extend_from_slice(b"\xff\xfe\r\n\r\n");
    assert_eq!(Wire::with(house.address(), &user).await.answer().await.head.status, 401);
    goes_on(&house, "what is not UTF-8").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_connections_are_no_burden_to_a_stream() {
    let mut config = config();
    config.server.head_timeout = Duration::from_secs(60);
    let house = House::small_with(&config).await;
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    let mut idle = Vec::new();
    for number in 0..1000 {
        let bytes = if number % 2 == 0 { "" } else { "GET /api/clus" };
        idle.push(Wire::with(house.address(), bytes).await);
    }
    for round in 1..=20 {
        let rv = house.east().put("pods", pod("team-x", &format!("p{round}"), "Running")).unwrap();
        assert_eq!(stream.events(round + 1).await[round].id, Some(rv.to_string()));
    }
    assert_eq!(tab::get(house.address(), &list("pods"), &[]).await.head.status, 200);
    drop(idle);
    let mut fresh = Stream::open(house.address(), &watch("pods"), "").await;
    assert_eq!(fresh.events(1).await[0].name, "snapshot");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_bound_are_closed_at_once_and_the_stream_stays() {
    let mut config = config();
    config.server.cores = 1;
    config.server.connections_per_core = 20;
    config.server.head_timeout = Duration::from_secs(60);
    let house = House::small_with(&config).await;
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    let mut idle = Vec::new();
    for _ in 0..19 {
        idle.push(Wire::with(house.address(), "GET").await);
    }
    let mut beyond = Wire::connect(house.address()).await;
    assert_eq!(beyond.rest().await, "");
    let rv = house.east().put("pods", pod("team-x", "a", "Running")).unwrap();
    assert_eq!(stream.events(2).await[1].id, Some(rv.to_string()));
    drop(idle);
    house::eventually("room again", async || tab::try_get(house.address(), "/healthz", &[]).await.is_ok())
        .await;
}
