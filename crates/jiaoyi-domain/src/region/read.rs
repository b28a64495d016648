//! From CSV text to a [`RegionTable`]: seven fields without quotes, lines with `#` are remarks.

use super::{Region, RegionTable};

/// The table of real regions, made by `data/gen_regions.py`. Sources: S-040, S-041, S-042.
const REGIONS: &str = include_str!("../../data/regions.csv");
/// The invented regions 99xxxx.
const DEMO_REGIONS: &str = include_str!("../../data/demo_regions.csv");

/// What is wrong with a region table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionError {
    /// A line without exactly seven fields.
    #[error("line {line} of the region table has {got} fields, not 7")]
    Fields { line: usize, got: usize },
    /// A code that is not six digits.
    #[error("line {line} of the region table: {code:?} is not six digits")]
    Code { line: usize, code: String },
    /// A year that is no number.
    #[error("line {line} of the region table: {year:?} is no year")]
    Year { line: usize, year: String },
    /// A field that must not be empty, or text where none belongs.
    #[error("line {line} of the region table: the name is empty")]
    Name { line: usize },
}

impl RegionError {
    /// Stable across releases.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            RegionError::Fields { .. } => "region.fields",
            RegionError::Code { .. } => "region.code",
            RegionError::Year { .. } => "region.year",
            RegionError::Name { .. } => "region.name",
        }
    }
}

impl RegionTable {
    /// Reads a table: code, name, first year, last year, successor, English name, pinyin.
    ///
    /// # Errors
    ///
    /// [`RegionError`] with the line, counted from 1.
    pub fn parse(text: &str) -> Result<RegionTable, RegionError> {
        let mut table = RegionTable::default();
        table.extend(text)?;
        Ok(table)
    }

    /// The table that comes with the product, without the demo's regions.
    #[must_use]
    pub fn built_in() -> RegionTable {
        // A test reads the file, so an installed program cannot meet a broken one.
        RegionTable::parse(REGIONS).unwrap_or_default()
    }

    /// The table that comes with the product and the invented regions 99xxxx.
    #[must_use]
    pub fn with_demo() -> RegionTable {
        let mut table = RegionTable::built_in();
        // As above: a test reads this file too.
        let _ = table.extend(DEMO_REGIONS);
        table
    }

    /// Adds the entries of a further table.
    ///
    /// # Errors
    ///
    /// [`RegionError`] with the line; the table then holds the lines before it.
    pub fn extend(&mut self, text: &str) -> Result<(), RegionError> {
        for (index, line) in text.lines().enumerate() {
            if !line.is_empty() && !line.starts_with('#') {
                self.rows.push(entry(line, index + 1)?);
            }
        }
        // Stable, and the files are sorted already: costs next to nothing.
        let order = |region: &Region| (region.valid_to.unwrap_or(i16::MAX), region.valid_from);
        self.rows
            .sort_by(|a, b| (&a.code, order(a)).cmp(&(&b.code, order(b))));
        Ok(())
    }
}

fn entry(text: &str, line: usize) -> Result<Region, RegionError> {
    let mut fields = [""; 7];
    let mut got = 0;
    for field in text.split(',') {
        if let Some(place) = fields.get_mut(got) {
            *place = field;
        }
        got += 1;
    }
    if got != fields.len() {
        return Err(RegionError::Fields { line, got });
    }
    let [code, name, first, last, successor, name_en, pinyin] = fields;
    let six_digits = |code: &str| {
        let digits = <[u8; 6]>::try_from(code.as_bytes()).ok();
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_digit));
        digits.ok_or_else(|| RegionError::Code {
            line,
            code: code.to_owned(),
        })
    };
    let code = six_digits(code)?;
    if !successor.is_empty() {
        six_digits(successor)?;
    }
    if name.is_empty() {
        return Err(RegionError::Name { line });
    }
    let year = |text: &str| {
        text.parse::<i16>().map_err(|_| RegionError::Year {
            line,
            year: text.to_owned(),
        })
    };
    let valid_to = if last.is_empty() {
        None
    } else {
        Some(year(last)?)
    };
    Ok(Region {
        code,
        name: name.into(),
        name_en: name_en.into(),
        pinyin: pinyin.into(),
        valid_from: year(first)?,
        valid_to,
        successor: successor.into(),
    })
}
