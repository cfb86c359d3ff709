//! What a cluster takes in memory, to the byte: every allocation is counted, and nothing else runs meanwhile.
//!
//! One test, since a second one beside it would be counted too.

mod allocator;
mod cluster;

use std::sync::Arc;

use foretop::feed::{Feed, FeedKey, Shared};
use foretop::kind::{Change, Kind, Object, Rv};

use allocator::weighed;
use cluster::Pages;

/// What the replicas of the cluster may take: rows, what they are found by, and all else that 22 feeds are.
const REPLICAS: usize = 1_500_000;

/// What a frame may take in a journal beside its bytes on the wire, and a fifth of these.
const FRAME: usize = 48;

/// Frames from which on a journal keeps to that: the newest 32 blocks wait to be merged.
const MANY: usize = 300;

#[test]
fn a_cluster_takes_little_memory() {
    let pages = cluster::pages();
    let (typed, informer) = weighed(|| cluster::typed(&pages));
    drop(typed);
    let (feeds, replicas) = weighed(|| feeds(&pages));
    let rows: usize = feeds.iter().map(|feed| feed.figures().rows).sum();
    let accounted: usize = feeds.iter().map(|feed| feed.figures().replica_bytes).sum();
    println!(
        "objects {rows}; replicas {replicas} B, accounted {accounted} B; typed objects in maps {informer} B"
    );
    assert!(replicas <= REPLICAS, "the replicas take {replicas} bytes and may take {REPLICAS}");
    assert!(replicas * 10 < informer, "a typed cache takes {informer} bytes, the replicas {replicas}");

    for (feed, page) in feeds.iter().zip(&pages) {
        let Written { frames, wire, taken } = write(feed, page);
        let may = wire * 12 / 10 + frames * FRAME;
        println!(
            "{:?}: {frames} frames, {wire} B on the wire, {taken} B of journal (may be {may})",
            feed.key.kind
        );
        assert!(
            frames < MANY || taken <= may,
            "{:?}: a journal of {taken} bytes, may be {may}",
            feed.key.kind
        );
    }
}

fn feeds(pages: &Pages) -> Vec<Arc<Feed>> {
    let shared = Shared::without_cores();
    let mut feeds = Vec::with_capacity(pages.len());
    for (kind, page) in pages {
        let feed = Feed::new(FeedKey::own("east".into(), kind), &shared);
        let page = (kind.decode_page)(page).expect("a page");
        feed.replace(page.rv, page.items, None);
        feeds.push(feed);
    }
    feeds
}

/// What a journal holds.
struct Written {
    frames: usize,
    wire: usize,
    taken: usize,
}

/// Changes each row of a feed, one by one, as a quiet cluster does: each frame is a batch of its own.
fn write(feed: &Feed, (kind, page): &(&'static Kind, Vec<u8>)) -> Written {
    let page = (kind.decode_page)(page).expect("a page");
    let mut version = page.rv.0;
    let mut changes = Vec::with_capacity(1);
    let origin = feed.tail().oldest.clone();
    let mut objects: Vec<Object> = page.items;
    let ((), taken) = weighed(|| {
        for object in &mut objects {
            version += 1;
            object.rv = Rv(version);
            // Another row of the same length, so that all that grows is the journal.
            object.row.json[2] ^= 1;
            changes.push(Change::Put(object.clone()));
            feed.apply(&mut changes);
        }
    });
    let (mut frames, mut wire) = (0, 0);
    let mut block = Some(origin);
    while let Some(this) = block {
        frames += this.frames.len();
        wire += this.bytes.len();
        block = this.next();
    }
    Written { frames, wire, taken }
}
