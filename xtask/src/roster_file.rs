//! Roster files of any length for measurements, with invented people.
//!
//! ID numbers are valid by checksum and have region part 99xxxx, which no real number has. The same
//! count gives the same file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

const SURNAMES: [&str; 10] = ["王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周"];
const GIVEN: [&str; 16] = [
    "建国", "秀英", "伟", "桂兰", "志强", "玉梅", "军", "丽华", "明", "淑珍", "涛", "小红", "磊",
    "婷", "国平", "雪",
];
/// Places in the ID numbers; where a person is insured is another matter.
const PLACES: [&str; 4] = ["990101", "990102", "990201", "990301"];
/// Sequence numbers of one place and day.
const SEQUENCE: usize = 900;

#[derive(Args)]
pub struct Options {
    /// How many people
    #[arg(long, default_value_t = 1_000)]
    rows: usize,
    /// The demo region in which they are insured
    #[arg(long, default_value = "990101")]
    region: String,
    /// The csv file to be written
    file: PathBuf,
}

/// `cargo xtask roster-file`.
pub fn run(options: &Options) -> Result<bool> {
    write(&options.file, options.rows, &options.region)?;
    println!("{} rows in {}", options.rows, options.file.display());
    Ok(true)
}

/// Writes a csv roster of `rows` people insured in the demo's `region`.
pub fn write(path: &Path, rows: usize, region: &str) -> Result<()> {
    let file = File::create(path).with_context(|| format!("write {}", path.display()))?;
    let mut out = BufWriter::new(file);
    writeln!(out, "姓名,身份证号,参保地,人员类别")?;
    for row in 0..rows {
        let surname = SURNAMES[row % SURNAMES.len()];
        let given = GIVEN[row / SURNAMES.len() % GIVEN.len()];
        writeln!(out, "{surname}{given},{},{region},resident", id_number(row))?;
    }
    out.flush().context("write the roster")
}

/// The ID number of person `row`: another one for every row below 45 million.
fn id_number(row: usize) -> String {
    let sequence = row % SEQUENCE + 1;
    let rest = row / SEQUENCE;
    let place = PLACES[rest % PLACES.len()];
    let day = rest / PLACES.len();
    // 28 days in every month are enough, and no date is impossible.
    let (year, month, date) = (1950 + day / 336 % 60, day / 28 % 12 + 1, day % 28 + 1);
    let body = format!("{place}{year:04}{month:02}{date:02}{sequence:03}");
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body
        .bytes()
        .zip(weights)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    let check = "10X98765432"
        .chars()
        .zip(0..)
        .find(|(_, rest)| *rest == sum % 11);
    format!("{body}{}", check.map_or('0', |(letter, _)| letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_are_invented_and_different() {
        let numbers: BTreeSet<String> = (0..200_000).map(id_number).collect();
        assert_eq!(numbers.len(), 200_000);
        assert!(
            numbers
                .iter()
                .all(|number| number.starts_with("99") && number.len() == 18)
        );
        // Worked out by hand: weights times digits sum to 210, which leaves 1 and gives 0.
        assert_eq!(id_number(0), "990101195001010010");
    }
}
