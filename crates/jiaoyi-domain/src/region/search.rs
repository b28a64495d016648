//! Finding a region by what people type: Chinese, pinyin, initials or a code.

use super::{Region, RegionKind, RegionTable};
use crate::person::half_width;

impl RegionTable {
    /// The places that fit `text`, the best first, at most `limit`.
    ///
    /// Counties, districts and prefectures are found, provinces are not: nobody is insured with
    /// one. Understood are Chinese names, also with those above (`浙江淳安`), pinyin (`chunan`),
    /// initials (`ca`, `cax`) and the beginning of a code. A prefecture brings its counties along.
    #[must_use]
    pub fn search(&self, text: &str, limit: usize) -> Vec<&Region> {
        let wanted: String = text
            .chars()
            .map(half_width)
            .filter(|c| !c.is_whitespace() && *c != '\'')
            .flat_map(char::to_lowercase)
            .collect();
        if wanted.is_empty() || limit == 0 {
            return Vec::new();
        }
        let rank: fn(&RegionTable, &Region, &str) -> Option<u8> =
            if wanted.bytes().all(|b| b.is_ascii_digit()) {
                |_, region, wanted| region.code.starts_with(wanted).then_some(0)
            } else if wanted.is_ascii() {
                |_, region, wanted| rank_latin(region, wanted)
            } else {
                rank_chinese
            };
        let mut hits: Vec<(u8, &Region)> = self
            .listed()
            .filter(|region| region.kind() != RegionKind::Province)
            .filter_map(|region| Some((rank(self, region, &wanted)?, region)))
            .collect();
        hits.sort_by(|a, b| (a.0, &a.1.code).cmp(&(b.0, &b.1.code)));
        hits.truncate(limit);
        hits.into_iter().map(|(_, region)| region).collect()
    }
}

/// Pinyin without blanks, or the first letters of the syllables.
fn rank_latin(region: &Region, wanted: &str) -> Option<u8> {
    let initials = || {
        region
            .pinyin
            .split(' ')
            .filter_map(|word| word.chars().next())
    };
    if initials().take(wanted.len()).eq(wanted.chars()) {
        // The last syllable is 县, 区 or 市, which many leave out.
        let length = initials().count();
        return Some(if wanted.len() + 1 >= length { 0 } else { 1 });
    }
    let mut left = wanted;
    for word in region.pinyin.split(' ') {
        match left.strip_prefix(word) {
            Some(rest) => left = rest,
            None if word.starts_with(left) => return Some(if left.is_empty() { 0 } else { 2 }),
            None => return None,
        }
    }
    left.is_empty().then_some(0)
}

/// Parts of the name, or of the names above followed by part of the own.
fn rank_chinese(table: &RegionTable, region: &Region, wanted: &str) -> Option<u8> {
    let name = region.name.as_ref();
    if let Some(rest) = name.strip_prefix(wanted) {
        return Some(u8::from(rest.chars().count() > 1));
    }
    if name.contains(wanted) {
        return Some(2);
    }
    let mut path = String::new();
    for above in table.ancestors(&region.code).iter().rev() {
        path.push_str(&above.name);
    }
    if path.contains(wanted) {
        return Some(4);
    }
    // 浙江淳安 in 浙江省杭州市淳安县: the characters in order, the last of them in the own name.
    let above = path.chars().count();
    path.push_str(name);
    let mut letters = path.chars().enumerate();
    let mut last = 0;
    for c in wanted.chars() {
        last = letters.find(|(_, letter)| *letter == c)?.0;
    }
    (last >= above).then_some(3)
}
