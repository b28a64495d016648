//! Normalisation that every typed or imported text of a person goes through.

/// Full-width letters, digits, signs and the ideographic space as their ASCII counterparts.
#[must_use]
pub fn half_width(c: char) -> char {
    match c {
        '\u{3000}' | '\u{a0}' | '\u{2002}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => {
            // The block repeats ASCII 0x21..0x7e in order.
            char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c)
        }
        other => other,
    }
}

/// Marks without width that copying from web pages and spreadsheets leaves behind.
///
/// Direction overrides are not among them: they change what a reader sees and are refused.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{ad}'
    )
}

/// Hyphens and dashes as people type them between groups of a number.
pub(super) fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}')
}

/// The letters and digits of a number: half-width, upper case, without spaces and hyphens.
pub(super) fn compact(text: &str) -> String {
    text.chars()
        .map(half_width)
        .filter(|c| !c.is_whitespace() && !is_invisible(*c) && !is_hyphen(*c))
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_and_paste_becomes_plain() {
        let wide: String = ('\u{ff01}'..='\u{ff5e}').map(half_width).collect();
        let plain: String = ('!'..='~').collect();
        assert_eq!(wide, plain);
        assert_eq!(
            "\u{3000}\u{a0}\u{2002}\u{202f}".replace(|c| half_width(c) == ' ', ""),
            ""
        );
        for (typed, read) in [
            ("１２3 4-5", "12345"),
            ("ｅ1\u{200b}2\u{feff}", "E12"),
            ("1\u{2014}2\u{2212}3\u{fe63}4", "1234"),
            ("王x", "王X"),
            (" \t", ""),
            ("+86", "+86"),
        ] {
            assert_eq!(compact(typed), read);
        }
        assert!(is_invisible('\u{200d}') && !is_invisible('\u{202e}') && !is_invisible('a'));
        assert!(is_hyphen('-') && is_hyphen('\u{2010}') && !is_hyphen('_'));
    }
}
