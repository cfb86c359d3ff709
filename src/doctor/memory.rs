//! Whether the memory that the settings let Foretop spend is there.

use super::Finding;
use crate::config::Config;
use crate::memory::Limit;

pub(super) fn check(config: &Config) -> Vec<Finding> {
    vec![judge(&Limit::here(config.memory.limit))]
}

fn judge(limit: &Limit) -> Finding {
    let fix = format!(
        "leave `memory.limit` at `auto`, or set it to {}MiB or less; or give the process more memory",
        limit.right() >> 20
    );
    if limit.is_beyond() {
        return Finding::broken(format!("`memory.limit` is {limit}, and so bounds nothing"), fix);
    }
    if limit.is_too_near() {
        return Finding::doubtful(
            format!("`memory.limit` is {limit}, which leaves too little for the rest of the process"),
            fix,
        );
    }
    Finding::fine(format!("`memory.limit` is {limit}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::memory::Room;
    use crate::memory::room::Whose;

    #[test]
    fn the_limit_must_leave_something_for_the_rest() {
        let room = Room { bytes: 1024 << 20, whose: Whose::Machine };
        let judged = |limit: usize| judge(&Limit::of(Some(limit << 20), Some(room.clone())));
        assert_eq!(judged(512).verdict, Verdict::Fine);
        assert_eq!(judged(900).verdict, Verdict::Doubtful);
        let beyond = judged(1024);
        assert_eq!(beyond.verdict, Verdict::Broken);
        assert!(beyond.what.contains("1024 MiB, as set, of the 1024 MiB of the machine"), "{beyond}");
    }
}
