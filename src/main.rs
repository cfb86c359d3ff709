//! The command line.

#![deny(missing_docs)]
#![warn(clippy::pedantic)]

mod cli;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The allocator asks for huge pages, and a stream's few bytes here and there would keep 2 MB resident each time. What a core does for a stream
    // is too little for the translation of addresses to show. Where the kernel does not know this, it only takes more memory.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    cli::main()
}
