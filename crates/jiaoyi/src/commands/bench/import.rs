//! `jiaoyi bench import`: a roster file through the import command itself.

use super::process::{self, Side};
use super::report::{number, say};
use super::world::{World, policies};
use super::{RunArgs, person};
use crate::exit::{Exit, note, print};
use serde_json::json;
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

/// Runs the bench.
pub async fn run(args: &RunArgs) -> Result<(), Exit> {
    let rows: u64 = if args.quick { 50_000 } else { 1_000_000 };
    note(format!("bench import: {rows} rows of csv"));
    let world = World::open(args.data.as_deref(), args.database.as_deref())?;
    let platform = world.platform().await?;
    policies(&platform).await?;
    let year = (platform.today().year() + 1).to_string();
    platform.store.close();
    let path = world.folder.join("roster.csv");
    let file = std::fs::File::create(&path).map_err(Exit::unexpected)?;
    let mut file = BufWriter::new(file);
    let head = "姓名,身份证号,参保地,人员类别,档次,救助身份,手机号";
    writeln!(file, "{head}").map_err(Exit::unexpected)?;
    for number in 0..rows {
        let person::Invented { name, id_number } = person::person(number);
        let region = person::REGION;
        writeln!(file, "{name},{id_number},{region},resident,,,").map_err(Exit::unexpected)?;
    }
    file.flush().map_err(Exit::unexpected)?;
    let config = world.folder.join("bench.toml").display().to_string();
    let path = path.display().to_string();
    let begun = Instant::now();
    let mut import = Side::start(&[
        "import", "roster", &path, "--config", &config, "--year", &year, "--json",
    ])?;
    let id = import.id;
    let (mut cpu_us, mut peak_mb) = (0, 0);
    let mut answer = std::pin::pin!(import.line());
    let told = loop {
        tokio::select! {
            line = &mut answer => break line?,
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                cpu_us = process::cpu_us(id).max(cpu_us);
                peak_mb = process::memory_peak_mb(id).max(peak_mb);
            }
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    let told: serde_json::Value = serde_json::from_str(&told).map_err(Exit::unexpected)?;
    let count = f64::from(u32::try_from(rows).unwrap_or(u32::MAX));
    let cpu = f64::from(u32::try_from(cpu_us).unwrap_or(u32::MAX));
    let report = json!({
        "rows": rows, "active": told["active"], "seconds": number(seconds),
        "rows_per_s": number(count / seconds), "cpu_us_per_row": number(cpu / count),
        "peak_mb": peak_mb,
    });
    if args.json {
        print(report);
    } else {
        say(&report);
    }
    Ok(())
}
