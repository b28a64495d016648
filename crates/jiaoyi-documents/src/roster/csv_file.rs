//! Rows of a text file, streamed: memory does not grow with the file.

use super::encoding::{Meter, ROW_BYTES_MAX, Scan, Utf8Reader};
use super::{Cell, Column, Columns, FileError, Limits, RawRow, TITLE_ROWS_MAX};
use std::io::Read;

type Source = Utf8Reader<Box<dyn Read + Send>>;

/// The rows below the header.
pub(super) struct CsvRows {
    reader: csv::Reader<Source>,
    record: csv::StringRecord,
    meter: Meter,
    bytes: u64,
    limits: Limits,
    /// Spreadsheet row of the record read last.
    row: u64,
    /// Rows read while looking for the header, which come first.
    waiting: std::vec::IntoIter<(u64, Vec<String>)>,
}

/// Reads the top of the file and its header.
pub(super) fn open(
    source: impl Read + Send + 'static,
    scan: &Scan,
    region_given: bool,
    limits: &Limits,
) -> Result<(Columns, CsvRows), FileError> {
    let meter = Meter::default();
    let mut source = Utf8Reader::new(
        Box::new(source) as Box<dyn Read + Send>,
        scan,
        meter.clone(),
    );
    let mut head = Vec::new();
    let first_line = peek_line(&mut source, &mut head)?;
    let delimiter = delimiter_of(&first_line);
    source.unread(&head);
    let reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(32 * 1024)
        .from_reader(source);
    let mut rows = CsvRows {
        reader,
        record: csv::StringRecord::new(),
        meter,
        bytes: scan.bytes,
        limits: *limits,
        row: 0,
        waiting: Vec::new().into_iter(),
    };
    let mut top = Vec::new();
    while top.len() < TITLE_ROWS_MAX {
        match rows.read_record() {
            None => break,
            Some(row) => {
                row?;
                let cells = rows.record.iter().map(str::to_owned);
                top.push((rows.row, cells.collect::<Vec<String>>()));
            }
        }
    }
    if top.is_empty() {
        return Err(FileError::Empty);
    }
    let place = super::find_header(&top);
    let columns = super::read_header(&top[place].1, region_given)?;
    rows.waiting = top.split_off(place + 1).into_iter();
    Ok((columns, rows))
}

impl CsvRows {
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.meter.bytes_read().min(self.bytes), self.bytes)
    }

    /// The next row that is not blank.
    pub(super) fn next_row(&mut self, columns: &Columns) -> Option<Result<RawRow, FileError>> {
        loop {
            let row = match self.waiting.next() {
                Some((number, cells)) => raw(
                    number,
                    cells.iter().map(String::as_str),
                    columns,
                    &self.limits,
                ),
                None => {
                    if let Err(error) = self.read_record()? {
                        return Some(Err(error));
                    }
                    raw(self.row, self.record.iter(), columns, &self.limits)
                }
            };
            if let Some(row) = row {
                return Some(Ok(row));
            }
        }
    }

    /// Reads one record and counts the spreadsheet rows it stands below.
    fn read_record(&mut self) -> Option<Result<(), FileError>> {
        let before = self.reader.position().line();
        match self.reader.read_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                self.meter.row_done();
                let lines = self.reader.position().line() - before;
                // A cell may hold line breaks; a spreadsheet shows it as one row. What is left
                // over are blank lines above the record.
                let breaks = self
                    .record
                    .as_slice()
                    .bytes()
                    .filter(|b| *b == b'\n')
                    .count();
                let breaks = u64::try_from(breaks).unwrap_or(u64::MAX);
                self.row += lines.saturating_sub(breaks).max(1);
                Some(Ok(()))
            }
            Err(error) => Some(Err(self.file_error(error))),
        }
    }

    fn file_error(&self, error: csv::Error) -> FileError {
        let row = self.row;
        match error.into_kind() {
            csv::ErrorKind::Io(error) if error.to_string() == "row too long" => {
                let max_bytes = ROW_BYTES_MAX;
                FileError::RowTooLong { row, max_bytes }
            }
            csv::ErrorKind::Io(error) => FileError::Io(error),
            // The scan found the whole file to be good text, so this is a file that changes.
            _ => FileError::Encoding { line: row + 1 },
        }
    }
}

/// Puts the cells in order; `None` for a row in which nothing stands.
fn raw<'c>(
    number: u64,
    cells: impl Iterator<Item = &'c str>,
    columns: &Columns,
    limits: &Limits,
) -> Option<RawRow> {
    let mut row = RawRow {
        number,
        cells: std::array::from_fn(|_| Cell::Empty),
        ragged: None,
    };
    let (mut count, mut beyond, mut blank) = (0, false, true);
    for (place, text) in cells.enumerate() {
        count = place + 1;
        let is_blank = text.trim().is_empty();
        blank &= is_blank;
        beyond |= place >= columns.width() && !is_blank;
        if let Some(column) = columns.at(place) {
            row.cells[Column::index(column)] = Cell::from_text(text, limits);
        }
    }
    if count < columns.width() || beyond {
        row.ragged = Some(count);
    }
    (!blank).then_some(row)
}

/// Reads up to the end of the first line, keeping what was read.
fn peek_line(source: &mut Source, head: &mut Vec<u8>) -> Result<Vec<u8>, FileError> {
    let mut chunk = [0; 4096];
    loop {
        let count = source.read(&mut chunk)?;
        head.extend_from_slice(&chunk[..count]);
        let end = head.iter().position(|byte| *byte == b'\n');
        if end.is_some() || count == 0 || head.len() > ROW_BYTES_MAX {
            return Ok(head[..end.unwrap_or(head.len())].to_vec());
        }
    }
}

/// A comma, unless the first line has none but tabs or semicolons.
fn delimiter_of(line: &[u8]) -> u8 {
    let has = |byte: u8| line.contains(&byte);
    match (has(b','), has(b'\t'), has(b';')) {
        (false, true, _) => b'\t',
        (false, false, true) => b';',
        _ => b',',
    }
}
