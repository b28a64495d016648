//! Amounts in capitals (人民币大写), as vouchers and payment orders print them.
//!
//! Source: S-034 (rules quoting 支付结算办法), checked against the vectors in
//! `data/rmb_capital_vectors.csv` and against another program by `examples/capital.rs`.

use crate::money::Fen;

const DIGITS: [&str; 10] = ["零", "壹", "贰", "叁", "肆", "伍", "陆", "柒", "捌", "玖"];
const PLACES: [&str; 4] = ["", "拾", "佰", "仟"];
/// Names of groups of four digits; the largest amount has 17 digits of yuan, five groups.
const GROUPS: [&str; 5] = ["", "万", "亿", "万亿", "亿亿"];

/// An amount in capitals without the word 人民币: `肆佰元整`, `壹万零壹拾元零伍分`.
///
/// 整 stands after 元, never after 角 or 分; zeros inside are one 零, and 零 stands before 分 when
/// there is no 角. No money at all is `零元整`.
#[must_use]
pub fn capital(amount: Fen) -> String {
    let (yuan, rest) = (amount.get() / 100, amount.get() % 100);
    let (jiao, fen) = (rest / 10, rest % 10);
    let mut text = whole(yuan);
    if yuan > 0 {
        text.push('元');
    }
    match (yuan, jiao, fen) {
        (0, 0, 0) => return "零元整".to_owned(),
        (_, 0, 0) => {
            text.push('整');
            return text;
        }
        (0, 0, _) => {}
        (_, 0, _) => text.push('零'),
        (_, _, _) => {
            text.push_str(digit(jiao));
            text.push('角');
        }
    }
    if fen > 0 {
        text.push_str(digit(fen));
        text.push('分');
    }
    text
}

/// An amount in capitals behind 人民币, without a gap: `人民币肆佰元整`.
#[must_use]
pub fn capital_with_currency(amount: Fen) -> String {
    format!("人民币{}", capital(amount))
}

/// Whole yuan without the word 元; empty for none.
fn whole(yuan: u64) -> String {
    let mut groups = Vec::with_capacity(GROUPS.len());
    let mut left = yuan;
    while left > 0 {
        groups.push(left % 10_000);
        left /= 10_000;
    }
    let mut text = String::new();
    for (index, group) in groups.iter().enumerate().rev() {
        if *group == 0 {
            continue;
        }
        // Where the zeros end right before a thousand, 零 may be left out (壹拾万柒仟元), and is,
        // as the program does against which this is checked.
        if !text.is_empty() && *group < 1_000 {
            text.push_str(DIGITS[0]);
        }
        four(*group, &mut text);
        text.push_str(group_name(&groups, index));
    }
    text
}

/// 万, 亿, … behind a group. Above 亿 the group of 万亿 says 亿 itself only when no group of 亿
/// follows it: 壹万贰仟亿, but 壹万亿.
fn group_name(groups: &[u64], index: usize) -> &'static str {
    let yi_follows = groups.get(2).is_some_and(|group| *group > 0);
    match index {
        3 if yi_follows => "万",
        _ => GROUPS.get(index).copied().unwrap_or(""),
    }
}

/// One group of up to four digits, its inner zeros as one 零 and none at its ends.
fn four(group: u64, text: &mut String) {
    let mut zero = false;
    let mut begun = false;
    for place in (0..4).rev() {
        let value = group / 10_u64.pow(place) % 10;
        if value == 0 {
            zero = begun;
            continue;
        }
        if zero {
            text.push_str(DIGITS[0]);
        }
        zero = false;
        begun = true;
        text.push_str(digit(value));
        text.push_str(usize::try_from(place).map_or("", |place| PLACES[place]));
    }
}

fn digit(value: u64) -> &'static str {
    usize::try_from(value)
        .ok()
        .and_then(|place| DIGITS.get(place))
        .copied()
        .unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_vector_passes() {
        let vectors = include_str!("../data/rmb_capital_vectors.csv");
        let mut rows = 0;
        for line in vectors.lines().skip(1) {
            let (fen, want) = line.split_once(',').unwrap();
            let amount = Fen::new(fen.parse().unwrap());
            assert_eq!(capital(amount), want.trim_end());
            assert_eq!(
                capital_with_currency(amount),
                format!("人民币{}", want.trim_end())
            );
            rows += 1;
        }
        assert_eq!(rows, 22);
    }

    #[test]
    fn large_amounts_are_written_too() {
        for (yuan, want) in [
            (100_000_000_000_u64, "壹仟亿元整"),
            (101_000, "壹拾万壹仟元整"),
            (100_999, "壹拾万零玖佰玖拾玖元整"),
            (1_000_000_000_000, "壹万亿元整"),
            (1_000_100_000_000, "壹万零壹亿元整"),
            (1_200_000_000_000, "壹万贰仟亿元整"),
            (1_000_000_000_001, "壹万亿零壹元整"),
            (100_000_000_000_000, "壹佰万亿元整"),
            (
                123_456_789_012_345,
                "壹佰贰拾叁万肆仟伍佰陆拾柒亿捌仟玖佰零壹万贰仟叁佰肆拾伍元整",
            ),
        ] {
            assert_eq!(capital(Fen::new(yuan * 100)), want);
        }
    }

    /// Reads capitals back by their definition, digit by digit.
    fn read(text: &str) -> u128 {
        let (mut total, mut section, mut value) = (0u128, 0u128, 0u128);
        let mut fen = 0;
        for c in text.chars() {
            let name = c.to_string();
            if let Some(digit) = DIGITS.iter().position(|d| *d == name) {
                value = u128::try_from(digit).unwrap();
                continue;
            }
            match c {
                '拾' => section += value * 10,
                '佰' => section += value * 100,
                '仟' => section += value * 1000,
                '万' => section = (section + value) * 10_000,
                '亿' => {
                    total = (total + section + value) * 100_000_000;
                    section = 0;
                }
                '元' => total += section + value,
                '角' => fen += value * 10,
                '分' => fen += value,
                '整' => {}
                other => panic!("{other} in {text}"),
            }
            value = 0;
        }
        total * 100 + fen
    }

    proptest! {
        #[test]
        fn capitals_say_the_amount(digits in 1u32..=18, value: u64) {
            let fen = value % 10u64.pow(digits);
            let text = capital(Fen::new(fen));
            prop_assert_eq!(read(&text), u128::from(fen), "{}", text);
            prop_assert!(!text.contains("零零") && (fen == 0 || !text.starts_with('零')));
        }
    }
}
