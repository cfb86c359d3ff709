//! The tests' own tab, tried with fixed bytes, so that a failure elsewhere is the server's.

mod tab;

use tab::http::{Body, Head, Malformed, Version};
use tab::sse::{Event, Item, Parser};
use tab::state::{Badge, End, State};
use tab::{Open, Tab};

const STREAM: &[u8] =
    b"retry: 3000\nevent: snapshot\nid: 7\ndata: {\"resourceVersion\":\"7\",\"items\":[]}\n\n\
    : ping\n\nevent: bookmark\nid: 9\ndata: {}\n\ndata: a\ndata:b\r\n\rid: 10\n\nevent: cut\ndata: x";

fn parse_in_pieces(bytes: &[u8], piece: usize) -> Vec<Item> {
    let (mut parser, mut items) = (Parser::default(), Vec::new());
    bytes.chunks(piece).for_each(|piece| parser.take(piece, &mut items));
    items
}

fn event(name: &str, id: Option<&str>, data: &str) -> Item {
    Item::Event(Event { name: name.into(), id: id.map(str::to_owned), data: data.into() })
}

#[test]
fn a_stream_is_parsed_as_the_standard_has_it_however_it_is_cut() {
    let expected = vec![
        Item::Retry(3000),
        event("snapshot", Some("7"), r#"{"resourceVersion":"7","items":[]}"#),
        Item::Comment("ping".into()),
        event("bookmark", Some("9"), "{}"),
        event("message", None, "a\nb"),
        Item::BareId("10".into()),
    ];
    for piece in 1..=STREAM.len() {
        assert_eq!(parse_in_pieces(STREAM, piece), expected, "in pieces of {piece}");
    }
}

fn head_of(text: &str) -> Head {
    Head::parse(text.as_bytes()).unwrap().unwrap().0
}

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_head_is_parsed_once_it_is_whole() {
    for part in 0..CHUNKED.len() {
        assert_eq!(Head::parse(&CHUNKED.as_bytes()[..part]), Ok(None));
    }
    let (head, length) = Head::parse(CHUNKED.as_bytes()).unwrap().unwrap();
    assert_eq!((head.status, length), (200, CHUNKED.len()));
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
}

#[test]
fn chunks_are_joined_however_they_are_cut() {
    let wire = b"5\r\nhello\r\n1;why=not\r\n,\r\nA\r\n the world\r\n0\r\nTrailer: x\r\n\r\n";
    for piece in 1..=wire.len() {
        let mut body = Body::of(&head_of(CHUNKED), Version::Http11).unwrap();
        let mut out = Vec::new();
        for bytes in wire.chunks(piece) {
            assert!(!body.is_done());
            body.take(bytes, &mut out).unwrap();
        }
        assert_eq!(
            (out.as_slice(), body.is_done()),
            (&b"hello, the world"[..], true),
            "in pieces of {piece}"
        );
    }
}

#[test]
fn wrong_chunks_are_not_believed() {
    for wire in
        ["5\r\nhello!\r\n", "5\nhello\r\n", "\r\n", "-1\r\n", "+5\r\nhello\r\n", "fffffffffffffffff\r\n"]
    {
        let mut body = Body::of(&head_of(CHUNKED), Version::Http11).unwrap();
        assert!(body.take(wire.as_bytes(), &mut Vec::new()).is_err(), "{wire:?}");
    }
    let mut ended = Body::of(&head_of(CHUNKED), Version::Http11).unwrap();
    assert!(ended.take(b"0\r\n\r\nmore", &mut Vec::new()).is_err());
}

#[test]
fn an_http_1_0_body_ends_with_the_connection_and_has_no_chunks() {
    assert!(matches!(Body::of(&head_of(CHUNKED), Version::Http10), Err(Malformed(_))));
    let plain = head_of("HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    let mut body = Body::of(&plain, Version::Http10).unwrap();
    let mut out = Vec::new();
    body.take(b"5\r\nhello", &mut out).unwrap();
    assert_eq!((out.as_slice(), body.may_close(), body.is_done()), (&b"5\r\nhello"[..], true, false));
}

fn pods(script: &[(&str, &str)]) -> State {
    shown("pods", script)
}

fn shown(kind: &str, script: &[(&str, &str)]) -> State {
    let mut state = State::new(kind);
    for (index, (name, data)) in script.iter().enumerate() {
        state.apply(event(name, Some(&index.to_string()), data));
    }
    state
}

fn names(state: &State) -> Vec<&str> {
    state.rows.items().filter_map(|row| row["name"].as_str()).collect()
}

const TWO: (&str, &str) = (
    "snapshot",
    r#"{"resourceVersion":"5","items":[{"name":"a","namespace":"x","v":1},{"name":"b","namespace":"x","v":1}]}"#,
);

#[test]
fn deltas_are_reduced_as_the_reference_front_end_does() {
    let state = pods(&[
        TWO,
        ("modified", r#"{"object":{"name":"a","namespace":"x","v":2}}"#),
        ("added", r#"{"object":{"name":"a","namespace":"y","v":3}}"#),
        ("added", r#"{"object":{"name":"b","namespace":"x","v":4}}"#),
        ("deleted", r#"{"object":{"name":"a","namespace":"x"}}"#),
    ]);
    assert_eq!(names(&state), ["b", "a"]);
    assert_eq!(state.rows.named("b").unwrap()["v"], 4);
    assert_eq!((state.dropped.len(), state.last_id.as_str(), state.badge), (0, "4", Badge::Live));
}

#[test]
fn what_a_page_would_drop_is_dropped_and_noticed() {
    let early = pods(&[("added", r#"{"object":{"name":"a","namespace":"x"}}"#), TWO]);
    assert_eq!((names(&early), early.dropped.len()), (vec!["a", "b"], 1));
    let unknown = pods(&[TWO, ("modified", r#"{"object":{"name":"c","namespace":"x"}}"#)]);
    assert_eq!((names(&unknown), unknown.dropped.len()), (vec!["a", "b"], 1));
}

#[test]
fn a_relist_keeps_the_rows_and_the_id_and_turns_the_badge() {
    let mut state = pods(&[TWO]);
    state.apply(event("relist", None, r#"{"reason":"gone_410"}"#));
    assert_eq!(
        (names(&state), state.last_id.as_str(), state.badge),
        (vec!["a", "b"], "0", Badge::Reconnecting)
    );
    assert_eq!(state.relists, [r#"{"reason":"gone_410"}"#]);
}

#[test]
fn events_are_known_by_uid_and_lose_the_front_row_at_five_hundred() {
    let row = |n: usize| format!(r#"{{"uid":"u{n}","namespace":"x","name":"pod"}}"#);
    let items: Vec<String> = (0..500).map(row).collect();
    let snapshot = format!(r#"{{"resourceVersion":"5","items":[{}]}}"#, items.join(","));
    let full = shown("events", &[("snapshot", &snapshot)]);
    assert_eq!(full.rows.len(), 500);
    let added = format!(r#"{{"object":{}}}"#, row(500));
    let trimmed = shown("events", &[("snapshot", &snapshot), ("added", &added)]);
    let uids: Vec<&str> = trimmed.rows.items().filter_map(|row| row["uid"].as_str()).collect();
    assert_eq!((uids.len(), uids[0], uids[499]), (500, "u1", "u500"));
}

#[test]
fn equal_rows_hash_alike_whatever_their_order_and_a_running_jobs_clock() {
    let list = |rows: &str| format!(r#"{{"resourceVersion":"5","items":[{rows}]}}"#);
    let hash = |kind: &str, rows: &str| shown(kind, &[("snapshot", &list(rows))]).rows.hash();
    let (a, b) = (r#"{"name":"a","v":1}"#, r#"{"name":"b","v":1}"#);
    assert_eq!(hash("pods", &format!("{a},{b}")), hash("pods", &format!("{b},{a}")));
    assert_ne!(hash("pods", a), hash("pods", r#"{"name":"a","v":2}"#));
    let job = |status: &str, duration: &str| {
        hash("jobs", &format!(r#"{{"name":"j","status":"{status}","duration":"{duration}"}}"#))
    };
    assert_eq!(job("Running", "1s"), job("Running", "2s"));
    assert_ne!(job("Complete", "1s"), job("Complete", "2s"));
}

/// A server that answers each connection in turn with fixed bytes, and tells what it was asked.
async fn canned(answers: Vec<Vec<u8>>) -> (std::net::SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0);
            }
            asked.push(String::from_utf8(request).unwrap());
            socket.write_all(&answer).await.unwrap();
        }
        asked
    });
    (address, serving)
}

fn chunked_answer(body: &[u8], end: &str) -> Vec<u8> {
    let chunk = format!("{:x}\r\n{}\r\n{end}", body.len(), String::from_utf8_lossy(body));
    [CHUNKED.as_bytes(), chunk.as_bytes()].concat()
}

#[tokio::test]
async fn a_tab_reads_to_the_end_and_resumes_from_its_last_id() {
    let first = chunked_answer(&STREAM[..STREAM.len() - b"event: cut\ndata: x".len()], "0\r\n\r\n");
    let (address, serving) = canned(vec![first, chunked_answer(STREAM, "")]).await;
    let mut tab = Tab::open(Open::watch(address, "east", "pods", Some("team-a"))).await;
    assert_eq!((tab.status(), tab.until_end().await), (200, End::Closed));
    tab.reconnect().await;
    let mut following = tab.follow();
    following.until("a second snapshot", |state| state.count("snapshot") == 2).await;
    let mut tab = following.stop().await;
    assert_eq!(tab.until_end().await, End::Cut);
    let asked = serving.await.unwrap();
    assert!(asked[0].starts_with("GET /api/clusters/east/pods/watch?namespace=team-a HTTP/1.1\r\n"));
    assert!(!asked[0].contains("Last-Event-ID"));
    assert!(asked[1].contains("\r\nLast-Event-ID: 10\r\n"));
}

#[tokio::test]
async fn a_plain_answer_is_read_in_whole() {
    let (address, serving) =
        canned(vec![b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"pods\":[1]}".to_vec()]).await;
    let answer = tab::get(address, "/api/clusters/east/pods", &[("Accept", "application/json")]).await;
    assert_eq!(answer.json()["pods"][0], 1);
    assert!(serving.await.unwrap()[0].contains("\r\nAccept: application/json\r\n"));
}
