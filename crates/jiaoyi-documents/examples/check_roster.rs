//! Reads and checks a roster file against the demo's policy: `check_roster FILE yyyy-mm-dd`.
//!
//! Prints the number of good rows and every problem, as an import would list them; it is also
//! what the reading speed in docs/measurements.md was taken with.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use jiaoyi_documents::roster::{Checker, Limits, open_roster_file};
use jiaoyi_domain::Date;
use jiaoyi_domain::policy::{InForce, Pack, demo_packs};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(file), Some(day)) = (args.next(), args.next()) else {
        return Err("give a file and a date".into());
    };
    let today: Date = day.parse()?;
    let mut packs = Vec::new();
    for (name, text) in demo_packs(today) {
        let pack = Pack::parse(&name, &text).map_err(|problems| format!("{problems:?}"))?;
        packs.push(InForce::try_new(pack).map_err(|problems| format!("{problems:?}"))?);
    }
    let pack_of = |code: &str| packs.iter().find(|pack| pack.region()[..4] == code[..4]);
    let checker = Checker {
        today,
        region: None,
        pack_of: &pack_of,
    };
    let (mut good, mut bad) = (0u64, 0u64);
    let rows = open_roster_file(Path::new(&file), false, &Limits::default());
    let rows = rows.map_err(|error| error.message_zh())?;
    for row in rows {
        match checker.check(&row.map_err(|error| error.message_zh())?) {
            Ok(_) => good += 1,
            Err(errors) => {
                bad += 1;
                for error in errors {
                    println!("{}", error.line_zh());
                }
            }
        }
    }
    println!("{good} good, {bad} bad");
    Ok(())
}
