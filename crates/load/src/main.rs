//! `ginnel-load`: the programs that `make bench` and `make profile` measure with. None of it is part of what users run.

mod allocations;
mod allocator;
mod arguments;
mod dial;
mod discarding;
mod flame;
mod flood;
mod histogram;
mod origin;
mod processor;
mod relay;
mod run;
mod serving;
mod wire;
mod wording;

use arguments::{Arguments, Program};
use clap::Parser;
use std::process::ExitCode;

// All programs have it, for a process has one allocator; only `allocations` asks what it has counted.
#[global_allocator]
static ALLOCATOR: allocator::Counting<std::alloc::System> = allocator::Counting(std::alloc::System);

fn main() -> ExitCode {
    let done = match Arguments::parse().program {
        Program::Origin(arguments) => origin::origin(&arguments),
        Program::Run(arguments) => run::run(&arguments),
        Program::Relay(arguments) => relay::relay(&arguments),
        Program::Allocations(arguments) => allocations::allocations(&arguments),
        Program::Flood(arguments) => flood::flood(&arguments),
        Program::Flame(arguments) => flame::flame(&arguments),
        Program::Wire(arguments) => wire::wire(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ginnel-load: {error}");
            ExitCode::FAILURE
        }
    }
}
