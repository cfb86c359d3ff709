//! Whether this machine's clock and an apiserver's are one: tokens, certificates and ages are judged by both.

use jiff::{SignedDuration, Timestamp};

use super::Finding;
use crate::cluster::Cluster;

/// From here on ages look wrong to people.
const DOUBTFUL: SignedDuration = SignedDuration::from_secs(5);

/// From here on tokens are refused that are good, or the other way round.
const BROKEN: SignedDuration = SignedDuration::from_secs(60);

pub(super) async fn check(cluster: &Cluster) -> Vec<Finding> {
    let before = Timestamp::now();
    let Ok(Some(theirs)) = cluster.date().await else { return Vec::new() };
    vec![judge(before, theirs, Timestamp::now()).by("clock")]
}

/// What a clock says that was read between two moments, and tells whole seconds.
fn judge(before: Timestamp, theirs: Timestamp, after: Timestamp) -> Finding {
    let ahead = theirs.duration_since(after);
    let behind = before.duration_since(theirs) - SignedDuration::from_secs(1);
    let off = ahead.max(behind).max(SignedDuration::ZERO);
    let side = if ahead > behind { "behind" } else { "ahead of" };
    let fix = "have both machines follow a time server (NTP)";
    if off >= BROKEN {
        let what = format!(
            "the clock here is {off:#} {side} the apiserver's: tokens and certificates are misjudged"
        );
        return Finding::broken(what, fix);
    }
    if off >= DOUBTFUL {
        return Finding::doubtful(format!("the clock here is {off:#} {side} the apiserver's"), fix);
    }
    Finding::fine("the same time here and there")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_clock_is_off_only_where_rounding_and_the_way_do_not_explain_it() {
        let at = |ms: i64| Timestamp::from_millisecond(1_700_000_000_000 + ms).expect("a time");
        let judged = |before, theirs, after| judge(at(before), at(theirs), at(after));
        // Said at 10.9 s as 10 s, and 3 s on the way.
        assert_eq!(judged(10_900, 10_000, 13_900).verdict, Verdict::Fine);
        let ahead = judged(10_000, 2_000, 10_100);
        assert!(ahead.verdict == Verdict::Doubtful && ahead.what.contains("7s ahead of"), "{ahead}");
        let behind = judged(10_000, 3_610_000, 10_000);
        assert!(behind.verdict == Verdict::Broken && behind.what.contains("1h behind"), "{behind}");
    }
}
