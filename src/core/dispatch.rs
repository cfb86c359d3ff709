//! A block's frames, put into the logs of the views that they belong to.
//!
//! What a frame costs depends on the views that show it alone: the others are not looked at, and a frame that none shows costs one
//! lookup.

use super::view::{FollowedFeed, View, ViewId};
use crate::feed::block::{Block, Place};

/// What came of a block.
#[derive(Debug, Default)]
pub struct Dispatched {
    /// The views that have a frame of it, each marked as touched.
    pub touched: Vec<ViewId>,
    /// Frames that were put into a log that has readers.
    pub appended: u64,
}

/// Puts a block's frames into the logs of their views, except of those that `skips` names.
pub fn dispatch(
    block: &Block,
    followed: &FollowedFeed,
    views: &mut [Option<View>],
    skips: impl Fn(ViewId) -> bool,
) -> Dispatched {
    let mut dispatched = Dispatched::default();
    for (index, frame) in block.frames.iter().enumerate() {
        let place = block.place + index as Place;
        let of_namespace = followed.by_namespace.get(&frame.namespace).into_iter().flatten();
        for id in followed.all.iter().chain(of_namespace) {
            if skips(*id) {
                continue;
            }
            let Some(view) = views[*id as usize].as_mut() else { continue };
            if !std::mem::replace(&mut view.touched, true) {
                view.meet(block, place);
                dispatched.touched.push(*id);
            }
            dispatched.appended += u64::from(view.log.has_members());
            view.take(block.frame_bytes(index), place);
        }
    }
    dispatched
}
