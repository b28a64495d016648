//! What can be wrong with a roster file as a whole, and with one of its cells.

use super::columns::{Column, ColumnProblem};
use jiaoyi_domain::person::Document;

/// A file that cannot be read to its end: nothing of it may be activated.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system could not read it.
    #[error("read the roster file: {0}")]
    Io(#[from] std::io::Error),
    /// Nothing in it.
    #[error("the roster file is empty")]
    Empty,
    /// An old .xls workbook, or one locked with a password.
    #[error("the roster file is an old .xls workbook or has a password")]
    OldOrLocked,
    /// The container of an .xlsx file is damaged.
    #[error("the .xlsx file is damaged: {why}")]
    BrokenZip { why: String },
    /// A zip file that is no workbook.
    #[error("the file is no .xlsx workbook: {why}")]
    NotAWorkbook { why: String },
    /// Unpacked, it would be larger than allowed: a mistake, or an attack.
    #[error("the .xlsx file unpacks to more than {max_bytes} bytes")]
    TooLarge { max_bytes: u64 },
    /// A formula; its value could differ from what the sender saw.
    #[error("cell {cell} holds a formula")]
    Formula { cell: String },
    /// Neither UTF-8 nor GBK.
    #[error("line {line} is neither UTF-8 nor GBK")]
    Encoding { line: u64 },
    /// UTF-16, as written by "Unicode text".
    #[error("the file is UTF-16 text")]
    Utf16,
    /// A NUL byte: a damaged file or no text at all.
    #[error("line {line} holds a NUL byte")]
    Nul { line: u64 },
    /// A quotation mark that is never closed, or a line without end.
    #[error("after row {row} a row is longer than {max_bytes} bytes")]
    RowTooLong { row: u64, max_bytes: usize },
    /// More rows than allowed.
    #[error("the file has more than {max} rows")]
    TooManyRows { max: u64 },
    /// The header does not fit.
    #[error("the header does not fit: {} problems", problems.len())]
    Columns {
        /// Every problem at once.
        problems: Vec<ColumnProblem>,
        /// The header as it stands in the file.
        header: Vec<String>,
    },
}

impl FileError {
    /// Stable across releases.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            FileError::Io(_) => "roster.io",
            FileError::Empty => "roster.empty",
            FileError::OldOrLocked => "roster.old_or_locked",
            FileError::BrokenZip { .. } => "roster.broken_zip",
            FileError::NotAWorkbook { .. } => "roster.not_a_workbook",
            FileError::TooLarge { .. } => "roster.too_large",
            FileError::Formula { .. } => "roster.formula",
            FileError::Encoding { .. } => "roster.encoding",
            FileError::Utf16 => "roster.utf16",
            FileError::Nul { .. } => "roster.nul",
            FileError::RowTooLong { .. } => "roster.row_too_long",
            FileError::TooManyRows { .. } => "roster.too_many_rows",
            FileError::Columns { .. } => "roster.columns",
        }
    }

    /// What the collector reads: what is wrong and what to do, in Chinese.
    #[must_use]
    pub fn message_zh(&self) -> String {
        match self {
            FileError::Io(_) => "文件读不出来。请换一个位置再试。".to_owned(),
            FileError::Empty => "文件是空的。请下载模板填写。".to_owned(),
            FileError::OldOrLocked => {
                "这是旧版 .xls 或加了密码的文件。请去掉密码，另存为 .xlsx。".to_owned()
            }
            FileError::BrokenZip { .. } => "文件已损坏，打不开。请重新保存后上传。".to_owned(),
            FileError::NotAWorkbook { .. } => "这不是表格文件。请上传 .xlsx 或 .csv。".to_owned(),
            FileError::TooLarge { max_bytes } => {
                format!("文件展开后超过 {} MB。请分成几个文件。", max_bytes >> 20)
            }
            FileError::Formula { cell } => {
                format!("{cell} 格是公式。请复制后“粘贴为数值”再上传。")
            }
            FileError::Encoding { line } => {
                format!("第 {line} 行的文字读不出来。请另存为 UTF-8 的 CSV 或 .xlsx。")
            }
            FileError::Utf16 => "这是 Unicode 文本。请另存为 UTF-8 的 CSV 或 .xlsx。".to_owned(),
            FileError::Nul { line } => {
                format!("第 {line} 行有空字节，文件可能已损坏。请重新导出。")
            }
            FileError::RowTooLong { row, .. } => {
                format!("第 {row} 行之后有一行太长。请检查引号是否成对。")
            }
            FileError::TooManyRows { max } => format!("超过 {max} 行。请分成几个文件。"),
            FileError::Columns { problems, header } => {
                let now = format!("现在有 {} 列：{}。", header.len(), header.join("、"));
                let what: String = problems.iter().map(ColumnProblem::message_zh).collect();
                format!("{what}{now}")
            }
        }
    }

    /// The same in English.
    #[must_use]
    pub fn message_en(&self) -> String {
        match self {
            FileError::Io(_) => "The file cannot be read. Try another place.".to_owned(),
            FileError::Empty => "The file is empty. Fill in the template.".to_owned(),
            FileError::OldOrLocked => {
                "An old .xls file or one with a password. Save it as .xlsx without one.".to_owned()
            }
            FileError::BrokenZip { .. } => "The file is damaged. Save it again.".to_owned(),
            FileError::NotAWorkbook { .. } => {
                "This is no spreadsheet. Send .xlsx or .csv.".to_owned()
            }
            FileError::TooLarge { max_bytes } => {
                format!(
                    "Unpacked the file has more than {} MB. Split it.",
                    max_bytes >> 20
                )
            }
            FileError::Formula { cell } => {
                format!("Cell {cell} holds a formula. Paste the values instead.")
            }
            FileError::Encoding { line } => {
                format!("Line {line} cannot be read. Save as CSV in UTF-8 or as .xlsx.")
            }
            FileError::Utf16 => "This is UTF-16 text. Save as CSV in UTF-8 or .xlsx.".to_owned(),
            FileError::Nul { line } => {
                format!("Line {line} holds an empty byte; the file may be damaged.")
            }
            FileError::RowTooLong { row, .. } => {
                format!("After row {row} a row is too long. Check the quotation marks.")
            }
            FileError::TooManyRows { max } => format!("More than {max} rows. Split the file."),
            FileError::Columns { problems, header } => {
                let what: Vec<String> = problems.iter().map(ColumnProblem::message_en).collect();
                format!("{} The columns are: {}.", what.join(" "), header.join(", "))
            }
        }
    }
}

