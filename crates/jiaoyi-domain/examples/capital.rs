//! Reads amounts in fen, one a line, and prints each in capitals without 人民币.
//!
//! `cargo xtask test` compares its output with another program over random amounts.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use jiaoyi_domain::Fen;
use jiaoyi_domain::capital::capital;
use std::io::BufRead;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lock().lines() {
        let fen: u64 = line?.trim().parse()?;
        println!("{}", capital(Fen::new(fen)));
    }
    Ok(())
}
