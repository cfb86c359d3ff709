//! Connections that carry more than one request, also such as belong to users of different cores.

mod house;
mod tab;

use std::time::Duration;

use foretop::config::AuthMode;
use house::wire::{Stream, Wire, get};
use house::{House, config, list, watch};
use tab::http::Version;

/// A house in which the header says who asks; its users live on either core.
async fn of_many_users() -> House {
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.1".parse().expect("an address")];
    let house = House::small_with(&config).await;
    for kind in ["pods", "nodes"] {
        let user = [("X-Forwarded-User", "somebody")];
        assert_eq!(tab::get(house.address(), &list(kind), &user).await.head.status, 200);
    }
    house
}

/// The n-th request: of its own user, kind and id.
fn request(number: usize) -> String {
    let kind = if number.is_multiple_of(3) { "nodes" } else { "pods" };
    get(&list(kind), &format!("X-Forwarded-User: user-{}\r\nX-Request-Id: r{number}\r\n", number % 7))
}

/// Reads the answer to it, and fails where it is another's.
async fn expect_answer(wire: &mut Wire, number: usize) {
    let answer = wire.answer().await;
    let wrapper = if number.is_multiple_of(3) { "{\"nodes\":[{" } else { "{\"pods\":[{" };
    assert_eq!((answer.head.status, answer.head.header("x-request-id")), (200, Some(&*format!("r{number}"))));
    assert!(answer.text().starts_with(wrapper) && answer.text().ends_with("]}\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_many_users_follow_each_other_on_one_connection() {
    let house = of_many_users().await;
    let mut wire = Wire::connect(house.address()).await;
    for number in 0..60 {
        wire.send(request(number)).await;
        expect_answer(&mut wire, number).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_of_many_users_are_answered_in_order() {
    let house = of_many_users().await;
    let all: String = (0..80).map(request).collect();
    let mut wire = Wire::with(house.address(), &all).await;
    for number in 0..80 {
        expect_answer(&mut wire, number).await;
    }
    assert!(
        wire.is_silent_for(Duration::from_millis(50)).await,
        "nothing beyond them, and the connection stays"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_may_be_cut_anywhere() {
    let house = of_many_users().await;
    let all: String = (0..6).map(request).collect();
    for piece in [1, 7, 50, 133] {
        let mut wire = Wire::connect(house.address()).await;
        for bytes in all.as_bytes().chunks(piece) {
            wire.send(bytes).await;
            tokio::task::yield_now().await;
        }
        for number in 0..6 {
            expect_answer(&mut wire, number).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_request_moves_along_with_its_connection() {
    let house = of_many_users().await;
    for users in 0..7 {
        let (first, second) = (request(0), request(users));
        let (start, end) = second.split_at(second.len() / 2);
        let mut wire = Wire::with(house.address(), first + start).await;
        expect_answer(&mut wire, 0).await;
        wire.send(end).await;
        expect_answer(&mut wire, users).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_of_the_control_plane_is_the_last_on_its_connection() {
    let house = of_many_users().await;
    for user in 0..7 {
        let whoami = get("/api/auth/whoami", &format!("X-Forwarded-User: me-{user}\r\n"));
        let mut wire = Wire::with(house.address(), request(1) + &request(2) + &whoami + &request(3)).await;
        expect_answer(&mut wire, 1).await;
        expect_answer(&mut wire, 2).await;
        let answer = wire.answer().await;
        assert_eq!((answer.head.status, &answer.json()["subject"]), (200, &format!("me-{user}").into()));
        assert_eq!(answer.head.header("connection"), Some("close"));
        assert_eq!(wire.rest().await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_in_a_pipeline_has_no_body() {
    let house = of_many_users().await;
    let head = |number| request(number).replacen("GET", "HEAD", 1);
    let mut wire = Wire::with(house.address(), request(1) + &head(2) + &head(3) + &request(4)).await;
    expect_answer(&mut wire, 1).await;
    for number in [2, 3] {
        let answer = wire.answer_to_head().await;
        assert_eq!(answer.head.header("x-request-id"), Some(&*format!("r{number}")));
        assert_ne!(answer.head.header("content-length"), Some("0"));
    }
    expect_answer(&mut wire, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_without_doubt_keeps_the_connection() {
    let house = of_many_users().await;
    let user = "X-Forwarded-User: ann\r\n";
    let etag = tab::get(house.address(), &list("nodes"), &[("X-Forwarded-User", "ann")]).await;
    let etag = etag.head.header("etag").unwrap().to_owned();
    let mut wire = Wire::connect(house.address()).await;
    for (request, status) in [
        (get("/api/clusters/nowhere/pods", user), 404),
        (get(&list("pods"), ""), 401),
        (get(&list("pods"), user).replacen("GET", "DELETE", 1), 405),
        (get(&format!("{}?namespace=No", list("pods")), user), 400),
        (get(&list("nodes"), &format!("{user}If-None-Match: {etag}\r\n")), 304),
        (get("/api/clusters/nowhere/pods/watch", user), 404),
    ] {
        wire.send(&request).await;
        assert_eq!(wire.answer().await.head.status, status, "{request}");
        wire.send(self::request(5)).await;
        expect_answer(&mut wire, 5).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_closed_as_each_version_of_http_has_it() {
    let house = of_many_users().await;
    let user = "X-Forwarded-User: ann\r\n";
    let http10 = |lines: &str| format!("GET {} HTTP/1.0\r\n{user}{lines}\r\n", list("pods"));
    for (request, connection, keeps) in [
        (get(&list("pods"), user), None, true),
        (get(&list("pods"), &format!("{user}Connection: close\r\n")), Some("close"), false),
        (get(&list("pods"), &format!("{user}Connection: x, Close\r\n")), Some("close"), false),
        (http10(""), Some("close"), false),
        (http10("Connection: Keep-Alive\r\n"), Some("keep-alive"), true),
    ] {
        let mut wire = Wire::with(house.address(), &request).await;
        let answer = wire.answer().await;
        assert_eq!((answer.head.status, answer.head.header("connection")), (200, connection), "{request}");
        assert!(answer.head.header("transfer-encoding").is_none());
        if keeps {
            wire.send(self::request(1)).await;
            expect_answer(&mut wire, 1).await;
        } else {
            assert_eq!(wire.rest().await, "", "{request}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_behind_a_watch_is_not_answered() {
    let house = of_many_users().await;
    for user in 0..4 {
        let lines = format!("X-Forwarded-User: user-{user}\r\n");
        let mut wire =
            Wire::with(house.address(), request(1) + &get(&watch("pods"), &lines) + &request(2)).await;
        expect_answer(&mut wire, 1).await;
        let mut stream = Stream::on(wire, Version::Http11).await;
        let seen = stream.events(1).await;
        let rv = house.east().put("pods", house::pod("team-x", &format!("p{user}"), "Running")).unwrap();
        assert_eq!(stream.events(2).await[1].id, Some(rv.to_string()));
        assert_eq!(seen[0].name, "snapshot");
        assert!(!stream.text.contains("HTTP/1.1"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_is_closed_in_its_time() {
    let mut config = config();
    config.server.idle_timeout = Duration::from_millis(100);
    let house = House::small_with(&config).await;
    let mut wire = Wire::with(house.address(), get(&list("pods"), "")).await;
    assert_eq!(wire.answer().await.head.status, 200);
    assert_eq!(wire.rest().await, "", "without a word, since nothing was asked");
}