/// One thing that is wrong with one row, with what to do about it.
///
/// It holds no raw personal data: [`CellError::cell`] is masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellError {
    /// Row number as the spreadsheet shows it.
    pub row: u64,
    /// Which column; `None` when the row as a whole is wrong.
    pub column: Option<Column>,
    /// What stands in the cell, masked.
    pub cell: String,
    /// Stable dotted code.
    pub code: &'static str,
    /// What is wrong and what to do, in Chinese, without the row number.
    pub message_zh: String,
    /// The same in English.
    pub message_en: String,
}

impl CellError {
    /// The person stands in the file twice. Found by who stages the rows, not by the reader, whose
    /// memory does not grow with the file.
    #[must_use]
    pub fn duplicate(row: u64, first_row: u64) -> CellError {
        CellError {
            row,
            column: Some(Column::Document),
            cell: String::new(),
            code: "roster.duplicate",
            message_zh: format!("与第 {first_row} 行重复，请删掉一行"),
            message_en: format!("The same person as in row {first_row}; remove one."),
        }
    }

    /// The region part of the number stands in no table of codes, or had been retired before the
    /// birth. A warning for staff, never a reason to refuse: codes are those of the first
    /// registration, and no table is complete.
    #[must_use]
    pub fn unregistered(row: u64, document: &Document, retired: bool) -> CellError {
        let (zh, en) = if retired {
            (
                "提醒：证件号码前 6 位的地区代码在出生前已停用，请核对",
                "Note: the region code of the number was retired before the birth; please check.",
            )
        } else {
            (
                "提醒：证件号码前 6 位的地区代码查不到，请核对",
                "Note: the region code of the number is in no table; please check.",
            )
        };
        CellError {
            row,
            column: Some(Column::Document),
            cell: document.masked().into_string(),
            code: "document.unregistered",
            message_zh: zh.to_owned(),
            message_en: en.to_owned(),
        }
    }

    /// The person was known under another name; the roster's counts now. A warning for staff: one
    /// mistyped row would lock a person out.
    #[must_use]
    pub fn renamed(row: u64) -> CellError {
        CellError {
            row,
            column: Some(Column::Name),
            cell: String::new(),
            code: "person.renamed",
            message_zh: "提醒：姓名与原来的不同，已按这份名单改，请核对".to_owned(),
            message_en: "Note: the name differs from the one known before; this roster's counts \
                         now. Please check."
                .to_owned(),
        }
    }

    /// `第 18 行 身份证号少 1 位`.
    #[must_use]
    pub fn line_zh(&self) -> String {
        format!("第 {} 行 {}", self.row, self.message_zh)
    }
}
