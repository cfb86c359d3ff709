//! The management listener: figures and state for those who run the process; and what the public listener keeps to itself.

mod house;
mod tab;

use std::net::SocketAddr;

use foretop::config::AuthMode;
use foretop::sim::Fault;
use house::process::{Process, run};
use house::wire::{Stream, Wire, get};
use house::{House, config, eventually, list, watch};
use tab::Answer;

async fn ask(house: &House, path: &str) -> Answer {
    tab::get(house.managed(), path, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_are_told_there_and_name_nobody() {
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.1".parse().unwrap()];
    let house = House::small_with(&config).await;
    let path = format!("{}?namespace=namespace-of-mine", watch("pods"));
    let lines = "X-Forwarded-User: user-of-mine\r\nX-Forwarded-Groups: group-of-mine\r\n";
    let mut stream = Stream::open(house.address(), &path, lines).await;
    stream.events(1).await;
    eventually("the stream among the figures", async || {
        ask(&house, "/metrics")
            .await
            .text()
            .lines()
            .any(|line| line.starts_with("foretop_streams{") && line.ends_with(" 1"))
    })
    .await;
    let figures = ask(&house, "/metrics").await;
    assert_eq!(figures.head.status, 200);
    let figures = figures.text();
    assert!(figures.contains("foretop_thread_cpu_seconds_total{thread=\"core-0\"}"), "{figures}");
    for path in ["/readyz", "/debug/threads", "/debug/memory", "/metrics"] {
        let text = ask(&house, path).await.text();
        assert!(!text.contains("-of-mine"), "{path}: {text}");
    }
    let public = tab::get(house.address(), "/metrics", &[("X-Forwarded-User", "ann")]).await;
    assert_eq!(public.head.status, 404, "the public listener has no figures");
    assert_eq!(tab::get(house.address(), "/metrics", &[]).await.head.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_is_told_with_what_is_amiss() {
    let house = House::small().await;
    eventually("readiness", async || ask(&house, "/readyz").await.head.status == 200).await;
    house.warm("pods").await;
    house.east().faults().add(Fault::Stall.on("nodes"));
    let _waiting = Stream::open(house.address(), &watch("nodes"), "").await;
    let amiss = async || ask(&house, "/readyz").await.json()["troubled"].as_array().map(Vec::len) == Some(1);
    eventually("a feed in trouble", amiss).await;
    let detail = ask(&house, "/readyz").await.json();
    let troubled = &detail["troubled"][0];
    assert_eq!((&troubled["cluster"], &troubled["kind"]), (&"east".into(), &"nodes".into()), "{detail}");
    assert_eq!((&troubled["state"], &troubled["synced"]), (&"syncing".into(), &false.into()), "{detail}");
    assert_eq!((&detail["ready"], &detail["clusters"]), (&true.into(), &1.into()), "{detail}");
    assert_eq!(detail["feeds"]["ok"], 1, "{detail}");
    assert_eq!(tab::get(house.address(), "/readyz", &[]).await.text(), "ok", "in public without any of this");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_says_why_it_is_not_ready() {
    let mut config = config();
    config.drain.lame = std::time::Duration::from_secs(2);
    let house = House::small_with(&config).await;
    eventually("readiness", async || ask(&house, "/readyz").await.head.status == 200).await;
    let looking = async {
        eventually("no readiness", async || ask(&house, "/readyz").await.head.status == 503).await;
        let detail = ask(&house, "/readyz").await.json();
        assert_eq!((&detail["ready"], &detail["why"]), (&false.into(), &"shutting down".into()), "{detail}");
    };
    tokio::join!(house.server.drain(), looking);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_and_memory_are_told_by_what_they_go_to() {
    let house = House::small().await;
    house.warm("pods").await;
    let threads = ask(&house, "/debug/threads?seconds=1").await.json();
    let threads = threads.as_array().unwrap();
    let named = |name: &str| threads.iter().find(|thread| thread["name"] == name);
    for core in ["core-0", "core-1"] {
        let thread = named(core).unwrap_or_else(|| panic!("{core} in {threads:?}"));
        assert!(
            thread["cpuMs"].is_u64() && (0.0..=1.5).contains(&thread["busy"].as_f64().unwrap()),
            "{thread}"
        );
    }
    let memory = ask(&house, "/debug/memory").await.json();
    assert!(memory["residentBytes"].as_u64().unwrap() > 1 << 20, "{memory}");
    assert!(memory["ledger"]["replicas"].as_u64().unwrap() > 0, "{memory}");
    for path in ["/debug/threads?seconds=-1", "/debug/threads?seconds=x"] {
        assert_eq!(ask(&house, path).await.head.status, 400, "{path}");
    }
    assert_eq!(ask(&house, &list("pods")).await.head.status, 404, "nothing else is there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_was_led_here_by_a_name_of_its_own_gets_nothing() {
    let house = House::small().await;
    let request = |host: &str| get("/metrics", "").replace("Host: localhost", &format!("Host: {host}"));
    for (host, status) in
        [("evil.example", 421), ("evil.example:8081", 421), ("localhost:1", 200), ("127.0.0.1", 200)]
    {
        let answer = Wire::with(house.managed(), request(host)).await.answer().await;
        assert_eq!(answer.head.status, status, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_left_out_and_a_taken_address_is_a_clear_mistake() {
    let mut without = config();
    without.manage.listen = None;
    let house = House::small_with(&without).await;
    assert_eq!(house.server.managed, None);
    let taken = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = taken.local_addr().unwrap();
    let settings = format!(
        "auth: {{mode: dev}}\nserver: {{listen: \"127.0.0.1:0\"}}\nmanage: {{listen: \"{address}\"}}\n"
    );
    let files = [("foretop.yaml", settings.as_str())];
    let (status, said) = run(&["serve", "--config", "foretop.yaml"], &files);
    assert!(
        !status.success() && said.contains(&format!("cannot listen on {address} (`manage.listen`)")),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_says_where_it_is() {
    let process = Process::start(&["demo", "--clusters", "1", "--pods", "0", "--listen", "127.0.0.1:0"], &[]);
    assert_eq!(tab::get(process.managed, "/healthz", &[]).await.text(), "ok");
}
