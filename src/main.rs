//! The one binary. Everything it does stands in the library; this only hands over the arguments.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    doorward::cli::run(std::env::args_os().skip(1).collect())
}
