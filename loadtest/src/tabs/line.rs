//! A tab of many views on one connection: the multiplexed stream, as `docs/protocol.md` says it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::View;
use super::event::{self, Event};
use super::feed::{Feed, Meaning};
use super::rows::Shown;
use super::totals::{Fault, Totals};

/// The views of one connection.
pub struct Line {
    lanes: Vec<Lane>,
    /// Which lane the server means by which number.
    numbers: Vec<(u64, usize)>,
    /// Whether a view was denied, or the whole line ended: it has to begin anew.
    pub is_refused: bool,
}

/// A view of a line.
struct Lane {
    /// Its place in the plan's views.
    view: usize,
    /// The version that it has come to; 0 before any.
    version: u64,
    /// Where it stands, as the server says it.
    position: String,
    shown: Shown,
    /// The rows that have come since `begin`.
    coming: Option<Shown>,
    /// Whether it shows all rows.
    live: bool,
}

impl Line {
    /// A line of these places in the plan's views.
    pub fn of(views: impl Iterator<Item = usize>) -> Self {
        let lane = |view| Lane {
            view,
            version: 0,
            position: String::new(),
            shown: Shown::default(),
            coming: None,
            live: false,
        };
        Line { lanes: views.map(lane).collect(), numbers: Vec::new(), is_refused: false }
    }

    /// The body that asks for it.
    pub fn asks(&self, views: &[View]) -> String {
        let view = |(at, lane): (usize, &Lane)| {
            let View { cluster, kind, namespace, .. } = &views[lane.view];
            let mut asked = json!({"ref": at.to_string(), "cluster": cluster, "kind": kind});
            if !namespace.is_empty() {
                asked["namespaces"] = json!([namespace]);
            }
            if !lane.position.is_empty() {
                asked["position"] = json!(lane.position);
            }
            asked
        };
        json!({"views": self.lanes.iter().enumerate().map(view).collect::<Vec<_>>()}).to_string()
    }

    /// Begins anew on a new connection; what is shown stays.
    pub fn connect(&mut self) {
        self.numbers.clear();
        self.is_refused = false;
        for lane in &mut self.lanes {
            lane.live = false;
            lane.coming = None;
        }
    }

    /// Whether every view shows all its rows.
    pub fn is_live(&self) -> bool {
        self.lanes.iter().all(|lane| lane.live)
    }

    /// What each view that shows all its rows shows: its place in the plan, and the hash.
    pub fn states(&self) -> impl Iterator<Item = (usize, u64)> {
        self.lanes.iter().filter(|lane| lane.live).map(|lane| (lane.view, lane.shown.hash()))
    }

    /// Takes an event.
    pub fn take(&mut self, event: Event<'_>, feeds: &mut [Feed], totals: &mut Totals, now: u64) {
        if event.name == b"denied" || event.name == b"bye" {
            totals.fault(Fault::Refused, self.lanes[0].view, 0);
            self.is_refused = true;
            return;
        }
        let Some((number, event)) = event::numbered(event) else { return };
        if event.name == b"view" {
            self.name(number, &event, totals);
            return;
        }
        let Some((_, at)) = self.numbers.iter().find(|(known, _)| *known == number) else { return };
        let lane = &mut self.lanes[*at];
        lane.take(&event, &mut feeds[lane.view], totals, now);
    }

    fn name(&mut self, number: u64, event: &Event<'_>, totals: &mut Totals) {
        let said: Value = serde_json::from_slice(event.data).unwrap_or_default();
        let lane =
            said["ref"].as_str().and_then(|name| name.parse().ok()).filter(|at| *at < self.lanes.len());
        let Some(lane) = lane else { return totals.fault(Fault::Malformed, self.lanes[0].view, number) };
        self.numbers.retain(|(_, at)| *at != lane);
        self.numbers.push((number, lane));
    }
}

impl Lane {
    fn take(&mut self, event: &Event<'_>, feed: &mut Feed, totals: &mut Totals, now: u64) {
        if let Some(version) = event.id {
            if version < self.version {
                totals.fault(Fault::IdBackwards, self.view, version);
            }
            self.version = version;
            let position = event.raw_id.and_then(|id| id.splitn(2, |byte| *byte == b'/').nth(1));
            self.position.clear();
            let _ = write!(self.position, "{}", String::from_utf8_lossy(position.unwrap_or_default()));
        }
        match event.name {
            b"begin" => self.coming = Some(Shown::default()),
            b"synced" => {
                if let Some(coming) = self.coming.take() {
                    self.shown = coming;
                }
                self.live = true;
            }
            b"reset" => self.version = 0,
            _ => self.take_rows(event, feed, totals, now),
        }
    }

