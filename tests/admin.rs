//! Who may look into what others do.

mod house;
mod tab;

use foretop::config::AuthMode;
use house::{House, OPERATORS, config, eventually};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_members_of_an_admin_group_look_into_what_others_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.1".parse().unwrap()];
    config.audit.file = Some(file.clone());
    let house = House::small_with(&config).await;
    let ann = ("X-Forwarded-User", "ann");
    for path in ["/debug/streams", "/debug/feeds", "/debug/limits"] {
        let admin = [ann, ("X-Forwarded-Groups", OPERATORS)];
        assert_eq!(tab::get(house.address(), path, &admin).await.head.status, 200, "{path}");
        for groups in ["", "operator", "Operators", "operators2"] {
            let headers = [ann, ("X-Forwarded-Groups", groups)];
            let answer = tab::get(house.address(), path, &headers).await;
            assert_eq!((answer.head.status, answer.text().as_str()), (403, "operation failed\n"), "{path}");
            let headers = [ann, ("X-Forwarded-Groups", groups), ("Accept", "application/json")];
            let answer = tab::get(house.address(), path, &headers).await;
            assert_eq!(answer.json()["error"]["code"], "denied", "{path}");
        }
        assert_eq!(tab::get(house.address(), path, &[]).await.head.status, 401, "{path}");
    }
    let records = || -> Vec<Value> {
        let text = std::fs::read_to_string(&file).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let count = |event: &str, path: &str| {
        let is_it =
            |record: &&Value| record["event"] == event && record["path"] == path && record["actor"] == "ann";
        records().iter().filter(is_it).count()
    };
    for path in ["/debug/streams", "/debug/feeds", "/debug/limits"] {
        eventually(path, async || (count("admin", path), count("denied", path)) == (1, 8)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_admin_group_nobody_is_an_admin_but_in_dev() {
    let mut config = config();
    config.access.admin_groups.clear();
    let dev = House::small_with(&config).await;
    assert_eq!(tab::get(dev.address(), "/debug/streams", &[]).await.head.status, 200);
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.1".parse().unwrap()];
    let house = House::small_with(&config).await;
    let headers = [("X-Forwarded-User", "ann"), ("X-Forwarded-Groups", "system:masters,admin,dev")];
    assert_eq!(tab::get(house.address(), "/debug/streams", &headers).await.head.status, 403);
}
