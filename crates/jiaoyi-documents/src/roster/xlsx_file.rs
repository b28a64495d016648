//! Rows of an .xlsx workbook: its first sheet, without formulas, within the limits of memory.

use super::{Cell, Columns, FileError, Limits, RawRow, TITLE_ROWS_MAX};
use calamine::{DataRef, Reader, Xlsx, XlsxError};
use std::io::{self, Read, Seek, SeekFrom, Write};

/// No workbook has more parts; a zip file that has was made to keep a reader busy.
const PARTS_MAX: usize = 10_000;

/// Reads the whole first sheet.
pub(super) fn read(
    mut source: impl Read + Seek,
    region_given: bool,
    limits: &Limits,
) -> Result<(Columns, Vec<RawRow>), FileError> {
    unpack(&mut source, limits.unpacked_bytes_max)?;
    source.seek(SeekFrom::Start(0))?;
    let mut book = Xlsx::new(source).map_err(workbook_error)?;
    let sheet = book.sheet_names().first().cloned();
    let sheet = sheet.ok_or_else(|| FileError::NotAWorkbook {
        why: "it has no sheet".to_owned(),
    })?;
    let mut cells = book
        .worksheet_cells_reader(&sheet)
        .map_err(workbook_error)?;
    let mut rows = SheetRows::new(region_given, limits);
    while let Some(cell) = cells
        .next_cell_with_formula_metadata()
        .map_err(workbook_error)?
    {
        let (row, column) = cell.pos;
        if cell.formula.is_some() {
            return Err(FileError::Formula {
                cell: address(row, column),
            });
        }
        rows.put(row, column, convert(&cell.value, limits))?;
    }
    rows.finish()
}

/// Unpacks every part into nothing: the only way to know how large they are, because a zip file
/// may lie about it. Damage is found here as well.
fn unpack(source: &mut (impl Read + Seek), max_bytes: u64) -> Result<(), FileError> {
    source.seek(SeekFrom::Start(0))?;
    let broken = |error: &dyn std::fmt::Display| FileError::BrokenZip {
        why: error.to_string(),
    };
    let mut archive = zip::ZipArchive::new(source).map_err(|error| broken(&error))?;
    if archive.len() > PARTS_MAX {
        return Err(FileError::TooLarge { max_bytes });
    }
    let mut sink = Sink { left: max_bytes };
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).map_err(|error| broken(&error))?;
        match io::copy(&mut part, &mut sink) {
            Ok(_) => {}
            Err(_) if sink.left == 0 => return Err(FileError::TooLarge { max_bytes }),
            Err(error) => return Err(broken(&error)),
        }
    }
    Ok(())
}

/// Counts what is written and fails when it is too much.
struct Sink {
    left: u64,
}

impl Write for Sink {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        match self.left.checked_sub(count) {
            Some(left) => {
                self.left = left;
                Ok(buffer.len())
            }
            None => {
                self.left = 0;
                Err(io::Error::other("too large"))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn workbook_error(error: XlsxError) -> FileError {
    let why = error.to_string();
    match error {
        XlsxError::Io(error) => FileError::Io(error),
        XlsxError::Zip(_) => FileError::BrokenZip { why },
        XlsxError::Password => FileError::OldOrLocked,
        _ => FileError::NotAWorkbook { why },
    }
}

/// Gathers cells into rows, finds the header among the first ones.
struct SheetRows<'l> {
    region_given: bool,
    limits: &'l Limits,
    columns: Option<Columns>,
    /// Rows above the header, until it is found.
    top: Vec<(u64, Vec<Cell>)>,
    rows: Vec<RawRow>,
    /// The row that is being gathered, by its number from 0.
    now: Option<u32>,
    cells: Vec<Cell>,
}

/// No sheet of ours is wider; cells beyond are in no column anyway.
const WIDTH_MAX: usize = 256;

impl SheetRows<'_> {
    fn new(region_given: bool, limits: &Limits) -> SheetRows<'_> {
        SheetRows {
            region_given,
            limits,
            columns: None,
            top: Vec::new(),
            rows: Vec::new(),
            now: None,
            cells: Vec::new(),
        }
    }

