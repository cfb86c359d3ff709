//! Where `io_uring` is forbidden, as it is in many containers, the same server runs on epoll.

mod fresh;
mod house;
mod tab;

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use house::process::Process;
use tab::{Open, Tab, get};

const DEMO: [&str; 9] =
    ["demo", "--listen", "127.0.0.1:0", "--clusters", "1", "--pods", "20", "--churn", "50"];

/// The three calls of `io_uring` have these numbers everywhere: setup, enter, register.
const CALLS: std::ops::RangeInclusive<u32> = 425..=427;

/// Has the process that the command starts live behind a filter that refuses `io_uring`, as Docker's does.
fn forbid_uring(command: &mut Command) {
    let statement = |code: u32, value: u32, jump_true: u8, jump_false: u8| libc::sock_filter {
        code: u16::try_from(code).expect("codes are short"),
        jt: jump_true,
        jf: jump_false,
        k: value,
    };
    let refusal = libc::SECCOMP_RET_ERRNO | u32::try_from(libc::EPERM).expect("small");
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, *CALLS.start(), 0, 2),
        statement(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, *CALLS.end(), 1, 0),
        statement(libc::BPF_RET | libc::BPF_K, refusal, 0, 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let forbid = move || {
        let length = u16::try_from(filter.len()).map_err(io::Error::other)?;
        let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
        // SAFETY: two plain calls of prctl; the program is alive while the second one reads it.
        let refused = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) != 0
        };
        if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: between fork and exec it allocates nothing and takes no lock: it only calls prctl.
    unsafe { command.pre_exec(forbid) };
}

async fn runs_on_epoll(process: &Process) {
    let address = process.address;
    assert_eq!(fresh::metric(process.managed, "foretop_driver{driver=\"epoll\"}").await, 1);
    let mut tab = Tab::open(Open::watch(address, "demo-1", "pods", None)).await;
    tab.until("the snapshot and some events", |state| state.deltas() > 20).await;
    assert_eq!(tab.state.count("snapshot"), 1);
    tab.reconnect().await;
    let before = tab.state.deltas();
    tab.until("more events", |state| state.deltas() > before + 20).await;
    assert_eq!(tab.state.count("snapshot"), 1, "it resumed");
    assert_eq!(tab.state.dropped, []);
    let list = get(address, "/api/clusters/demo-1/pods", &[]).await;
    assert!(list.json()["pods"].as_array().is_some_and(|rows| rows.len() > 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_refuses_io_uring_is_lived_with() {
    let process = Process::prepared(&DEMO, &[], |command| {
        command.env_remove("MONOIO_FORCE_LEGACY_DRIVER");
        forbid_uring(command);
    });
    runs_on_epoll(&process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn epoll_can_be_chosen() {
    let process = Process::prepared(&DEMO, &[], |command| {
        command.env("MONOIO_FORCE_LEGACY_DRIVER", "1");
    });
    runs_on_epoll(&process).await;
}
