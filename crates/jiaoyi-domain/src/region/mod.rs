//! Regions of China as an own dated table: provinces, prefectures, counties, with the codes that
//! have been retired, and the tree along which a policy pack holds.
//!
//! Codes of the medical-insurance platform are not always those of GB/T 2260; a due keeps the code
//! with which it was made, and this table says what that code meant at the time.

use crate::time::Date;

/// The level of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegionKind {
    /// Province, autonomous region or municipality; code ends in 0000.
    Province,
    /// Prefecture or city; code ends in 00.
    Prefecture,
    /// County, district or county-level city.
    County,
}

/// One entry of the table: what a code meant in a span of years.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    code: Box<str>,
    name: Box<str>,
    name_en: Box<str>,
    initials: Box<str>,
    valid_from: i16,
    valid_to: Option<i16>,
    successor: Option<Box<str>>,
}

impl Region {
    /// Six digits.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Chinese name.
    #[must_use]
    pub fn name_zh(&self) -> &str {
        &self.name
    }

    /// English name, or the Chinese one when none is known.
    #[must_use]
    pub fn name_en(&self) -> &str {
        if self.name_en.is_empty() {
            &self.name
        } else {
            &self.name_en
        }
    }

    /// Province, prefecture or county, by the shape of the code.
    #[must_use]
    pub fn kind(&self) -> RegionKind {
        kind_of(&self.code)
    }

    /// First year in which the code held.
    #[must_use]
    pub const fn valid_from(&self) -> i16 {
        self.valid_from
    }

    /// Last year in which it held; `None` while it holds.
    #[must_use]
    pub const fn valid_to(&self) -> Option<i16> {
        self.valid_to
    }

    /// Whether the code held on `date`, as far as years tell.
    #[must_use]
    pub fn held_on(&self, date: Date) -> bool {
        let year = date.year();
        self.valid_from <= year && self.valid_to.is_none_or(|last| year <= last)
    }

    /// Whether this is an invented region of the demo.
    #[must_use]
    pub fn is_demo(&self) -> bool {
        self.code.starts_with("99")
    }
}

/// The whole table.
#[derive(Clone, Debug, Default)]
pub struct RegionTable {
    /// Sorted by code, then by first year.
    rows: Vec<Region>,
}

impl RegionTable {
    /// What the code means now, or meant last.
    #[must_use]
    pub fn get(&self, code: &str) -> Option<&Region> {
        let end = self.rows.partition_point(|row| &*row.code <= code);
        let row = self.rows.get(end.checked_sub(1)?)?;
        (&*row.code == code).then_some(row)
    }

    /// The regions above, the nearest first: prefecture, then province.
    #[must_use]
    pub fn ancestors(&self, code: &str) -> Vec<&Region> {
        let Some(head) = code.get(..4).filter(|_| code.len() == 6) else {
            return Vec::new();
        };
        [format!("{head}00"), format!("{}0000", &head[..2])]
            .iter()
            .filter(|above| above.as_str() != code)
            .filter_map(|above| self.get(above))
            .collect()
    }
}

fn kind_of(code: &str) -> RegionKind {
    if code.ends_with("0000") {
        RegionKind::Province
    } else if code.ends_with("00") {
        RegionKind::Prefecture
    } else {
        RegionKind::County
    }
}
