//! Regions of China as an own dated table: provinces, prefectures, counties, with the codes that
//! have been retired, and the tree along which a policy pack holds.
//!
//! Codes of the medical-insurance platform are not always those of GB/T 2260; a due keeps the code
//! with which it was made, and this table says what that code meant at the time.

mod read;
mod search;

#[cfg(test)]
mod tests;

pub use read::RegionError;

use crate::person::Document;
use crate::time::Date;

/// The level of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegionKind {
    /// Province, autonomous region or municipality; its code ends in 0000.
    Province,
    /// Prefecture or city; its code ends in 00.
    Prefecture,
    /// County, district or county-level city.
    County,
}

/// One entry of the table: what a code meant in a span of years.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Digits. They lie in the row itself, since a search compares them with a dozen rows.
    code: [u8; 6],
    name: Box<str>,
    name_en: Box<str>,
    /// Readings of the name without tones, one blank between them; empty when retired.
    pinyin: Box<str>,
    valid_from: i16,
    valid_to: Option<i16>,
    successor: Box<str>,
}

impl Region {
    /// Six digits.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or_default()
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
        if self.code.ends_with(b"0000") {
            RegionKind::Province
        } else if self.code.ends_with(b"00") {
            RegionKind::Prefecture
        } else {
            RegionKind::County
        }
    }

    /// The code that followed a retired one, where exactly one is known.
    #[must_use]
    pub fn successor(&self) -> Option<&str> {
        (!self.successor.is_empty()).then_some(&*self.successor)
    }

    /// Whether the code held on `date`, as far as years tell.
    #[must_use]
    pub fn held_on(&self, date: Date) -> bool {
        let year = date.year();
        self.valid_from <= year && self.valid_to.is_none_or(|last| year <= last)
    }

    /// Whether people can choose it: it holds, and it is a place, not "everything else here".
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.valid_to.is_none() && !self.pinyin.is_empty()
    }
}

/// What the region part of an identity number says, for a warning to staff.
///
/// It never refuses a number: codes are those of the first registration, and no table is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered<'t> {
    /// The code held in the year of birth or later.
    Known(&'t Region),
    /// The code is known, but had been retired before the birth.
    NotThen(&'t Region),
    /// No table knows the code.
    Unknown,
}

/// The whole table; about 8,300 entries.
#[derive(Clone, Debug, Default)]
pub struct RegionTable {
    /// Sorted by code, then by last year, so that what holds now comes last.
    rows: Vec<Region>,
}

impl RegionTable {
    /// What the code means now, or meant last.
    #[must_use]
    pub fn get(&self, code: &str) -> Option<&Region> {
        self.entries(code).last()
    }

    /// What the code meant on `date`.
    #[must_use]
    pub fn at(&self, code: &str, date: Date) -> Option<&Region> {
        self.entries(code)
            .iter()
            .find(|region| region.held_on(date))
    }

    /// Everything that a code has meant, the oldest first.
    #[must_use]
    pub fn entries(&self, code: &str) -> &[Region] {
        let code = code.as_bytes();
        let first = self.rows.partition_point(|row| row.code.as_slice() < code);
        let found = &self.rows[first..];
        // A code has a few entries at most.
        let count = found.iter().take_while(|row| row.code == code).count();
        &found[..count]
    }

    /// Looks up the region part of an identity card; `None` for documents without one.
    #[must_use]
    pub fn registered(&self, document: &Document) -> Option<Registered<'_>> {
        let (code, birth) = (document.region_part()?, document.birth_date()?);
        let entries = self.entries(code);
        let held = |region: &&Region| region.valid_to.is_none_or(|last| birth.year() <= last);
        // Numbers are given at registration, which may be years after birth: a code that began
        // later is no contradiction.
        Some(match (entries.iter().find(held), entries.last()) {
            (Some(region), _) => Registered::Known(region),
            (None, Some(region)) => Registered::NotThen(region),
            (None, None) => Registered::Unknown,
        })
    }

    /// The regions above, the nearest first: prefecture, then province.
    ///
    /// A policy pack holds for its region and all below that have none of their own. The code
    /// itself need not be in the table, because the platform has codes such as 430299 (市本级).
    #[must_use]
    pub fn ancestors(&self, code: &str) -> Vec<&Region> {
        let (Some(prefecture), Some(province), 6) = (code.get(..4), code.get(..2), code.len())
        else {
            return Vec::new();
        };
        [format!("{prefecture}00"), format!("{province}0000")]
            .iter()
            .filter(|above| above.as_str() != code)
            .filter_map(|above| self.get(above))
            .filter(|region| region.kind() == RegionKind::Province || region.is_listed())
            .collect()
    }

    /// The places one level below that people can choose; the provinces for `""`.
    ///
    /// Counties without a prefecture (in municipalities, and those a province runs itself) stand
    /// directly below their province.
    #[must_use]
    pub fn children(&self, code: &str) -> Vec<&Region> {
        if code.is_empty() {
            // The special administrative regions and Taiwan have no resident medical insurance.
            let excluded =
                |region: &&Region| !["71", "81", "82", "83"].contains(&&region.code()[..2]);
            return self
                .listed()
                .filter(|region| region.kind() == RegionKind::Province)
                .filter(excluded)
                .collect();
        }
        let head = match code.strip_suffix("0000").or(code.strip_suffix("00")) {
            Some(head) => head,
            // Nothing lies below a county.
            None => return Vec::new(),
        };
        self.below(head)
            .iter()
            .filter(|region| region.is_listed())
            .filter(|region| {
                let nearest = self.ancestors(region.code()).first().copied();
                nearest.is_some_and(|above| above.code() == code)
            })
            .collect()
    }

    /// Every entry whose code begins with `head`. The table has thousands of others, and each page
    /// with a region asks.
    fn below(&self, head: &str) -> &[Region] {
        let head = head.as_bytes();
        let first = self.rows.partition_point(|row| row.code.as_slice() < head);
        let rest = &self.rows[first..];
        &rest[..rest.partition_point(|row| row.code.starts_with(head))]
    }

    /// The region with everything above it: `浙江省 杭州市 淳安县`.
    #[must_use]
    pub fn path_zh(&self, region: &Region) -> String {
        self.path(region, " ", Region::name_zh, true)
    }

    /// The region with everything above it, the nearest first: `Chun'an County, Hangzhou City, …`.
    #[must_use]
    pub fn path_en(&self, region: &Region) -> String {
        self.path(region, ", ", Region::name_en, false)
    }

    fn path(
        &self,
        region: &Region,
        separator: &str,
        name: impl Fn(&Region) -> &str,
        top_first: bool,
    ) -> String {
        let mut names = vec![name(region)];
        names.extend(self.ancestors(region.code()).into_iter().map(&name));
        if top_first {
            names.reverse();
        }
        names.join(separator)
    }

    /// The region that a retired code became; `None` while it holds or when nobody knows.
    #[must_use]
    pub fn successor(&self, code: &str) -> Option<&Region> {
        let last = self.get(code)?;
        // A chain of codes ends; the count only guards against a table that says otherwise.
        let mut now = self.get(last.successor()?)?;
        for _ in 0..8 {
            match now.successor().and_then(|next| self.get(next)) {
                Some(next) => now = next,
                None => break,
            }
        }
        Some(now)
    }

    /// Every place that people can choose, by code.
    pub fn listed(&self) -> impl Iterator<Item = &Region> {
        self.rows.iter().filter(|region| region.is_listed())
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
