//! TLS on a listener of its own: what a tab gets is what it gets in cleartext, and who may speak to it.

mod house;
mod tab;

use std::net::SocketAddr;
use std::time::Duration;

use foretop::config::{AuthMode, Config};
use house::process::Process;
use house::tls::{Authority, connect};
use house::wire::{Stream, Wire, get};
use house::{House, config, eventually, list, patient, pod, watch};
use rustls::pki_types::CertificateDer;
use tab::http::Version;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// A server whose TLS listener has a certificate of this authority.
async fn house(authority: &Authority) -> House {
    house_with(authority, config()).await
}

async fn house_with(authority: &Authority, mut config: Config) -> House {
    authority.serves(&mut config);
    House::small_with(&config).await
}

fn tls(house: &House) -> SocketAddr {
    house.server.tls_address.expect("it speaks TLS")
}

async fn wire(house: &House, authority: &Authority) -> Wire {
    let socket = TcpStream::connect(tls(house)).await.expect("a connection");
    Wire::over(connect(authority.client(None), socket).await.expect("a handshake"))
}

async fn stream(house: &House, authority: &Authority, lines: &str) -> Stream {
    let mut wire = wire(house, authority).await;
    wire.send(get(&watch("pods"), lines)).await;
    Stream::on(wire, Version::Http11).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_the_control_planes_answers_are_those_of_cleartext() {
    let authority = Authority::new();
    let house = house(&authority).await;
    let mut wire = wire(&house, &authority).await;
    for path in [list("pods"), list("nodes"), list("pods")] {
        wire.send(get(&path, "")).await;
        let (over_tls, cleartext) = (wire.answer().await, tab::get(house.address(), &path, &[]).await);
        assert_eq!(
            (over_tls.head.status, over_tls.text()),
            (200, cleartext.text()),
            "{path}, on one connection"
        );
    }
    wire.half_close().await;
    assert_eq!(wire.rest().await, "");
    for path in ["/api/features", "/healthz", "/nowhere"] {
        let mut wire = self::wire(&house, &authority).await;
        wire.send(get(path, "")).await;
        // It has said all, and still gets its answer.
        wire.half_close().await;
        let (over_tls, cleartext) = (wire.answer().await, tab::get(house.address(), path, &[]).await);
        assert_eq!(
            (over_tls.head.status, over_tls.text()),
            (cleartext.head.status, cleartext.text()),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_lives_and_resumes() {
    let authority = Authority::new();
    let house = house(&authority).await;
    let mut first = stream(&house, &authority, "").await;
    assert_eq!(first.events(1).await[0].name, "snapshot");
    let rv = house.east().put("pods", pod("team-x", "a", "Running")).unwrap();
    assert_eq!(first.events(2).await[1].id, Some(rv.to_string()));
    drop(first);
    house.has_streams(0).await;
    let missed = house.east().put("pods", pod("team-x", "b", "Running")).unwrap();
    let mut second = stream(&house, &authority, &format!("Last-Event-ID: {rv}\r\n")).await;
    let events = second.events(1).await;
    assert_eq!((&*events[0].name, &events[0].id), ("added", &Some(missed.to_string())));
    assert_eq!(house.streams().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_slowly_is_seen_to_lag_and_catches_up() {
    let authority = Authority::new();
    let house = house(&authority).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let socket = socket.connect(tls(&house)).await.expect("a connection");
    let mut wire = Wire::over(connect(authority.client(None), socket).await.expect("a handshake"));
    wire.send(get(&watch("pods"), "")).await;
    let mut slow = Stream::on(wire, Version::Http11).await;
    slow.events(1).await;
    let mut quick = stream(&house, &authority, "").await;
    quick.events(1).await;
    let mut last = None;
    let phase = |round: usize| if round.is_multiple_of(2) { "Running" } else { "Pending" };
    for round in 0..6000 {
        let name = format!("{}-{}", "x".repeat(180), round % 40);
        last = Some(house.east().put("pods", pod("team-x", &name, phase(round / 40))).unwrap().to_string());
    }
    eventually("the slow one lags", async || {
        house.server.cores.iter().any(|core| core.counters.lagged.get() > 0)
    })
    .await;
    for stream in [&mut quick, &mut slow] {
        stream
            .until("the last event", |items| house::wire::events(items).iter().any(|event| event.id == last))
            .await;
    }
    assert!(slow.seen().len() < quick.seen().len(), "it got the latest of each only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_shown_without_a_restart() {
    let authority = Authority::new();
    let house = house(&authority).await;
    let mut open = stream(&house, &authority, "").await;
    open.events(1).await;
    let next = authority.signs(&["localhost"]);
    assert_ne!(shown(&authority, tls(&house)).await, *next.certificate.der());
    authority.write(&next);
    eventually("the new one", async || shown(&authority, tls(&house)).await == *next.certificate.der()).await;
    let rv = house.east().put("pods", pod("team-x", "a", "Running")).unwrap();
    assert_eq!(open.events(2).await[1].id, Some(rv.to_string()), "what was open goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_pair_is_told_and_the_old_one_stays() {
    let authority = Authority::new();
    let (first, second) = (authority.signs(&["localhost"]), authority.signs(&["localhost"]));
    let settings = "auth: {mode: dev}\nserver: {listen: \"127.0.0.1:0\", cores: 1, \
                    tls: {listen: \"127.0.0.1:0\", certFile: tls.crt, keyFile: tls.key}}\n";
    let (certificate, key) = (first.certificate.pem(), first.key.serialize_pem());
    let files = [("foretop.yaml", settings), ("tls.crt", &*certificate), ("tls.key", &*key)];
    let process = Process::start(&["serve", "--config", "foretop.yaml"], &files);
    let line = process.says("tls.started");
    let address =
        line.split("address=").nth(1).expect("the line names it").trim().parse().expect("an address");
    assert_eq!(shown(&authority, address).await, *first.certificate.der());
    process.write("tls.crt", &second.certificate.pem());
    let told = process.says("tls.bad_files");
    assert!(told.contains("tls.crt") && !told.contains("BEGIN"), "{told}");
    assert_eq!(shown(&authority, address).await, *first.certificate.der());
    process.write("tls.key", &second.key.serialize_pem());
    process.says("tls.reloaded");
    assert_eq!(shown(&authority, address).await, *second.certificate.der());
}

/// The certificate that a new client is shown.
async fn shown(authority: &Authority, address: SocketAddr) -> CertificateDer<'static> {
    let socket = TcpStream::connect(address).await.expect("a connection");
    let stream = connect(authority.client(None), socket).await.expect("a handshake");
    stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_certificate_says_which_proxy_it_is() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_names = vec!["proxy.example".into()];
    config.server.tls.client_ca_file = Some(authority.path("ca.crt"));
    let house = house_with(&authority, config).await;
    let request = get("/api/auth/whoami", "X-Forwarded-User: ann\r\n");
    for (shows, expected) in [
        (None, 401),
        (Some(authority.signs(&["proxy.example"])), 200),
        (Some(authority.signs(&["another.example", "spiffe://proxy.example/x"])), 401),
    ] {
        let socket = TcpStream::connect(tls(&house)).await.expect("a connection");
        let mut wire =
            Wire::over(connect(authority.client(shows.as_ref()), socket).await.expect("a handshake"));
        wire.send(&request).await;
        assert_eq!(wire.answer().await.head.status, expected);
    }
    let cleartext = tab::get(house.address(), "/api/auth/whoami", &[("X-Forwarded-User", "ann")]).await;
    assert_eq!(cleartext.head.status, 401);
    // In TLS 1.3 the client learns after its own part of the handshake that its certificate is refused.
    let socket = TcpStream::connect(tls(&house)).await.expect("a connection");
    let shows = stranger.signs(&["proxy.example"]);
    if let Ok(stream) = connect(authority.client(Some(&shows)), socket).await {
        let mut wire = Wire::over(stream);
        wire.try_send(&request).await;
        assert_eq!(wire.rest().await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cleartext_is_told_that_this_is_tls() {
    let authority = Authority::new();
    let house = house(&authority).await;
    for request in [get(&watch("pods"), ""), "POST / HTTP/1.1\r\n\r\n".into()] {
        let answer = Wire::with(tls(&house), request).await.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("needs_tls"), "{answer}");
    }
}

/// All that comes for these bytes.
async fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    socket.write_all(bytes).await.expect("it takes them");
    let mut answer = Vec::new();
    let _ = patient("an end", socket.read_to_end(&mut answer)).await;
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_1_1_is_refused() {
    let authority = Authority::new();
    let house = house(&authority).await;
    for (minor, expected) in
        [(1, &[0x15, 3, 3, 0, 2, 2, 70][..]), (2, &[0x15, 3, 3, 0, 2, 2, 70]), (3, &[0x16, 3, 3])]
    {
        let mut hello = vec![3, minor];
        hello.extend([7; 32]);
        // No session; ECDHE-ECDSA with AES-128; no compression; x25519, P-256; ECDSA and RSA-PSS.
        hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 22]);
        hello.extend([0, 10, 0, 6, 0, 4, 0, 29, 0, 23, 0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1]);
        let length = u8::try_from(hello.len()).unwrap();
        let mut record = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
        record.extend(hello);
        let mut wire = Wire::with(tls(&house), &record).await;
        assert!(wire.bytes(expected.len()).await.starts_with(expected), "TLS 1.{}", minor - 1);
    }
    let answer = raw(tls(&house), b"\x16\x03\x01\xff\xffgarbage that is no record at all").await;
    assert!(answer.len() < 16, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_1_is_all_that_is_agreed_on() {
    let authority = Authority::new();
    let house = house(&authority).await;
    let offering = async |protocols: &[&str]| {
        let mut client = authority.client(None);
        client.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let socket = TcpStream::connect(tls(&house)).await.expect("a connection");
        connect(client, socket).await.map(|stream| stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
    };
    assert_eq!(offering(&["h2", "http/1.1"]).await.expect("a handshake"), Some(b"http/1.1".to_vec()));
    assert_eq!(offering(&[]).await.expect("a handshake"), None);
    assert!(offering(&["h2"]).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_stall_their_handshake_hold_up_nobody() {
    let authority = Authority::new();
    let house = house(&authority).await;
    let mut stalled = Vec::new();
    for _ in 0..300 {
        let mut wire = Wire::connect_from([127, 0, 0, 2], tls(&house)).await;
        wire.try_send(b"\x16\x03\x01").await;
        stalled.push(wire);
    }
    let mut fresh = stream(&house, &authority, "").await;
    assert_eq!(fresh.events(1).await[0].name, "snapshot");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_are_gone_leave_no_stream() {
    let authority = Authority::new();
    let house = house(&authority).await;
    for linger in [None, Some(Duration::ZERO)] {
        let mut sockets = Vec::new();
        for _ in 0..20 {
            let socket = TcpStream::connect(tls(&house)).await.expect("a connection");
            socket2::SockRef::from(&socket).set_linger(linger).expect("a socket");
            let mut stream = connect(authority.client(None), socket).await.expect("a handshake");
            stream.write_all(get(&watch("pods"), "").as_bytes()).await.expect("it takes it");
            sockets.push(stream);
        }
        house.has_streams(20).await;
        drop(sockets);
        house.has_streams(0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_long_the_certificate_is_good_for_is_told_and_follows_the_file() {
    let authority = Authority::new();
    let house = house(&authority).await;
    let left = async || {
        let text = tab::get(house.managed(), "/metrics", &[]).await.text();
        let line =
            text.lines().find(|line| line.starts_with("foretop_certificate_seconds_left{of=\"server\"}"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<i64>().ok()).expect("a number of seconds")
    };
    assert!(left().await > 10 * 365 * 86400, "what is signed here is good for very long");
    authority.write(&authority.signs_expired(&["localhost"]));
    eventually("it has ended", async || left().await < 0).await;
}
