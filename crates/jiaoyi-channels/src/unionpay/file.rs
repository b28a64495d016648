//! The daily file (对账文件): what UnionPay settled on one clearing day, read record by record.
//!
//! The answer's `fileContent` is Base64 of zlib of a zip. Its entries are text in GBK of fixed width:
//! `…ZM_…` one line a transaction, `…ZME_…` one line a difference. Only the packed zip is held; what
//! it unpacks to is read in pieces of one line, however large it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::GBK;
use flate2::read::ZlibDecoder;
use jiaoyi_domain::money::Fen;
use std::io::{BufRead, BufReader, Cursor, Read};
use zip::ZipArchive;

/// No zip is larger than this: a day of more than a million transactions.
const ZIP_BYTES_MAX: u64 = 96 * 1024 * 1024;

/// The widths of a line of `ZM`; one blank stands between two fields.
const DETAIL_WIDTHS: [usize; 42] = [
    3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4, 32, 1, 21,
    15, 1, 15, 32, 13, 13, 8, 32, 13, 13, 12, 2, 1, 32, 98,
];
/// The widths of a line of `ZME`.
const DIFFERENCE_WIDTHS: [usize; 22] = [
    3, 11, 11, 6, 10, 19, 12, 4, 2, 2, 6, 10, 4, 12, 13, 13, 15, 15, 1, 12, 2, 135,
];

/// Which way money moves between UnionPay and the merchant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// `C`: to the merchant.
    ToMerchant(Fen),
    /// `D`: from the merchant.
    FromMerchant(Fen),
}

/// One transaction of a clearing day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLine {
    /// 交易代码: `S22` and `S56` a payment, `S30` a return.
    pub kind: String,
    /// 交易传输时间, `MMDDhhmmss` in Beijing.
    pub traced: String,
    /// 交易金额.
    pub amount: Fen,
    /// 查询流水号: UnionPay's number of the transaction.
    pub query_id: String,
    /// 商户订单号: ours.
    pub order_id: String,
    /// 商户手续费.
    pub fee: Flow,
    /// 结算金额: what is settled of this transaction.
    pub net: Flow,
    /// 原交易查询流水号: of a return, the payment's.
    pub original_query_id: Option<String>,
    /// 商户代码.
    pub merchant: String,
}

/// One line of the file of differences (差错), of which the columns' widths are published and the
/// meaning of few.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDifference {
    /// All 22 columns, trimmed.
    pub columns: Vec<String>,
    /// 交易金额.
    pub amount: Fen,
}

/// Why a daily file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// The packing is broken.
    #[error("unpacking the daily file: {what}")]
    Packing {
        /// What is wrong.
        what: String,
    },
    /// A line is not one of the format.
    #[error("reading line {line} of {entry}: {what}")]
    Line {
        /// The file inside the zip.
        entry: String,
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        what: &'static str,
    },
}

impl FileFault {
    /// Stable code for metrics and tests.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            FileFault::Packing { .. } => "channels.file.packing",
            FileFault::Line { .. } => "channels.file.line",
        }
    }
}

fn packing(what: impl ToString) -> FileFault {
    FileFault::Packing {
        what: what.to_string(),
    }
}

/// A daily file as it was fetched.
#[derive(Clone, PartialEq, Eq)]
pub struct DailyFile {
    /// UnionPay's name of it.
    pub name: String,
    zip: Vec<u8>,
}

impl std::fmt::Debug for DailyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DailyFile({}, {} bytes)", self.name, self.zip.len())
    }
}

impl DailyFile {
    /// Unpacks `fileContent`.
    pub(super) fn open(name: &str, content: &str) -> Result<DailyFile, FileFault> {
        let packed = STANDARD.decode(content).map_err(packing)?;
        let mut zip = Vec::new();
        let mut inflated = ZlibDecoder::new(packed.as_slice()).take(ZIP_BYTES_MAX + 1);
        inflated.read_to_end(&mut zip).map_err(packing)?;
        DailyFile::from_zip(name, zip)
    }

    /// Takes a zip as the merchant's console hands it out.
    ///
    /// # Errors
    ///
    /// [`FileFault::Packing`] for one that is too large.
    pub fn from_zip(name: &str, zip: Vec<u8>) -> Result<DailyFile, FileFault> {
        if u64::try_from(zip.len()).is_ok_and(|length| length <= ZIP_BYTES_MAX) {
            let name = name.to_owned();
            Ok(DailyFile { name, zip })
        } else {
            Err(packing("the zip is larger than 96 MiB"))
        }
    }

    /// The zip itself, to be kept.
    #[must_use]
    pub fn zip(&self) -> &[u8] {
        &self.zip
    }

