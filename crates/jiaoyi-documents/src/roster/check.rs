//! From a raw row to a person with a category, or to everything that is wrong with the row.

use super::words::{self, Words};
use super::{Cell, CellError, Column, RawRow};
use jiaoyi_domain::Date;
use jiaoyi_domain::person::{Document, DocumentKind, PersonName, Phone, half_width};
use jiaoyi_domain::policy::{InForce, PhaseKind, PriceError};

/// A row in which everything is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedRow {
    /// Row number as the spreadsheet shows it.
    pub number: u64,
    pub name: PersonName,
    pub document: Document,
    /// Six digits.
    pub region: String,
    /// Code of the category in the region's pack.
    pub category: String,
    /// Code of the tier.
    pub tier: Option<String>,
    /// Codes of the aid statuses.
    pub aids: Vec<String>,
    pub phone: Option<Phone>,
    /// Why the person owes nothing any more; such a row withdraws the due.
    pub void_cause: Option<String>,
}

/// Checks rows against the rules of persons and the packs in force.
#[derive(Clone, Copy)]
pub struct Checker<'p> {
    /// Beijing date of the import.
    pub today: Date,
    /// The region of rows that name none.
    pub region: Option<&'p str>,
    /// The pack that holds for a region in the benefit year of the import.
    pub pack_of: &'p dyn Fn(&str) -> Option<&'p InForce>,
}

/// The problems of one row while it is checked.
struct Problems {
    row: u64,
    errors: Vec<CellError>,
}

impl Problems {
    fn add(&mut self, column: Option<Column>, cell: String, code: &'static str, words: Words) {
        let (message_zh, message_en) = words;
        self.errors.push(CellError {
            row: self.row,
            column,
            cell,
            code,
            message_zh,
            message_en,
        });
    }
}

impl Checker<'_> {
    /// Checks one row.
    ///
    /// # Errors
    ///
    /// Every problem of the row at once, with masked cells.
    pub fn check(&self, row: &RawRow) -> Result<CheckedRow, Vec<CellError>> {
        let mut problems = Problems {
            row: row.number,
            errors: Vec::new(),
        };
        if let Some(count) = row.ragged {
            // Cells may stand in wrong columns, so nothing more can be said about them.
            let zh = format!("这一行有 {count} 格，与表头不一样，请检查逗号和引号");
            let en = format!("The row has {count} cells, unlike the header.");
            problems.add(None, String::new(), "roster.ragged", (zh, en));
            return Err(problems.errors);
        }
        whole_cells(row, &mut problems);
        let name = name(row, &mut problems);
        let document = self.document(row, &mut problems);
        let region = self.region(row, &mut problems);
        let phone = phone(row, &mut problems);
        let void_cause = text(row, Column::VoidCause).map(clean);
        let priced = region.as_ref().and_then(|(region, pack)| {
            let person = priced(row, pack, &mut problems)?;
            Some((region.clone(), person))
        });
        match (name, document, priced) {
            (Some(name), Some(document), Some((region, (category, tier, aids))))
                if problems.errors.is_empty() =>
            {
                Ok(CheckedRow {
                    number: row.number,
                    name,
                    document,
                    region,
                    category,
                    tier,
                    aids,
                    phone,
                    void_cause,
                })
            }
            _ => Err(problems.errors),
        }
    }

    fn document(&self, row: &RawRow, problems: &mut Problems) -> Option<Document> {
        let cell = row.cell(Column::Document);
        if !matches!(cell, Cell::Text(_) | Cell::Empty) {
            return None;
        }
        let kind = match text(row, Column::DocumentKind) {
            None => DocumentKind::IdCard,
            Some(text) => {
                let kind = document_kind(text);
                if kind.is_none() {
                    let zh =
                        "不认识这种证件，可填：居民身份证、居住证、永久居留、护照、出生医学证明";
                    let en = "An unknown type; give ID card, residence permit, passport, …";
                    let words = (zh.to_owned(), en.to_owned());
                    let column = Some(Column::DocumentKind);
                    problems.add(column, shown(text), "roster.document_kind", words);
                }
                kind?
            }
        };
        match Document::parse(kind, cell.text(), self.today) {
            Ok(document) => Some(document),
            Err(error) => {
                let masked = masked_number(cell.text());
                let words = words::document(kind, error);
                problems.add(Some(Column::Document), masked, error.code(), words);
                None
            }
        }
    }

    fn region(&self, row: &RawRow, problems: &mut Problems) -> Option<(String, &InForce)> {
        let cell = row.cell(Column::Region);
        if !matches!(cell, Cell::Text(_) | Cell::Empty) {
            return None;
        }
        let typed: String = cell.text().chars().map(half_width).collect();
        let code = match (typed.is_empty(), self.region) {
            (true, Some(region)) => region,
            (true, None) => {
                let words = (
                    "没有填参保地".to_owned(),
                    "The region is missing.".to_owned(),
                );
                problems.add(
                    Some(Column::Region),
                    String::new(),
                    "roster.region_missing",
                    words,
                );
                return None;
            }
            (false, _) => &typed,
        };
        let digits = code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit());
        if !digits {
            let zh = "参保地应是 6 位代码，例如 990101".to_owned();
            let en = "The region is a code of 6 digits.".to_owned();
            problems.add(Some(Column::Region), shown(code), "roster.region", (zh, en));
            return None;
        }
        let pack = (self.pack_of)(code);
        if pack.is_none() {
            let zh = "这个参保地没有生效的缴费政策，请核对代码".to_owned();
            let en = "No policy is in force for this region; check the code.".to_owned();
            problems.add(
                Some(Column::Region),
                shown(code),
                "roster.region_no_policy",
                (zh, en),
            );
        }
        pack.map(|pack| (code.to_owned(), pack))
    }
}

