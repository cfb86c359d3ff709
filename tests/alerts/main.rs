//! The alerts and the dashboard: each names metrics that there are, has its entry in the runbook, fires on what it is for and stays quiet otherwise.
//!
//! That is shown of all of them on series made up by hand (`deploy/alerts/foretop.test.yaml`), and of all but three on a real cause, planted in a server that is scraped
//! (`upstream`, `servers`, `clients`): [`MADE_UP`] says which three.

mod clients;
#[path = "../house/mod.rs"]
mod house;
#[path = "../issuer/mod.rs"]
mod issuer;
#[path = "../prom/mod.rs"]
mod prom;
mod scraped;
mod servers;
#[path = "../tab/mod.rs"]
mod tab;
mod upstream;

use std::path::{Path, PathBuf};

use prom::Promtool;

fn at_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(at_root(path)).expect("a file of the repository")
}

/// The names of the alerts, in their order.
fn alerts() -> Vec<String> {
    let rules = read("deploy/alerts/foretop.yaml");
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}

#[test]
fn alerts_and_dashboard_name_metrics_that_there_are() {
    let rules = read("deploy/alerts/foretop.yaml");
    prom::all_exist("deploy/alerts/foretop.yaml", &rules);
    prom::all_exist("deploy/alerts/foretop.test.yaml", &read("deploy/alerts/foretop.test.yaml"));
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("deploy/dashboards/foretop.json")).expect("JSON");
    let mut queries = String::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().expect("a query");
            prom::all_exist(panel["title"].as_str().expect("a title"), query);
            queries.push_str(query);
        }
    }
    assert!(queries.contains("foretop_streams"));
}

#[test]
fn each_alert_has_an_entry_in_the_runbook_and_a_test_of_its_own() {
    let (runbook, tests) = (read("docs/runbook.md"), read("deploy/alerts/foretop.test.yaml"));
    let alerts = alerts();
    assert!(alerts.len() > 20, "{alerts:?}");
    let entries: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(entries, alerts, "the runbook's entries, in the rules' order");
    for alert in alerts {
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "{alert} is not seen to fire");
    }
}

#[test]
fn each_alert_fires_on_what_it_is_for_and_stays_quiet_otherwise() {
    let Some(promtool) = Promtool::find() else { return };
    let folder = at_root("deploy/alerts");
    let (good, said) = promtool.within(&folder, &["check", "rules", "foretop.yaml"]);
    assert!(good, "{said}");
    let (good, said) = promtool.within(&folder, &["test", "rules", "foretop.test.yaml"]);
    assert!(good, "{said}");
}

/// Alerts that are shown on made-up series alone: a core that works all the time and turns that last take a machine of their own, and a right that is three minutes old
/// takes three minutes.
const MADE_UP: [&str; 3] = ["ForetopCoreBusy", "ForetopLongTurns", "ForetopRightsOld"];

#[test]
fn each_alert_is_shown_on_a_real_cause_or_said_not_to_be() {
    let causes =
        [include_str!("upstream.rs"), include_str!("servers.rs"), include_str!("clients.rs")].concat();
    for alert in alerts() {
        let is_planted = causes.contains(&format!("\"{alert}\""));
        assert_ne!(is_planted, MADE_UP.contains(&alert.as_str()), "{alert}");
    }
}
