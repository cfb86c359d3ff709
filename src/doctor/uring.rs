//! Whether the cores have `io_uring`, and why not.

use std::io;

use super::Finding;

const SWITCH: &str = "/proc/sys/kernel/io_uring_disabled";

pub(super) fn check() -> Vec<Finding> {
    if std::env::var_os("MONOIO_FORCE_LEGACY_DRIVER").is_some() {
        let fix = "unset MONOIO_FORCE_LEGACY_DRIVER where Foretop is started";
        return vec![Finding::doubtful("epoll: the environment asks for it", fix)];
    }
    let made = io_uring::IoUring::new(8).map(drop);
    let switch = std::fs::read_to_string(SWITCH).ok();
    vec![judge(made, switch.as_deref().map(str::trim))]
}

/// What the kernel's refusal means where its switch stands so.
fn judge(made: io::Result<()>, switch: Option<&str>) -> Finding {
    let Err(error) = made else { return Finding::fine("io_uring") };
    let (why, fix) = match (error.raw_os_error(), switch) {
        (_, Some("1" | "2")) => (
            "the kernel's switch is off (kernel.io_uring_disabled)",
            "set it to 0 on the node, if you want io_uring there",
        ),
        (Some(libc::ENOSYS), _) => {
            ("this kernel, or its sandbox, has none", "use Linux 5.15 or newer; gVisor has none")
        }
        (Some(libc::EPERM | libc::EACCES), _) => (
            "a seccomp profile does not allow it",
            "use the profile deploy/seccomp/foretop.json (docs/operations.md#io_uring)",
        ),
        (Some(libc::ENOMEM), _) => ("the limit of locked memory is too small", "raise it (`ulimit -l`)"),
        _ => ("the kernel refuses it", "look at the kernel's log"),
    };
    let what = format!("epoll, at some more processor time for each send: {why} ({error})");
    Finding::doubtful(what, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn each_refusal_has_its_reason() {
        let judged = |errno, switch| judge(Err(io::Error::from_raw_os_error(errno)), switch).what;
        assert!(judged(libc::EPERM, Some("0")).contains("seccomp"));
        assert!(judged(libc::EPERM, Some("2")).contains("switch"));
        assert!(judged(libc::ENOSYS, None).contains("has none"));
        assert_eq!(judge(Ok(()), Some("0")).verdict, Verdict::Fine);
    }
}