/// Cells that are no usable text at all.
fn whole_cells(row: &RawRow, problems: &mut Problems) {
    for column in Column::ALL {
        let (code, zh, en) = match row.cell(column) {
            Cell::Empty | Cell::Text(_) => continue,
            Cell::TooLong => (
                "roster.cell_too_long",
                "这一格太长，请检查是否填错",
                "The cell is too long.",
            ),
            Cell::LostPrecision => (
                "roster.lost_precision",
                "这一格是数字，后几位已变成 0。请把这一列设为“文本”，再填一次",
                "A number that has lost its last digits; format the column as text.",
            ),
            Cell::NotText => (
                "roster.not_text",
                "这一格是日期或错误值，请改成文字",
                "The cell is a date or an error value; write text.",
            ),
        };
        problems.add(
            Some(column),
            String::new(),
            code,
            (zh.to_owned(), en.to_owned()),
        );
    }
}

fn text(row: &RawRow, column: Column) -> Option<&str> {
    match row.cell(column) {
        Cell::Text(text) => Some(text),
        Cell::Empty | Cell::TooLong | Cell::LostPrecision | Cell::NotText => None,
    }
}

fn name(row: &RawRow, problems: &mut Problems) -> Option<PersonName> {
    let cell = row.cell(Column::Name);
    if !matches!(cell, Cell::Text(_) | Cell::Empty) {
        return None;
    }
    match PersonName::parse(cell.text()) {
        Ok(name) => Some(name),
        Err(error) => {
            let masked = masked_name(cell.text());
            problems.add(Some(Column::Name), masked, error.code(), words::name(error));
            None
        }
    }
}

fn phone(row: &RawRow, problems: &mut Problems) -> Option<Phone> {
    let text = text(row, Column::Phone)?;
    match Phone::parse(text) {
        Ok(phone) => Some(phone),
        Err(error) => {
            let masked = masked_number(text);
            problems.add(
                Some(Column::Phone),
                masked,
                error.code(),
                words::phone(error),
            );
            None
        }
    }
}

type Priced = (String, Option<String>, Vec<String>);

