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
        let by_code = wanted.bytes().all(|b| b.is_ascii_digit());
        // The table is sorted, so the names above change once for each prefecture.
        let (mut above_of, mut above) = ("", String::new());
        let mut hits: Vec<(u8, &Region)> = Vec::new();
        for region in self.listed() {
            if region.kind() == RegionKind::Province {
                continue;
            }
            let rank = if by_code {
                region.code().starts_with(&wanted).then_some(0)
            } else if wanted.is_ascii() {
                rank_latin(region, &wanted)
            } else {
                if region.kind() == RegionKind::Prefecture || region.code()[..4] != *above_of {
                    above_of = match region.kind() {
                        RegionKind::County => &region.code()[..4],
                        RegionKind::Province | RegionKind::Prefecture => "",
                    };
                    let names = self.ancestors(region.code());
                    above = names.iter().rev().map(|region| &*region.name).collect();
                }
                rank_chinese(&above, &region.name, &wanted)
            };
            hits.extend(rank.map(|rank| (rank, region)));
        }
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
fn rank_chinese(above: &str, name: &str, wanted: &str) -> Option<u8> {
    if let Some(rest) = name.strip_prefix(wanted) {
        return Some(u8::from(rest.chars().count() > 1));
    }
    if name.contains(wanted) {
        return Some(2);
    }
    if above.contains(wanted) {
        return Some(4);
    }
    // 浙江淳安 in 浙江省杭州市淳安县: the characters in order, the last of them in the own name.
    let mut letters = above.chars().chain(name.chars()).enumerate();
    let mut last = 0;
    for c in wanted.chars() {
        last = letters.find(|(_, letter)| *letter == c)?.0;
    }
    (last >= above.chars().count()).then_some(3)
}
