//! How long bills of a given length take to be read, and how much memory.
//!
//! `cargo run --release -p jiaoyi-channels --example read_bills -- LINES FOLDER` writes a bill of each
//! channel into the folder, which has to be there, and reads it; before that one with a tenth of the
//! lines, so that memory can be compared.
#![expect(clippy::print_stdout, reason = "an example prints")]

use flate2::Compression;
use flate2::write::GzEncoder;
use jiaoyi_channels::BillReader;
use jiaoyi_domain::bill::{BillName, BillSort};
use jiaoyi_domain::channel::ChannelCode;
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

#[path = "../src/bill/generated.rs"]
mod generated;

use generated::{DAY, MERCHANT};

type Done = Result<(), Box<dyn Error>>;

fn wechat(lines: u64, file: File) -> Done {
    let mut out = GzEncoder::new(BufWriter::new(file), Compression::fast());
    generated::wechat(lines, &mut out)?;
    out.finish()?.flush()?;
    Ok(())
}

fn alipay(lines: u64, file: File) -> Done {
    Ok(generated::alipay(lines, BufWriter::new(file))?)
}

fn unionpay(lines: u64, file: File) -> Done {
    Ok(generated::unionpay(lines, BufWriter::new(file))?)
}

/// The most memory that this process has had, in MB; Linux only.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let megabytes = kilobytes.and_then(|text| text.parse::<u64>().ok());
    megabytes.map_or("?".to_owned(), |kilobytes| (kilobytes / 1_024).to_string())
}

fn read(channel: ChannelCode, lines: u64, path: &Path) -> Done {
    let name = BillName {
        channel,
        merchant: MERCHANT.to_owned(),
        sort: BillSort::Trade,
        day: DAY,
    };
    let megabytes = std::fs::metadata(path)?.len() / 1_000_000;
    let start = Instant::now();
    let mut reader = BillReader::open(name, File::open(path)?)?;
    for line in &mut reader {
        line?;
    }
    let seconds = start.elapsed().as_secs_f32();
    let (code, totals) = (channel.code(), reader.totals());
    println!(
        "{code}: {lines} lines, {megabytes} MB packed, read in {seconds:.1} s; most memory so far \
         {} MB; paid {}, fees {}",
        memory(),
        totals.paid,
        totals.fees
    );
    Ok(())
}

fn main() -> Done {
    let mut arguments = std::env::args().skip(1);
    let (Some(lines), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("read_bills LINES FOLDER".into());
    };
    let lines: u64 = lines.parse()?;
    for lines in [lines / 10, lines] {
        use ChannelCode::{Alipay, Unionpay, Wechat};
        for (channel, write) in [
            (Wechat, wechat as fn(u64, File) -> Done),
            (Alipay, alipay),
            (Unionpay, unionpay),
        ] {
            let path = Path::new(&folder).join(format!("{}.{lines}.bill", channel.code()));
            write(lines, File::create(&path)?)?;
            read(channel, lines, &path)?;
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}
