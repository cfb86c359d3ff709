//! Siblings: the other replicas, as far as each tells which views it serves.
//!
//! A tab that one replica sends away comes to another, whichever. Where that one has followed the tab's feed for as long, it is told what it
//! missed; else it gets a snapshot. So a replica follows what its siblings serve, and is ready once it does. Where they say it, and in
//! which form, is the seam to whoever decides who serves what: a file or a URL with `{"views":[{"cluster":"prod","kind":"pods","rows":"full"}]}` (`rows`: `plain` where it is not
//! said), which is also what `GET /-/views` on the management port says of this replica. Views that a selector narrows are not among them: clients choose those.
//!
//! A sibling that does not answer is remembered for as long as its feeds would linger. What it says is bounded, and is believed of clusters and kinds that are
//! served here alone.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;

use crate::config::{Config, Place};
use crate::feed::hub::Hub;
use crate::feed::{FeedKey, Rows};
use crate::kind::{self, Kind};

/// The longest document that is read.
const LONGEST: usize = 4 << 20;

/// Time for an answer.
const TIME: Duration = Duration::from_secs(3);

/// How long a start waits for siblings to say anything at all, and how often they are asked meanwhile.
const FIRST_WORD: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What a replica serves, as it is said to others.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Views {
    /// In the order of clusters, kinds and rows.
    pub views: Vec<ServedView>,
}

/// Rows of a kind of a cluster.
#[derive(Debug, Serialize, Deserialize)]
pub struct ServedView {
    /// The cluster's name in the registry.
    pub cluster: String,
    /// The kind's.
    pub kind: String,
    /// [`Rows::word`]; plain ones where it is not said.
    #[serde(default = "plain")]
    pub rows: String,
}

fn plain() -> String {
    Rows::default().word().to_owned()
}

impl Views {
    /// Of these feeds.
    #[must_use]
    pub fn of(feeds: &[FeedKey]) -> Self {
        let view = |key: &FeedKey| ServedView {
            cluster: key.cluster.to_string(),
            kind: key.kind.name.to_owned(),
            rows: key.rows.word().to_owned(),
        };
        Views { views: feeds.iter().map(view).collect() }
    }
}

/// Why a sibling's views are not known.
#[derive(Debug, thiserror::Error)]
enum SiblingError {
    #[error("the file cannot be read: {0}")]
    File(#[from] std::io::Error),
    #[error("no answer: {0}")]
    Http(#[from] reqwest::Error),
    #[error("it answers {0}")]
    Status(u16),
    #[error("there is no answer in time")]
    Late,
    #[error("it says more than {LONGEST} bytes")]
    TooLong,
    #[error("what it says is no list of views: {0}")]
    Shape(#[from] serde_json::Error),
}

/// One sibling.
struct Sibling {
    place: Place,
    /// What it last said, and when.
    said: Option<(HashSet<FeedKey>, Instant)>,
    /// Whether the log knows that it does not answer.
    is_silent: bool,
}

/// All of them.
pub struct Siblings {
    all: Vec<Sibling>,
    kinds: Vec<&'static Kind>,
    every: Duration,
    remembered: Duration,
    client: reqwest::Client,
    hub: Arc<Hub>,
}

impl Siblings {
    /// Those of the settings. `None`: there are none, or none can be asked.
    #[must_use]
    pub fn new(config: &Config, hub: Arc<Hub>) -> Option<Self> {
        if config.watch.siblings.is_empty() {
            return None;
        }
        // Whoever was first has installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // They are neighbours: no proxy stands between.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIME)
            .no_proxy()
            .user_agent(concat!("foretop/", env!("CARGO_PKG_VERSION")))
            .build()
            .inspect_err(|error| tracing::error!(%error, "siblings.unaskable"))
            .ok()?;
        let sibling = |place: &Place| Sibling { place: place.clone(), said: None, is_silent: false };
        Some(Siblings {
            all: config.watch.siblings.iter().map(sibling).collect(),
            kinds: config.watch.kinds.clone(),
            every: config.watch.siblings_every,
            remembered: config.feeds.linger,
            client,
            hub,
        })
    }

    /// Follows what siblings serve, for as long as it is polled. Tells what they said first.
    pub async fn follow(mut self, first: oneshot::Sender<HashSet<FeedKey>>) {
        let until = Instant::now() + FIRST_WORD;
        self.ask().await;
        while self.all.iter().any(|sibling| sibling.said.is_none()) && Instant::now() < until {
            tokio::time::sleep(ASK_AGAIN).await;
            self.ask().await;
        }
        let served = self.served(Instant::now());
        self.hub.follow_siblings(served.clone());
        // Nobody may wait for it any more.
        let _ = first.send(served);
        loop {
            tokio::time::sleep(self.every.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
            self.ask().await;
            self.hub.follow_siblings(self.served(Instant::now()));
        }
    }

    async fn ask(&mut self) {
        for sibling in &mut self.all {
            match views_of(&sibling.place, &self.client).await {
                Ok(views) => {
                    sibling.said = Some((known(&views, &self.kinds, &self.hub), Instant::now()));
                    if std::mem::take(&mut sibling.is_silent) {
                        tracing::info!(sibling = %sibling.place, "siblings.answers");
                    }
                }
                Err(error) if !sibling.is_silent => {
                    sibling.is_silent = true;
                    tracing::warn!(sibling = %sibling.place, %error, "siblings.silent");
                }
                Err(_) => {}
            }
        }
    }

    fn served(&self, now: Instant) -> HashSet<FeedKey> {
        let said = self.all.iter().filter_map(|sibling| sibling.said.as_ref());
        let young =
            said.filter(|(_, at)| now.saturating_duration_since(*at) <= self.remembered.max(self.every * 2));
        young.flat_map(|(keys, _)| keys.iter().cloned()).collect()
    }
}

/// Those that can be served here.
fn known(views: &Views, kinds: &[&'static Kind], hub: &Hub) -> HashSet<FeedKey> {
    let key = |view: &ServedView| {
        let kind = kind::by_name(&view.kind).filter(|kind| kinds.contains(kind))?;
        let rows = Rows::by_word(&view.rows)?;
        hub.knows(&view.cluster).then(|| FeedKey::own(view.cluster.as_str().into(), kind).showing(rows, None))
    };
    views.views.iter().filter_map(key).collect()
}

async fn views_of(place: &Place, client: &reqwest::Client) -> Result<Views, SiblingError> {
    let reading = async {
        match place {
            Place::File(path) => {
                let mut text = Vec::new();
                let file = tokio::fs::File::open(path).await?;
                file.take(LONGEST as u64 + 1).read_to_end(&mut text).await?;
                Ok(text)
            }
            Place::Url(url) => fetch(url, client).await,
        }
    };
    let text = tokio::time::timeout(TIME, reading).await.map_err(|_| SiblingError::Late)??;
    if text.len() > LONGEST {
        return Err(SiblingError::TooLong);
    }
    Ok(serde_json::from_slice(&text)?)
}

async fn fetch(url: &str, client: &reqwest::Client) -> Result<Vec<u8>, SiblingError> {
    let mut answer = client.get(url).send().await?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(SiblingError::Status(answer.status().as_u16()));
    }
    let mut text = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        text.extend_from_slice(&piece);
        if text.len() > LONGEST {
            return Err(SiblingError::TooLong);
        }
    }
    Ok(text)
}
