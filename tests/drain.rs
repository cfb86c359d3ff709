//! How a server goes: not ready, then lame, then every stream is told, one after another.

mod house;
mod tab;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use house::process::Process;
use house::wire::{Stream, Wire, get};
use house::{House, config, eventually, list, pod, watch};
use rustix::process::Signal;
use tab::sse::Item;
use tokio::task::JoinSet;

async fn status(house: &House, path: &str) -> u16 {
    tab::get(house.address(), path, &[]).await.head.status
}

/// A connection on which one list was answered, and which waits for more.
async fn kept_connection(house: &House) -> Wire {
    let mut kept = Wire::with(house.address(), get(&list("pods"), "")).await;
    let answer = kept.answer().await;
    assert_eq!((answer.head.status, answer.head.header("connection")), (200, None));
    kept
}

/// Fails unless the stream's last words are a `retry:` of its own and `server_shutdown`; returns the `retry:`.
fn last_words(stream: &Stream) -> u64 {
    let [.., Item::Retry(milliseconds), Item::Event(last)] = &stream.items[..] else {
        panic!("{}", stream.text)
    };
    assert_eq!((last.name.as_str(), last.id.as_deref(), last.data.as_str()), ("server_shutdown", None, "{}"));
    assert!((2000..=5000).contains(milliseconds), "{milliseconds}");
    assert!(stream.text.ends_with("event: server_shutdown\ndata: {}\n\n"), "{}", stream.text);
    *milliseconds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_says_so_in_order() {
    let mut config = config();
    // Far longer than it takes to look at a lame server; so that the test looks, and does not race.
    config.drain.lame = Duration::from_secs(3);
    config.drain.window = Duration::from_secs(2);
    let house = Arc::new(House::small_with(&config).await);
    eventually("readiness", async || status(&house, "/readyz").await == 200).await;
    let mut streams = JoinSet::new();
    let (ended, mut first_end) = tokio::sync::mpsc::channel(32);
    for _ in 0..24 {
        let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
        stream.events(1).await;
        let ended = ended.clone();
        streams.spawn(async move {
            stream.until_end().await;
            ended.send(()).await.unwrap();
            stream
        });
    }
    let (mut kept, mut idle) = (kept_connection(&house).await, kept_connection(&house).await);

    let going = house.clone();
    let drained = tokio::spawn(async move { going.server.drain().await });
    eventually("no readiness", async || status(&house, "/readyz").await == 503).await;
    assert_eq!(status(&house, "/healthz").await, 200);
    assert_eq!(status(&house, &list("pods")).await, 200, "lists go on");
    eventually("a lame core", async || {
        let mut late = Stream::open(house.address(), &watch("pods"), "").await;
        assert_eq!((late.head.status, late.head.header("content-type")), (200, Some("text/event-stream")));
        let lame = late.text.contains("server_shutdown") || {
            late.until("its first block", |items| !house::wire::events(items).is_empty()).await;
            late.seen()[0].name == "server_shutdown"
        };
        if lame {
            late.until_end().await;
            last_words(&late);
        }
        lame
    })
    .await;
    assert!(first_end.try_recv().is_err(), "streams that are open stay so for now");
    kept.send(get(&list("pods"), "")).await;
    let answer = kept.answer().await;
    assert_eq!(
        (answer.head.status, answer.head.header("connection")),
        (200, Some("close")),
        "the next one goes elsewhere"
    );
    assert!(idle.is_silent_for(Duration::ZERO).await, "who asks nothing is left alone for now");

    first_end.recv().await.expect("a stream that ends");
    assert_eq!(idle.rest().await, "", "nobody who might still ask something is left");
    // The window is wide: when the first stream has ended, others still are what they were.
    house.east().put("pods", pod("team-x", "late", "Running")).unwrap();
    let mut retries = BTreeSet::new();
    let mut saw_the_pod = 0;
    while let Some(stream) = streams.join_next().await {
        let stream = stream.unwrap();
        retries.insert(last_words(&stream));
        saw_the_pod += usize::from(stream.text.contains("\"late\""));
    }
    assert!(saw_the_pod > 0, "streams end one after another");
    assert!(retries.len() > 6, "clients come back one after another: {retries:?}");
    house::patient("the end of the drain", drained).await.unwrap();
    assert!(tokio::net::TcpStream::connect(house.address()).await.is_err(), "nothing listens any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_server_tells_http_1_0_and_those_that_wait_for_rows_too() {
    let mut config = config();
    config.drain.lame = Duration::ZERO;
    config.drain.window = Duration::from_millis(200);
    let house = House::small_with(&config).await;
    house.east().faults().add(foretop::sim::Fault::Stall.on("nodes"));
    let mut plain = Stream::open_http10(house.address(), &watch("pods"), "").await;
    plain.events(1).await;
    let mut waiting = Stream::open(house.address(), &watch("nodes"), "").await;
    house.has_streams(2).await;
    house::patient("the end of the drain", house.server.drain()).await;
    for stream in [&mut plain, &mut waiting] {
        stream.until_end().await;
        last_words(stream);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_told_where_it_stands_before_it_ends() {
    let mut config = config();
    config.drain.lame = Duration::ZERO;
    config.drain.window = Duration::from_millis(200);
    let house = House::small_with(&config).await;
    let mut quiet = Stream::open(house.address(), &format!("{}?namespace=team-x", watch("pods")), "").await;
    quiet.events(1).await;
    let mut busy = Stream::open(house.address(), &watch("pods"), "").await;
    busy.events(1).await;
    let newest = house.east().put("pods", pod("team-y", "late", "Running")).unwrap();
    busy.events(2).await;
    house::patient("the end of the drain", house.server.drain()).await;
    for stream in [&mut quiet, &mut busy] {
        stream.until_end().await;
        last_words(stream);
        let [.., bookmark, _] = &stream.seen()[..] else { panic!("{}", stream.text) };
        assert_eq!((bookmark.name.as_str(), bookmark.id.clone()), ("bookmark", Some(newest.to_string())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_signal_drains_the_process() {
    let settings = "auth: {mode: dev}\nserver: {listen: \"127.0.0.1:0\", cores: 2}\n\
                    drain: {lame: 0s, window: 1s}\nclustersFile: clusters.yaml\n";
    let east = foretop::sim::Cluster::start(house::cluster(house::EAST, 5)).await.unwrap();
    let kubeconfig = foretop::sim::Cluster::kubeconfig(&[&east]);
    let clusters = "clusters: [{name: east, backend: kubeconfig, kubeconfigPath: kubeconfig}]\n";
    let files = [("foretop.yaml", settings), ("clusters.yaml", clusters), ("kubeconfig", &kubeconfig)];
    for signal in [Signal::TERM, Signal::INT] {
        let mut process = Process::start(&["serve", "--config", "foretop.yaml"], &files);
        let mut stream = Stream::open(process.address, &watch("pods"), "").await;
        stream.events(1).await;
        process.signal(signal);
        stream.until_end().await;
        last_words(&stream);
        process.says("server.drained");
        assert!(process.end().await.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_process_at_once() {
    let arguments = ["demo", "--clusters", "1", "--pods", "5", "--churn", "0", "--listen", "127.0.0.1:0"];
    let mut process = Process::start(&arguments, &[]);
    let mut stream = Stream::open(process.address, "/api/clusters/demo-1/pods/watch", "").await;
    stream.events(1).await;
    process.signal(Signal::TERM);
    process.says("server.draining");
    assert!(process.ended().is_none(), "it drains for some seconds");
    process.signal(Signal::TERM);
    process.says("server.killed");
    process.end().await;
    assert_eq!(stream.seen().len(), 1, "nobody waits for streams");
}
