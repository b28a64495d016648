//! The project's own tool: tests, textual rules, generated files, measurements.
//!
//! `cargo xtask test` is what continuous integration runs, and nothing else. Everything that a
//! check needs from outside (Chromium, other people's client libraries) is fetched by the tool
//! itself; a tool that cannot be had is a failure, never a skipped check.
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool speaks on its standard output"
)]

mod bench;
mod clean_clone;
mod generate;
mod mutants;
mod planted;
mod process;
mod roster_file;
mod soak;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Tests, rules, generated files and measurements of Jiaoyi"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check; the last line says how many passed and failed
    Test(test::Options),
    /// Check the textual rules: who may depend on whom, where SQL may stand, how files look
    Tidy {
        /// Print the rules instead of checking them
        #[arg(long)]
        list: bool,
    },
    /// Make the generated files again
    Gen(generate::Options),
    /// Measure release builds and print figures
    Bench(bench::Options),
    /// Write a roster file of invented people, for measurements
    RosterFile(roster_file::Options),
    /// Run the robustness tests at their full length: kill, power, illness, disk, race, …
    Soak(soak::Options),
    /// Plant twelve bugs, one after the other, and see that the tests notice each
    Planted(planted::Options),
    /// Change the rules in small ways, one at a time, and see that the tests notice
    Mutants(mutants::Options),
    /// Clone, build and pay once, as a stranger would, and print how long each part took
    CleanClone(clean_clone::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Tidy { list: true } => {
            tidy::list();
            Ok(true)
        }
        Command::Tidy { list: false } => tidy::run(),
        Command::Gen(options) => generate::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::RosterFile(options) => roster_file::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Planted(options) => planted::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::CleanClone(options) => clean_clone::run(&options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
