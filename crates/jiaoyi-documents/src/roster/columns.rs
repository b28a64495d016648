//! The header of a roster file: which column holds what, in any order, in Chinese or English.

use jiaoyi_domain::person::half_width;

/// A column that the import understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    Name,
    DocumentKind,
    Document,
    Region,
    Category,
    Tier,
    Aids,
    Phone,
    VoidCause,
}

impl Column {
    /// Every column in the order of the template.
    pub const ALL: [Column; 9] = [
        Column::Name,
        Column::DocumentKind,
        Column::Document,
        Column::Region,
        Column::Category,
        Column::Tier,
        Column::Aids,
        Column::Phone,
        Column::VoidCause,
    ];

    /// Position in [`super::RawRow::cells`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Column::Name => 0,
            Column::DocumentKind => 1,
            Column::Document => 2,
            Column::Region => 3,
            Column::Category => 4,
            Column::Tier => 5,
            Column::Aids => 6,
            Column::Phone => 7,
            Column::VoidCause => 8,
        }
    }

    /// Names under which the column is known; the first is that of the template.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Column::Name => &["姓名", "参保人姓名", "参保人", "name", "full name"],
            Column::DocumentKind => &["证件类型", "证件种类", "document type", "id type"],
            Column::Document => &[
                "身份证号",
                "证件号码",
                "证件号",
                "身份证号码",
                "身份证件号码",
                "公民身份号码",
                "id number",
                "document number",
            ],
            Column::Region => &[
                "参保地",
                "参保地代码",
                "参保地区划",
                "医保区划",
                "区划代码",
                "行政区划代码",
                "region",
                "region code",
            ],
            Column::Category => &["人员类别", "参保人员类别", "人员类型", "category"],
            Column::Tier => &["档次", "缴费档次", "tier"],
            Column::Aids => &[
                "救助身份",
                "资助身份",
                "困难身份",
                "救助对象类别",
                "aid status",
                "aid",
            ],
            Column::Phone => &[
                "手机号",
                "手机号码",
                "手机",
                "电话",
                "联系电话",
                "phone",
                "mobile",
            ],
            Column::VoidCause => &["停保原因", "减员原因", "void cause"],
        }
    }

    /// The Chinese name in template and messages.
    #[must_use]
    pub const fn name_zh(self) -> &'static str {
        self.names()[0]
    }

    /// The English name in messages.
    #[must_use]
    pub const fn name_en(self) -> &'static str {
        match self {
            Column::Name => "name",
            Column::DocumentKind => "document type",
            Column::Document => "ID number",
            Column::Region => "region",
            Column::Category => "category",
            Column::Tier => "tier",
            Column::Aids => "aid status",
            Column::Phone => "phone",
            Column::VoidCause => "void cause",
        }
    }

    /// What the template says below the name.
    #[must_use]
    pub const fn hint_zh(self) -> &'static str {
        match self {
            Column::Name => "必填。与身份证一致，可用“·”",
            Column::DocumentKind => "可不填。不填就是居民身份证",
            Column::Document => "必填。18 位，设为文本格式",
            Column::Region => "必填(导入时已选参保地则可不填)。6 位代码",
            Column::Category => "必填。按当地规定的类别",
            Column::Tier => "当地分档时必填",
            Column::Aids => "可不填。几个身份用“、”隔开",
            Column::Phone => "可不填。11 位手机号",
            Column::VoidCause => "可不填。填了就不再应缴，例如：死亡",
        }
    }

    const fn is_required(self) -> bool {
        matches!(self, Column::Name | Column::Document | Column::Category)
    }

    fn named(header: &str) -> Option<Column> {
        Column::ALL
            .into_iter()
            .find(|column| column.names().contains(&header))
    }
}

/// Columns that many lists have and that mean nothing here.
const IGNORED: [&str; 12] = [
    "", "序号", "编号", "行号", "备注", "说明", "户号", "no", "no.", "remark", "note", "notes",
];

/// One problem of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnProblem {
    /// A required column is not there.
    Missing(Column),
    /// Two columns mean the same.
    Duplicate { first: String, second: String },
    /// Nobody knows the column; `nearest` may have been meant.
    Unknown { header: String, nearest: Column },
}

impl ColumnProblem {
    /// Stable across releases.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            ColumnProblem::Missing(_) => "roster.column_missing",
            ColumnProblem::Duplicate { .. } => "roster.column_duplicate",
            ColumnProblem::Unknown { .. } => "roster.column_unknown",
        }
    }

    /// What is wrong and what to do, in Chinese.
    #[must_use]
    pub fn message_zh(&self) -> String {
        match self {
            ColumnProblem::Missing(column) => format!("缺少“{}”列。", column.name_zh()),
            ColumnProblem::Duplicate { first, second } if first == second => {
                format!("“{first}”列有两个，请删掉一个。")
            }
            ColumnProblem::Duplicate { first, second } => {
                format!("“{first}”列和“{second}”列重复，请删掉一个。")
            }
            ColumnProblem::Unknown { header, nearest } => {
                let nearest = nearest.name_zh();
                format!("不认识“{header}”列，请删掉，或改为“{nearest}”。")
            }
        }
    }

    /// The same in English.
    #[must_use]
    pub fn message_en(&self) -> String {
        match self {
            ColumnProblem::Missing(column) => {
                format!(
                    "The column “{}” ({}) is missing.",
                    column.name_zh(),
                    column.name_en()
                )
            }
            ColumnProblem::Duplicate { first, second } => {
                format!("The columns “{first}” and “{second}” mean the same; remove one.")
            }
            ColumnProblem::Unknown { header, nearest } => {
                let nearest = nearest.name_en();
                format!("The column “{header}” is unknown; remove it or rename it ({nearest}).")
            }
        }
    }
}