/// Category, tier and aid statuses as codes of the pack; names are accepted as well.
fn priced(row: &RawRow, pack: &InForce, problems: &mut Problems) -> Option<Priced> {
    let before = problems.errors.len();
    let known = pack.pack();
    let category = text(row, Column::Category);
    if category.is_none() && *row.cell(Column::Category) == Cell::Empty {
        let words = (
            "没有填人员类别".to_owned(),
            "The category is missing.".to_owned(),
        );
        problems.add(
            Some(Column::Category),
            String::new(),
            "roster.category_missing",
            words,
        );
    }
    let category =
        category.and_then(|text| choose(text, Column::Category, known.categories.iter(), problems));
    let tier = text(row, Column::Tier)
        .map(|text| choose(text, Column::Tier, known.tiers.iter(), problems));
    let aids: Vec<Option<String>> = text(row, Column::Aids)
        .map(|text| {
            let parts = text.split(['、', ';', '\u{ff1b}', ',', '\u{ff0c}', '|']);
            let parts = parts.map(str::trim).filter(|part| !part.is_empty());
            let named = || known.aids.iter().map(|aid| &aid.named);
            parts
                .map(|part| choose(part, Column::Aids, named(), problems))
                .collect()
        })
        .unwrap_or_default();
    if problems.errors.len() > before {
        return None;
    }
    let (category, tier) = (category?, tier.flatten());
    let aids: Vec<String> = aids.into_iter().flatten().collect();
    // The row must have a price, so that nobody finds out only when paying.
    match pack.price(&category, tier.as_deref(), &aids, PhaseKind::InWindow) {
        Ok(_) => Some((category, tier, aids)),
        Err(PriceError::UnknownTier { .. }) => {
            let zh = "这个人员类别没有这一档，请核对档次".to_owned();
            let en = "The category has no such tier.".to_owned();
            let cell = shown(text(row, Column::Tier).unwrap_or(""));
            problems.add(Some(Column::Tier), cell, "roster.tier", (zh, en));
            None
        }
        Err(PriceError::UnknownCategory { .. } | PriceError::UnknownAid { .. }) => None,
    }
}

/// The code of what a cell names, by code or by either name.
fn choose<'n>(
    text: &str,
    column: Column,
    all: impl Iterator<Item = &'n jiaoyi_domain::policy::Named> + Clone,
    problems: &mut Problems,
) -> Option<String> {
    let found = all.clone().find(|named| {
        named.code == text || named.name_zh == text || named.name_en.eq_ignore_ascii_case(text)
    });
    if found.is_none() {
        let zh: Vec<&str> = all.clone().map(|named| named.name_zh.as_str()).collect();
        let en: Vec<&str> = all.map(|named| named.name_en.as_str()).collect();
        let code = match column {
            Column::Tier => "roster.tier",
            Column::Aids => "roster.aid",
            _ => "roster.category",
        };
        let zh = format!("当地没有这个{}，可填：{}", column.name_zh(), zh.join("、"));
        let en = format!(
            "The region knows no such {}; give: {}.",
            column.name_en(),
            en.join(", ")
        );
        problems.add(Some(column), shown(text), code, (zh, en));
    }
    found.map(|named| named.code.clone())
}

/// Document kinds by their code, their official name or what people call them.
fn document_kind(text: &str) -> Option<DocumentKind> {
    let plain: String = text.chars().map(half_width).collect();
    let plain = plain.trim().to_lowercase();
    let by_name = |kind: &DocumentKind| {
        kind.name_zh() == plain || kind.name_en().eq_ignore_ascii_case(&plain)
    };
    match plain.as_str() {
        // The number itself says whose residence permit it is.
        "身份证"
        | "居民身份证"
        | "二代身份证"
        | "居住证"
        | "港澳台居民居住证"
        | "01"
        | "1"
        | "id card" => Some(DocumentKind::IdCard),
        "港澳居民居住证" | "台湾居民居住证" | "17" => Some(DocumentKind::IdCard),
        "永久居留" | "永久居留证" | "外国人永久居留证" | "07" => {
            Some(DocumentKind::PermanentResidence)
        }
        "外国护照" | "08" => Some(DocumentKind::Passport),
        "出生证" | "出生证明" | "990201" => Some(DocumentKind::BirthCertificate),
        _ => {
            DocumentKind::from_code(&plain).or_else(|| DocumentKind::ALL.into_iter().find(by_name))
        }
    }
}

/// A short text without control characters, for cells that hold no personal data.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(20).collect()
}

fn clean(text: &str) -> String {
    let printable = text.chars().filter(|c| !c.is_control());
    printable.take(100).collect()
}

/// The first four and the last two characters of a number that may be wrong.
fn masked_number(text: &str) -> String {
    let count = text.chars().count();
    let kept = if count >= 9 { (4, 2) } else { (1, 0) };
    text.chars()
        .enumerate()
        .map(|(place, c)| {
            let shown = place < kept.0 || place + kept.1 >= count;
            if shown && !c.is_control() { c } else { '*' }
        })
        .take(40)
        .collect()
}

/// The first character of a name that may be anything.
fn masked_name(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if first.is_alphabetic() && letters.next().is_some() => format!("{first}**"),
        Some(_) => "***".to_owned(),
        None => String::new(),
    }
}
