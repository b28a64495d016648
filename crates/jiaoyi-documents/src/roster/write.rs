//! Files that go back to the collector: the template, and the list of what has to be changed.

use super::{CellError, Column, Columns};
use rust_xlsxwriter::{Color, Format, FormatAlign, Workbook, XlsxError};

/// Byte order mark: without it spreadsheets read a CSV file as GBK.
const MARK: &str = "\u{feff}";

/// Sheet and columns of the result.
const RESULT_HEADER: [&str; 5] = ["行号", "列", "单元格", "问题和改法", "What to do"];

/// An empty roster as .csv, UTF-8 with byte order mark.
#[must_use]
pub fn template_csv() -> Vec<u8> {
    let names = Column::ALL.map(Column::name_zh);
    format!("{MARK}{}\r\n", names.join(",")).into_bytes()
}

/// An empty roster as .xlsx: every column formatted as text, with a sheet that explains them.
///
/// # Errors
///
/// When the workbook cannot be put together; nothing of the input can cause that.
pub fn template_xlsx() -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let head = Format::new()
        .set_bold()
        .set_background_color(Color::RGB(0x00E6_F2FF));
    // Text, or a spreadsheet turns the last three digits of an ID number into zeros.
    let text = Format::new().set_num_format("@");
    let sheet = book.add_worksheet().set_name("名册")?;
    for (place, column) in (0u16..).zip(Column::ALL) {
        sheet.set_column_format(place, &text)?;
        sheet.set_column_width(place, 20)?;
        sheet.write_string_with_format(0, place, column.name_zh(), &head)?;
    }
    sheet.set_freeze_panes(1, 0)?;
    let help = book.add_worksheet().set_name("填表说明")?;
    help.set_column_width(0, 16)?;
    help.set_column_width(1, 60)?;
    for (row, column) in (0u32..).zip(Column::ALL) {
        help.write_string_with_format(row, 0, column.name_zh(), &head)?;
        help.write_string(row, 1, column.hint_zh())?;
    }
    book.save_to_buffer()
}

/// Everything that has to be changed as .csv: row, column, masked cell, what to do.
///
/// # Errors
///
/// Only if memory ends; the signature is that of the library.
pub fn result_csv(columns: &Columns, errors: &[CellError]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(MARK.as_bytes().to_vec());
    writer.write_record(RESULT_HEADER)?;
    for error in errors {
        let [row, column, cell, zh, en] = result_row(columns, error);
        writer.write_record([
            row,
            guarded(column),
            guarded(cell),
            guarded(zh),
            guarded(en),
        ])?;
    }
    writer
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))
}

/// The same as .xlsx, problem cells in red.
///
/// # Errors
///
/// When there are more rows than a sheet holds.
pub fn result_xlsx(columns: &Columns, errors: &[CellError]) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let head = Format::new()
        .set_bold()
        .set_background_color(Color::RGB(0x00E6_F2FF));
    let red = Format::new()
        .set_font_color(Color::RGB(0x00B0_0020))
        .set_text_wrap();
    let top = Format::new().set_align(FormatAlign::Top);
    let sheet = book.add_worksheet().set_name("要改的地方")?;
    for (place, (name, width)) in (0u16..).zip(RESULT_HEADER.iter().zip([8, 16, 24, 60, 60])) {
        sheet.set_column_width(place, width)?;
        sheet.write_string_with_format(0, place, *name, &head)?;
    }
    for (row, error) in (1u32..).zip(errors) {
        let [number, column, cell, zh, en] = result_row(columns, error);
        // Written as strings: a spreadsheet computes nothing from a string cell.
        for (place, text) in (0u16..).zip([&number, &column, &cell]) {
            sheet.write_string_with_format(row, place, text, &top)?;
        }
        sheet.write_string_with_format(row, 3, &zh, &red)?;
        sheet.write_string_with_format(row, 4, &en, &top)?;
    }
    sheet.set_freeze_panes(1, 0)?;
    book.save_to_buffer()
}

fn result_row(columns: &Columns, error: &CellError) -> [String; 5] {
    let column = error.column.map(|column| columns.header(column).to_owned());
    [
        error.row.to_string(),
        column.unwrap_or_else(|| "整行".to_owned()),
        error.cell.clone(),
        error.message_zh.clone(),
        error.message_en.clone(),
    ]
}

/// A cell of a CSV file that no spreadsheet takes for a formula.
fn guarded(cell: String) -> String {
    let first = cell.trim_start().chars().next();
    let starts = matches!(
        first,
        Some('=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}')
    );
    if starts || cell.starts_with(['\t', '\r', '\n']) {
        format!("'{cell}")
    } else {
        cell
    }
}