    /// Gives each transaction to `each`, in the file's order; how many there were.
    ///
    /// # Errors
    ///
    /// [`FileFault`]; what was given before stands.
    pub fn lines(&self, mut each: impl FnMut(FileLine)) -> Result<u64, FileFault> {
        self.records("ZM_", &DETAIL_WIDTHS, |columns| {
            each(detail(columns)?);
            Ok(())
        })
    }

    /// Gives each difference to `each`; how many there were.
    ///
    /// # Errors
    ///
    /// [`FileFault`]; what was given before stands.
    pub fn differences(&self, mut each: impl FnMut(FileDifference)) -> Result<u64, FileFault> {
        self.records("ZME_", &DIFFERENCE_WIDTHS, |columns| {
            let amount = fen(&columns[6]).ok_or("the amount is no number")?;
            each(FileDifference {
                columns: columns.to_vec(),
                amount,
            });
            Ok(())
        })
    }

    /// Reads the lines of the entries whose name holds `mark`.
    fn records(
        &self,
        mark: &str,
        widths: &[usize],
        mut each: impl FnMut(&[String]) -> Result<(), &'static str>,
    ) -> Result<u64, FileFault> {
        let mut archive = ZipArchive::new(Cursor::new(self.zip.as_slice())).map_err(packing)?;
        let mut count = 0;
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(packing)?;
            let name = entry.name().unwrap_or_default().into_owned();
            if !name.contains(mark) {
                continue;
            }
            let mut lines = Lines::new(BufReader::new(entry), widths);
            let mut line = 0_u64;
            loop {
                line += 1;
                let fault = |what| FileFault::Line {
                    entry: name.clone(),
                    line,
                    what,
                };
                match lines.next().map_err(packing)? {
                    None => break,
                    Some(Err(what)) => return Err(fault(what)),
                    Some(Ok(columns)) => each(&columns).map_err(fault)?,
                }
                count += 1;
            }
        }
        Ok(count)
    }
}

/// The lines of one entry, never more than one of them in memory.
struct Lines<'w, R> {
    reader: R,
    widths: &'w [usize],
    line: Vec<u8>,
}

impl<'w, R: BufRead> Lines<'w, R> {
    fn new(reader: R, widths: &'w [usize]) -> Lines<'w, R> {
        Lines {
            reader,
            widths,
            line: Vec::new(),
        }
    }

    /// The columns of the next line, trimmed; `None` at the end.
    fn next(&mut self) -> std::io::Result<Option<Result<Vec<String>, &'static str>>> {
        let length = self.widths.iter().sum::<usize>() + self.widths.len() - 1;
        self.line.clear();
        let longest = u64::try_from(length + 2).unwrap_or(u64::MAX);
        let mut bounded = (&mut self.reader).take(longest);
        bounded.read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(Some(if line.len() == length {
            columns(line, self.widths)
        } else {
            Err("it has another length than the format")
        }))
    }
}

fn columns(line: &[u8], widths: &[usize]) -> Result<Vec<String>, &'static str> {
    let mut rest = line;
    let mut columns = Vec::with_capacity(widths.len());
    for width in widths {
        let (column, after) = rest.split_at_checked(*width).ok_or("a column is missing")?;
        let text = GBK.decode_without_bom_handling_and_without_replacement(column);
        columns.push(text.ok_or("it is not GBK")?.trim().to_owned());
        rest = match after.split_first() {
            None => after,
            Some((b' ', after)) => after,
            Some(_) => return Err("there is no blank between two columns"),
        };
    }
    Ok(columns)
}

fn fen(text: &str) -> Option<Fen> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok().map(Fen::new))?
}

fn flow(text: &str) -> Option<Flow> {
    let (side, amount) = text.split_at_checked(1)?;
    match side {
        "C" => fen(amount).map(Flow::ToMerchant),
        "D" => fen(amount).map(Flow::FromMerchant),
        _ => None,
    }
}

