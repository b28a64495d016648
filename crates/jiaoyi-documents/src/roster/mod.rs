//! Roster files: who is to be insured, as collectors and offices send it (.xlsx or .csv).
//!
//! [`open_roster`] reads a file row by row; [`Checker`] turns a row into a person or into every
//! problem it has; [`template_csv`], [`template_xlsx`], [`result_csv`] and [`result_xlsx`] write
//! what is given back. What is wrong with the file as a whole is a [`FileError`]: a file that
//! has one must not be activated, however many rows came before. Duplicates within a file are
//! found by who stages the rows.

mod check;
mod columns;
mod csv_file;
mod encoding;
mod error;
mod words;
mod write;
mod xlsx_file;

#[cfg(test)]
mod tests;

pub use check::{CheckedRow, Checker};
pub use columns::{Column, ColumnProblem, Columns};
pub use encoding::Encoding;
pub use error::{CellError, FileError};
pub use write::{result_csv, result_xlsx, template_csv, template_xlsx};

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// How many rows at the top may be titles before the header.
const TITLE_ROWS_MAX: usize = 5;

/// What a file may be at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows below the header (`import.rows_max`).
    pub rows_max: u64,
    /// Rows of an .xlsx file, which is held in memory while it is read.
    pub xlsx_rows_max: u64,
    /// Size of an .xlsx file when unpacked.
    pub unpacked_bytes_max: u64,
    /// Characters of one cell.
    pub cell_characters_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            rows_max: 2_000_000,
            xlsx_rows_max: 300_000,
            unpacked_bytes_max: 256 << 20,
            cell_characters_max: 200,
        }
    }
}

/// What stands in a cell. Its `Debug` shows no text, because cells hold names and numbers.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Cell {
    /// Nothing, or only blanks.
    #[default]
    Empty,
    /// Text, trimmed.
    Text(String),
    /// More characters than allowed.
    TooLong,
    /// A number of so many digits that the spreadsheet has changed it.
    LostPrecision,
    /// A date, a truth value or an error value.
    NotText,
}

impl Cell {
    /// The text; `""` for anything else.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Cell::Text(text) => text,
            Cell::Empty | Cell::TooLong | Cell::LostPrecision | Cell::NotText => "",
        }
    }

    fn from_text(text: &str, limits: &Limits) -> Cell {
        let text = text.trim();
        // The length in bytes is known at once and never smaller than that in characters.
        let max = limits.cell_characters_max;
        if text.is_empty() {
            Cell::Empty
        } else if text.len() > max && text.chars().count() > max {
            Cell::TooLong
        } else if is_scientific(text) {
            Cell::LostPrecision
        } else {
            Cell::Text(text.to_owned())
        }
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cell::Empty => "Empty",
            Cell::Text(_) => "Text(***)",
            Cell::TooLong => "TooLong",
            Cell::LostPrecision => "LostPrecision",
            Cell::NotText => "NotText",
        })
    }
}

/// `1.10105E+17`: what a spreadsheet makes of an ID number in a cell that is not text.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else {
        return false;
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let fraction = mantissa.split_once('.');
    fraction.is_some_and(|(whole, decimals)| digits(whole) && digits(decimals))
        && exponent.strip_prefix('+').is_some_and(digits)
}

/// One row of a file, its cells put in the order of [`Column::ALL`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRow {
    /// Row number as the spreadsheet shows it.
    pub number: u64,
    /// One cell for each column; empty where the file has no such column.
    pub cells: [Cell; Column::ALL.len()],
    /// How many cells the row has, when that is not what the header has.
    pub ragged: Option<usize>,
}

impl RawRow {
    /// The cell of a column.
    #[must_use]
    pub fn cell(&self, column: Column) -> &Cell {
        &self.cells[column.index()]
    }
}

/// An open roster file; iterate over it. After an error it yields nothing more.
pub struct RosterReader {
    columns: Columns,
    encoding: Encoding,
    rows: Rows,
    rows_max: u64,
    rows_read: u64,
    failed: bool,
}

enum Rows {
    Csv(Box<csv_file::CsvRows>),
    Xlsx(std::vec::IntoIter<RawRow>),
}

