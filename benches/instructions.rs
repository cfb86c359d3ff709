//! How many instructions each inner loop takes, counted by valgrind's callgrind and held against `instructions.tsv`.
//!
//! Time moves with what else the machine does; instructions do not. This program runs itself under valgrind once for each loop and
//! fails where one has grown by more than a twentieth. `FORETOP_BLESS=1` writes the table anew.

mod inner;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use inner::{ALL, Inner};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Turns that are counted of one loop, behind as many that are not: enough for what happens now and then to show in the mean.
const TURNS: u64 = 512;

/// How much more than in the table is a failure, and how much less is worth a word: a twentieth.
const TOLERANCE: f64 = 0.05;

/// The argument by which the program is told that it is the one that is counted.
const COUNTED: &str = "--counted";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip_while(|argument| argument != COUNTED).skip(1);
    if let Some(name) = arguments.next() {
        run(ALL.iter().find(|inner| inner.name == name).expect("a loop of this name"));
        return ExitCode::SUCCESS;
    }
    match count_all().and_then(|counts| judge(&counts)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(inner: &Inner) {
    let mut turn = (inner.make)();
    (0..turns(inner)).for_each(|_| turn());
    counted(turns(inner), &mut turn);
}

/// Callgrind counts what happens in here.
#[inline(never)]
fn counted(turns: u64, turn: &mut dyn FnMut()) {
    (0..turns).for_each(|_| turn());
}

fn turns(inner: &Inner) -> u64 {
    if inner.per_turn > 1 { TURNS / 32 } else { TURNS }
}

type Counts = BTreeMap<String, u64>;

fn count_all() -> Result<Counts, String> {
    ALL.iter().map(|inner| Ok((inner.name.to_owned(), count(inner)?))).collect()
}

/// Instructions of one of the things that a loop does.
fn count(inner: &Inner) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
    let out = tempfile::NamedTempFile::new()
        .map_err(|error| format!("no place for callgrind's output: {error}"))?;
    let ended = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=instructions::counted"])
        .arg(format!("--callgrind-out-file={}", out.path().display()))
        .arg(program)
        .args([COUNTED, inner.name])
        // What the environment holds lies on the stack, and moves what is behind it.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| {
            format!("valgrind cannot be run ({error}): install it, as by apt-get install valgrind")
        })?;
    if !ended.status.success() {
        return Err(format!("{}: {}", inner.name, String::from_utf8_lossy(&ended.stderr)));
    }
    let text = std::fs::read_to_string(out.path()).map_err(|error| format!("callgrind's output: {error}"))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse::<u64>().ok());
    match total {
        Some(total) if total > 0 => Ok(total / (turns(inner) * inner.per_turn)),
        _ => Err(format!("{}: callgrind has counted nothing", inner.name)),
    }
}

fn table() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.tsv")
}

fn judge(counts: &Counts) -> Result<(), String> {
    if std::env::var_os("FORETOP_BLESS").is_some() {
        let mut text = String::new();
        for inner in ALL {
            let _ = writeln!(text, "{}\t{}", counts[inner.name], inner.name);
        }
        return std::fs::write(table(), text).map_err(|error| format!("{}: {error}", table().display()));
    }
    let text = std::fs::read_to_string(table()).map_err(|error| format!("{}: {error}", table().display()))?;
    let known: Counts = text
        .lines()
        .filter_map(|line| {
            line.split_once('\t').and_then(|(count, name)| Some((name.to_owned(), count.parse().ok()?)))
        })
        .collect();
    let mut wrong = Vec::new();
    for inner in ALL {
        let now = counts[inner.name];
        let Some(before) = known.get(inner.name) else {
            wrong.push(format!("{:?} is not in the table", inner.name));
            continue;
        };
        let change = ratio(now, *before) - 1.0;
        println!("{now:>8} {:>+7.1} %  {}", change * 100.0, inner.name);
        if change > TOLERANCE {
            wrong.push(format!("{:?} took {before} instructions and takes {now}", inner.name));
        }
        if change < -TOLERANCE {
            println!("         fewer than the table says: FORETOP_BLESS=1 make instructions keeps it so");
        }
    }
    for name in known.keys().filter(|name| !counts.contains_key(*name)) {
        wrong.push(format!("{name:?} is in the table, and there is no such loop"));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}. If that is meant to be, FORETOP_BLESS=1 make instructions writes the table anew.",
        wrong.join("; ")
    ))
}

#[expect(clippy::cast_precision_loss, reason = "counts are far smaller than 2^52")]
fn ratio(now: u64, before: u64) -> f64 {
    now as f64 / before as f64
}