fn detail(columns: &[String]) -> Result<FileLine, &'static str> {
    // Numbers as in the published list of columns, from 1.
    let column = |number: usize| columns[number - 1].as_str();
    let original = column(27);
    Ok(FileLine {
        kind: column(1).to_owned(),
        traced: column(5).to_owned(),
        amount: fen(column(7)).ok_or("the amount is no number")?,
        query_id: column(10).to_owned(),
        order_id: column(12).to_owned(),
        fee: flow(column(16)).ok_or("the fee is no amount")?,
        net: flow(column(17)).ok_or("the settled amount is none")?,
        original_query_id: (!original.is_empty()).then(|| original.to_owned()),
        merchant: column(28).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::{file, vector};
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    const SAMPLE: &str = "802310048993424_20150905.zip";

    fn zip_of(entries: &[(&str, Vec<u8>)]) -> DailyFile {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .unwrap();
            writer.write_all(content).unwrap();
        }
        DailyFile::from_zip("test", writer.finish().unwrap().into_inner()).unwrap()
    }

    fn first_line() -> Vec<u8> {
        let mut archive = ZipArchive::new(Cursor::new(file(SAMPLE))).unwrap();
        let mut entry = archive.by_name("INN15090588ZM_802310048993424").unwrap();
        let mut line = vec![0; 607];
        entry.read_exact(&mut line).unwrap();
        line
    }

    /// The official sample, packed as an answer carries it.
    #[test]
    fn the_official_sample_is_read() {
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&file(SAMPLE)).unwrap();
        let content = STANDARD.encode(packed.finish().unwrap());
        let daily = DailyFile::open(SAMPLE, &content).unwrap();
        let mut lines = Vec::new();
        let count = daily.lines(|line| lines.push(line)).unwrap();
        let expected = vector("up-recon-file");
        assert_eq!(serde_json::json!(count), expected["records"]);
        assert_eq!(lines.len(), 8);
        let first = &lines[0];
        assert_eq!(first.kind, expected["first"]["txn_code"]);
        assert_eq!(first.query_id, expected["first"]["query_id"]);
        assert_eq!(first.order_id, "10078087");
        assert_eq!(first.amount, Fen::parse_yuan("4768.00").unwrap());
        assert_eq!(
            first.fee,
            Flow::FromMerchant(Fen::parse_yuan("28.61").unwrap())
        );
        assert_eq!(
            first.net,
            Flow::ToMerchant(Fen::parse_yuan("4739.39").unwrap())
        );
        assert_eq!(first.merchant, "802310048993424");
        assert_eq!(
            (first.traced.as_str(), &first.original_query_id),
            ("0906112203", &None)
        );
        assert_eq!(daily.differences(|_| ()).unwrap(), 0);
    }

    /// What unpacks to 200 times its size is read in pieces of a line, and differences apart.
    #[test]
    fn a_large_file_is_read_line_by_line() {
        let line = [first_line(), b"\r\n".to_vec()].concat();
        let difference = {
            let widths = DIFFERENCE_WIDTHS.iter().enumerate();
            let columns: Vec<String> = widths
                .map(|(index, width)| match index {
                    6 => "000000000100".to_owned(),
                    _ => " ".repeat(*width),
                })
                .collect();
            columns.join(" ")
        };
        let daily = zip_of(&[
            ("INN26112288ZM_1", line.repeat(50_000)),
            ("INN26112288ZME_1", difference.into_bytes()),
            ("RD2010", b"anything".to_vec()),
        ]);
        assert!(daily.zip().len() * 100 < line.len() * 50_000);
        let (mut sum, mut told) = (0, Vec::new());
        assert_eq!(
            daily.lines(|line| sum += line.amount.get()).unwrap(),
            50_000
        );
        assert_eq!(sum, 50_000 * 476_800);
        assert_eq!(daily.differences(|line| told.push(line.amount)).unwrap(), 1);
        assert_eq!(told, [Fen::new(100)]);
    }

    #[test]
    fn a_broken_file_is_refused_with_its_place() {
        let good = first_line();
        let changed = |place: usize, byte: u8| {
            let mut line = good.clone();
            line[place] = byte;
            line
        };
        let without_end = zip_of(&[("ZM_", good.clone())]);
        assert_eq!(without_end.lines(|_| ()).unwrap(), 1);
        for (line, what) in [
            (good[..606].to_vec(), "length"),
            ([good.clone(), b" ".to_vec()].concat(), "length"),
            (changed(3, b'x'), "blank"),
            (changed(68, b'x'), "amount"),
            (changed(166, b'E'), "fee"),
            (changed(100, 0xff), "GBK"),
            (b"\n".repeat(10_000_000), "length"),
        ] {
            let content = [good.clone(), b"\r\n".to_vec(), line].concat();
            let fault = zip_of(&[("ZM_", content)]).lines(|_| ()).unwrap_err();
            assert_eq!(fault.code(), "channels.file.line");
            let text = fault.to_string();
            assert!(
                text.contains("line 2 of ZM_") && text.contains(what),
                "{text} {what}"
            );
        }
        for content in ["!", "AAAA"] {
            assert_eq!(
                DailyFile::open("x", content).unwrap_err().code(),
                "channels.file.packing"
            );
        }
        let no_zip = DailyFile::from_zip("x", b"no zip".to_vec()).unwrap();
        assert_eq!(
            no_zip.lines(|_| ()).unwrap_err().code(),
            "channels.file.packing"
        );
    }
}