    fn take_rows(&mut self, event: &Event<'_>, feed: &mut Feed, totals: &mut Totals, now: u64) {
        // What comes before `synced` may repeat rows under ids that said something else.
        let (meaning, contradicts) = feed.read(event, !self.live);
        if contradicts {
            totals.fault(Fault::TwoFramesForOneId, self.view, self.version);
        }
        match meaning {
            Meaning::Delta(delta) => {
                self.shown.set(&feed.index, delta.number, delta.bytes);
                if let Some(stamp) = delta.stamp {
                    totals.delta(self.view, stamp, now);
                }
            }
            Meaning::Snapshot(part) => {
                if let Some(coming) = &mut self.coming {
                    coming.add(&feed.index, &part.shown);
                }
            }
            Meaning::Malformed => totals.fault(Fault::Malformed, self.view, self.version),
            Meaning::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tabs::rows;

    fn row(name: &str, restarts: u32) -> String {
        format!(
            r#"{{"name":"{name}","namespace":"shop","restarts":{restarts},"uid":"{name}","labels":{{}},"owner":null}}"#
        )
    }

    fn views() -> Vec<View> {
        let view = |cluster: &str| View {
            path: String::new(),
            group: 0,
            cluster: cluster.into(),
            kind: "pods".into(),
            namespace: String::new(),
        };
        vec![view("east"), view("west")]
    }

    fn wanted(rows: &[String]) -> u64 {
        rows::hash(rows.iter().map(|row| rows::read(row.as_bytes()).expect("a row")))
    }

    fn take(line: &mut Line, feeds: &mut [Feed], totals: &mut Totals, text: &str) {
        for block in text.split_inclusive("\n\n") {
            line.take(event::read(block.as_bytes()), feeds, totals, 0);
        }
    }

    #[test]
    fn each_view_of_a_line_shows_what_it_was_told() {
        let (mut line, mut totals) = (Line::of(0..2), Totals::new(true, vec![0, 0]));
        let mut feeds = [Feed::default(), Feed::default()];
        let (one, two, three) = (row("one", 1), row("two", 1), row("two", 9));
        take(
            &mut line,
            &mut feeds,
            &mut totals,
            &format!(
                "event: hello\ndata: {{}}\n\n\
                 event: view\nid: 7\ndata: {{\"ref\":\"1\"}}\n\nevent: view\nid: 3\ndata: {{\"ref\":\"0\"}}\n\n\
                 event: begin\nid: 3\ndata: {{\"rv\":\"10\",\"count\":2}}\n\n\
                 event: snapshot\nid: 3\ndata: {{\"items\":[{one}]}}\n\n\
                 event: begin\nid: 7\ndata: {{\"rv\":\"5\",\"count\":0}}\n\nevent: synced\nid: 7/5\ndata: {{\"count\":0}}\n\n\
                 event: snapshot\nid: 3\ndata: {{\"items\":[{two}]}}\n\nevent: synced\nid: 3/10.0000000000ab\ndata: {{}}\n\n\
                 event: modified\nid: 3/11.0000000000ab\ndata: {{\"object\":{three}}}\n\n\
                 event: gap\nid: 3\ndata: {{}}\n\nevent: deleted\nid: 3\ndata: {{\"object\":{one}}}\n\n\
                 event: added\nid: 99/1\ndata: {{\"object\":{one}}}\n\n"
            ),
        );
        assert!(line.is_live() && totals.report().faults.is_empty());
        assert_eq!(line.states().collect::<Vec<_>>(), [(0, wanted(&[three])), (1, 0)]);
        let asked: Value = serde_json::from_str(&line.asks(&views())).expect("JSON");
        assert_eq!(asked["views"][0]["position"], "11.0000000000ab");
        assert_eq!(asked["views"][1], json!({"ref":"1","cluster":"west","kind":"pods","position":"5"}));
        line.connect();
        assert!(!line.is_live());
    }

    #[test]
    fn what_is_denied_is_a_fault() {
        let (mut line, mut totals) = (Line::of(0..1), Totals::new(true, vec![0]));
        take(&mut line, &mut [Feed::default()], &mut totals, "event: denied\ndata: {\"ref\":\"0\"}\n\n");
        assert_eq!(totals.report().faults.keys().copied().collect::<Vec<_>>(), [Fault::Refused]);
    }
}