/// Where the columns stand in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// For every place of the file the column it holds.
    places: Vec<Option<Column>>,
    header: Vec<String>,
}

impl Columns {
    /// How many names of a row are those of columns: by it the header is found below a title.
    pub(super) fn score(row: &[String]) -> usize {
        let known = |cell: &&String| Column::named(&plain(cell)).is_some();
        row.iter().filter(known).count()
    }

    /// Reads a header row; every problem at once.
    pub(super) fn read(row: &[String], region_given: bool) -> Result<Columns, Vec<ColumnProblem>> {
        let row = header_shown(row);
        let mut problems = Vec::new();
        let mut places: Vec<Option<Column>> = Vec::with_capacity(row.len());
        for header in &row {
            let name = plain(header);
            let column = Column::named(&name);
            let before = places
                .iter()
                .position(|place| place.is_some() && *place == column);
            if let Some(first) = before {
                let first = row.get(first).cloned().unwrap_or_default();
                let second = header.clone();
                problems.push(ColumnProblem::Duplicate { first, second });
            } else if column.is_none() && !IGNORED.contains(&name.as_str()) {
                problems.push(ColumnProblem::Unknown {
                    header: header.clone(),
                    nearest: nearest(&name),
                });
            }
            places.push(column);
        }
        let missing = Column::ALL.into_iter().filter(|column| {
            let needed = column.is_required() || (*column == Column::Region && !region_given);
            needed && !places.contains(&Some(*column))
        });
        let missing: Vec<ColumnProblem> = missing.map(ColumnProblem::Missing).collect();
        problems.splice(0..0, missing);
        let header = row;
        if problems.is_empty() {
            Ok(Columns { places, header })
        } else {
            Err(problems)
        }
    }

    /// How many cells a row has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.places.len()
    }

    /// The column at a place of the file, counted from 0.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<Column> {
        self.places.get(place).copied().flatten()
    }

    /// The name that the file itself gives a column.
    #[must_use]
    pub fn header(&self, column: Column) -> &str {
        let place = self.places.iter().position(|place| *place == Some(column));
        place
            .and_then(|place| self.header.get(place))
            .map_or(column.name_zh(), String::as_str)
    }

    /// The header as it stands in the file.
    #[must_use]
    pub fn headers(&self) -> &[String] {
        &self.header
    }
}

/// A header row as messages show it: short, without line breaks and empty cells at its end.
///
/// A list without a header has a person in its first row; then, and where a cell holds a number,
/// messages name the place instead of the text.
pub(super) fn header_shown(row: &[String]) -> Vec<String> {
    let is_header = Columns::score(row) > 0;
    let mut header: Vec<String> = Vec::with_capacity(row.len());
    for (place, cell) in row.iter().enumerate() {
        let printable = cell.trim().chars().filter(|c| !c.is_control());
        let text: String = printable.take(30).collect();
        let digits = text
            .chars()
            .filter(|c| half_width(*c).is_ascii_digit())
            .count();
        let ignored = IGNORED.contains(&plain(&text).as_str());
        header.push(if ignored || (is_header && digits < 4) {
            text
        } else {
            format!("第 {} 列", place + 1)
        });
    }
    while header.last().is_some_and(String::is_empty) {
        header.pop();
    }
    header
}

/// A header cell as it is compared: half-width, small letters, without blanks, stars and brackets.
fn plain(cell: &str) -> String {
    let mut text: String = cell
        .chars()
        .map(half_width)
        .filter(|c| !matches!(c, '*' | '\u{feff}') && !c.is_control())
        .flat_map(char::to_lowercase)
        .collect();
    if let Some(bracket) = text.find(['(', '[', '【']) {
        text.truncate(bracket);
    }
    let latin = text.is_ascii();
    let text = text.trim().replace('_', " ");
    if latin { text } else { text.replace(' ', "") }
}

/// The column of whose names one shares most characters with an unknown header.
fn nearest(header: &str) -> Column {
    let shared = |name: &str| name.chars().filter(|c| header.contains(*c)).count();
    let best = |column: &Column| column.names().iter().map(|name| shared(name)).max();
    Column::ALL
        .into_iter()
        .rev()
        .max_by_key(best)
        .unwrap_or(Column::Name)
}