/// Opens a roster file; see [`open_roster`].
///
/// # Errors
///
/// As [`open_roster`].
pub fn open_roster_file(
    path: &Path,
    region_given: bool,
    limits: &Limits,
) -> Result<RosterReader, FileError> {
    let file = File::open(path)?;
    open_roster(
        BufReader::with_capacity(64 * 1024, file),
        region_given,
        limits,
    )
}

/// Opens a roster: finds out its kind and encoding by its content and reads its header.
///
/// With `region_given` the region column may be missing. A text file is read through once before
/// its first row is given, so that a wrong encoding is found before anything is staged; the memory
/// needed does not grow with it. An .xlsx workbook is held in memory, within `limits`.
///
/// # Errors
///
/// [`FileError`]: what is wrong with the file as a whole, for the header every problem at once.
pub fn open_roster(
    mut source: impl Read + Seek + Send + 'static,
    region_given: bool,
    limits: &Limits,
) -> Result<RosterReader, FileError> {
    let mut head = Vec::with_capacity(8);
    source.seek(SeekFrom::Start(0))?;
    source.by_ref().take(8).read_to_end(&mut head)?;
    source.seek(SeekFrom::Start(0))?;
    if head.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err(FileError::OldOrLocked);
    }
    if head.starts_with(b"PK") {
        let (columns, rows) = xlsx_file::read(source, region_given, limits)?;
        return Ok(RosterReader::new(
            columns,
            Encoding::Xlsx,
            Rows::Xlsx(rows.into_iter()),
            limits,
        ));
    }
    let scan = encoding::scan(&mut source)?;
    let encoding = scan.encoding;
    let (columns, rows) = csv_file::open(source, &scan, region_given, limits)?;
    Ok(RosterReader::new(
        columns,
        encoding,
        Rows::Csv(Box::new(rows)),
        limits,
    ))
}

impl RosterReader {
    fn new(columns: Columns, encoding: Encoding, rows: Rows, limits: &Limits) -> RosterReader {
        RosterReader {
            columns,
            encoding,
            rows,
            rows_max: limits.rows_max,
            rows_read: 0,
            failed: false,
        }
    }

    /// The header.
    #[must_use]
    pub const fn columns(&self) -> &Columns {
        &self.columns
    }

    /// How the file is written.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// How far the reader has come: done and total, in bytes of a text file or rows of a workbook.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        match &self.rows {
            Rows::Csv(rows) => rows.progress(),
            Rows::Xlsx(rows) => {
                let left = u64::try_from(rows.len()).unwrap_or(u64::MAX);
                (self.rows_read, self.rows_read.saturating_add(left))
            }
        }
    }

    /// Rows given so far.
    #[must_use]
    pub const fn rows_read(&self) -> u64 {
        self.rows_read
    }
}

impl Iterator for RosterReader {
    type Item = Result<RawRow, FileError>;

    fn next(&mut self) -> Option<Result<RawRow, FileError>> {
        if self.failed {
            return None;
        }
        let row = match &mut self.rows {
            Rows::Csv(rows) => rows.next_row(&self.columns)?,
            Rows::Xlsx(rows) => Ok(rows.next()?),
        };
        self.rows_read += 1;
        let row = if self.rows_read > self.rows_max {
            Err(FileError::TooManyRows { max: self.rows_max })
        } else {
            row
        };
        self.failed = row.is_err();
        Some(row)
    }
}

/// Finds the header among the first rows: the row with most known names, the first of equals.
fn find_header(rows: &[(u64, Vec<String>)]) -> usize {
    let mut best = (0, 0);
    for (place, (_, row)) in rows.iter().enumerate().take(TITLE_ROWS_MAX) {
        let score = Columns::score(row);
        if score > best.1 {
            best = (place, score);
        }
    }
    best.0
}

/// Reads the header that [`find_header`] found.
fn read_header(row: &[String], region_given: bool) -> Result<Columns, FileError> {
    Columns::read(row, region_given).map_err(|problems| FileError::Columns {
        problems,
        header: columns::header_shown(row),
    })
}