    fn put(&mut self, row: u32, column: u32, cell: Cell) -> Result<(), FileError> {
        if self.now != Some(row) {
            self.end_row()?;
            self.now = Some(row);
        }
        let place = usize::try_from(column).unwrap_or(usize::MAX);
        if place < WIDTH_MAX && cell != Cell::Empty {
            if self.cells.len() <= place {
                self.cells.resize(place + 1, Cell::Empty);
            }
            self.cells[place] = cell;
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), FileError> {
        let cells = std::mem::take(&mut self.cells);
        let Some(row) = self.now.take().filter(|_| !cells.is_empty()) else {
            return Ok(());
        };
        let number = u64::from(row) + 1;
        if self.columns.is_some() {
            return self.add(number, cells);
        }
        self.top.push((number, cells));
        if self.top.len() == TITLE_ROWS_MAX {
            self.settle_header()?;
        }
        Ok(())
    }

    /// Chooses the header among the rows so far; those below it are rows.
    fn settle_header(&mut self) -> Result<(), FileError> {
        let mut top = std::mem::take(&mut self.top);
        let texts = |cells: &[Cell]| cells.iter().map(|cell| cell.text().to_owned()).collect();
        let shown: Vec<(u64, Vec<String>)> = top
            .iter()
            .map(|(number, cells)| (*number, texts(cells)))
            .collect();
        let place = super::find_header(&shown);
        let (_, header) = shown.get(place).ok_or(FileError::Empty)?;
        self.columns = Some(super::read_header(header, self.region_given)?);
        for (number, cells) in top.split_off(place + 1) {
            self.add(number, cells)?;
        }
        Ok(())
    }

    fn add(&mut self, number: u64, cells: Vec<Cell>) -> Result<(), FileError> {
        let Some(columns) = &self.columns else {
            return Ok(());
        };
        let max = self.limits.xlsx_rows_max.min(self.limits.rows_max);
        if u64::try_from(self.rows.len()).unwrap_or(u64::MAX) >= max {
            return Err(FileError::TooManyRows { max });
        }
        let ragged = (cells.len() > columns.width()).then_some(cells.len());
        let mut row = RawRow {
            number,
            cells: std::array::from_fn(|_| Cell::Empty),
            ragged,
        };
        for (place, cell) in cells.into_iter().enumerate() {
            if let Some(column) = columns.at(place) {
                row.cells[column.index()] = cell;
            }
        }
        self.rows.push(row);
        Ok(())
    }

    fn finish(mut self) -> Result<(Columns, Vec<RawRow>), FileError> {
        self.end_row()?;
        if self.columns.is_none() {
            self.settle_header()?;
        }
        let columns = self.columns.ok_or(FileError::Empty)?;
        Ok((columns, self.rows))
    }
}

/// Numbers of more digits than a spreadsheet keeps are not taken for what they look like.
fn convert(value: &DataRef<'_>, limits: &Limits) -> Cell {
    match value {
        DataRef::Empty => Cell::Empty,
        DataRef::String(text) => Cell::from_text(text, limits),
        DataRef::SharedString(text) => Cell::from_text(text, limits),
        DataRef::Int(number) => Cell::Text(number.to_string()),
        DataRef::Float(number) if number.abs() >= 1e15 => Cell::LostPrecision,
        // Prints whole numbers without a point: 13800130421.
        DataRef::Float(number) => Cell::Text(number.to_string()),
        DataRef::Bool(_)
        | DataRef::DateTime(_)
        | DataRef::DateTimeIso(_)
        | DataRef::DurationIso(_)
        | DataRef::Error(_) => Cell::NotText,
    }
}

/// `C5`, as a spreadsheet names the cell.
fn address(row: u32, column: u32) -> String {
    let mut letters = Vec::new();
    let mut left = column + 1;
    while left > 0 {
        let letter = u8::try_from((left - 1) % 26).unwrap_or(0);
        letters.push(char::from(b'A' + letter));
        left = (left - 1) / 26;
    }
    let letters: String = letters.into_iter().rev().collect();
    format!("{letters}{}", row + 1)
}
