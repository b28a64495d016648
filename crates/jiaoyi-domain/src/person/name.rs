//! Names of persons: Han, ethnic-minority and foreign names in one normal form.

use super::mask::Masked;
use super::text::{half_width, is_invisible};
use std::fmt;

/// The longest name accepted, in characters.
pub const NAME_CHARACTERS_MAX: usize = 100;

/// Surnames of two characters that masks keep whole.
const DOUBLE_SURNAMES: [&str; 24] = [
    "欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "司徒", "夏侯",
    "宇文", "长孙", "司空", "端木", "轩辕", "南宫", "呼延", "百里", "东郭", "申屠", "独孤", "赫连",
];

/// A name in normal form: half-width, one kind of middle dot, no stray spaces.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonName(String);

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("the name is empty")]
    Empty,
    /// More than [`NAME_CHARACTERS_MAX`] characters.
    #[error("a name has at most {NAME_CHARACTERS_MAX} characters, this one has {got}")]
    TooLong { got: usize },
    /// A control character, a line break or a mark that changes the reading direction.
    #[error("character {position} of the name is a control character")]
    Control { position: usize },
    /// `?` or the replacement character: a rare character was lost on the way.
    #[error("character {position} of the name is a question mark: a rare character was lost")]
    Lost { position: usize },
    /// A digit or a sign that no name contains; often the wrong column.
    #[error("character {position} of the name is not a letter")]
    Sign { position: usize },
}

impl NameError {
    /// Stable across releases.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            NameError::Empty => "name.empty",
            NameError::TooLong { .. } => "name.too_long",
            NameError::Control { .. } => "name.control",
            NameError::Lost { .. } => "name.lost",
            NameError::Sign { .. } => "name.sign",
        }
    }
}

impl PersonName {
    /// Reads a name as typed or imported and brings it into normal form.
    ///
    /// Full-width letters become half-width, every kind of middle dot becomes `·`, spaces between
    /// Han characters and around the dot vanish, other runs of spaces become one space. Rare
    /// characters, also those beyond the basic plane and in private use areas, are accepted.
    ///
    /// # Errors
    ///
    /// [`NameError`] with the position, counted from 1, of the character that is wrong.
    pub fn parse(text: &str) -> Result<PersonName, NameError> {
        let mut plain: Vec<char> = Vec::with_capacity(text.len());
        for (place, raw) in text.trim().chars().enumerate() {
            if is_invisible(raw) {
                continue;
            }
            plain.push(checked(half_width(raw), place + 1)?);
        }
        let name = join(&plain);
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        let got = name.chars().count();
        if got > NAME_CHARACTERS_MAX {
            return Err(NameError::TooLong { got });
        }
        if !name.chars().any(is_name_letter) {
            return Err(NameError::Sign { position: 1 });
        }
        Ok(PersonName(name))
    }

    /// The raw name: for sealing, hashing, comparing and official files, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text under which the name is hashed and compared.
    ///
    /// Upper case, without spaces, dots, hyphens, apostrophes and variation selectors, so that
    /// `O'Neil` and `ONEIL`, or two ways of drawing one character, are the same person.
    #[must_use]
    pub fn index_text(&self) -> String {
        self.0
            .chars()
            .filter(|c| !matches!(c, ' ' | '·' | '-' | '\'' | '.' | ',') && !is_variation(*c))
            .flat_map(char::to_uppercase)
            .collect()
    }

    /// 王* / 王*国 / 欧阳* / 买****力 / J***: who knows the person recognises it, nobody else.
    #[must_use]
    pub fn masked(&self) -> Masked {
        let letters: Vec<char> = self.0.chars().filter(|c| !is_variation(*c)).collect();
        if !letters.iter().all(|c| is_han(*c) || *c == '·') {
            let words = self
                .0
                .split([' ', '·', ','])
                .filter(|word| !word.is_empty());
            let masked: Vec<String> = words
                .filter_map(|word| word.chars().next().map(|first| format!("{first}***")))
                .collect();
            return Masked::new(masked.join(" "));
        }
        let head = if letters.len() > 2 && is_double_surname(&letters) {
            2
        } else {
            1
        };
        let masked = match letters.len() {
            1 => "*".to_owned(),
            count => {
                let tail = usize::from(count > head + 1);
                let shown: String = letters.iter().take(head).collect();
                let last: String = letters.iter().skip(count - tail).collect();
                // A long run of stars says how long the name is; four are enough.
                let stars = "*".repeat((count - head - tail).min(4));
                format!("{shown}{stars}{last}")
            }
        };
        Masked::new(masked)
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonName({})", self.masked())
    }
}

fn is_double_surname(letters: &[char]) -> bool {
    let head: String = letters.iter().take(2).collect();
    DOUBLE_SURNAMES.contains(&head.as_str())
}

/// Ideographs, also those newer than the tables of the compiler, and private use areas, in which
/// older systems kept rare characters.
fn is_han(c: char) -> bool {
    matches!(c,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' | '\u{3007}' | '\u{2e80}'..='\u{2fdf}'
        | '\u{2ff0}'..='\u{2fff}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10fffd}')
}

fn is_variation(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

fn is_name_letter(c: char) -> bool {
    is_han(c) || c.is_alphabetic()
}

/// A combining mark that belongs to the letter before it.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}') || is_variation(c)
}

/// Marks that make text read the other way round, and line and paragraph separators.
fn turns_direction(c: char) -> bool {
    matches!(c,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One character of a name in normal form.
fn checked(c: char, position: usize) -> Result<char, NameError> {
    match c {
        // Bullet, katakana dots, hyphenation point, one-dot leader, dot operators, Greek ano
        // teleia, dot above: all typed for the one middle dot of the register.
        '·' | '•' | '・' | '･' | '‧' | '․' | '∙' | '⋅' | '˙' | '\u{387}' | '●' | '▪' => {
            Ok('·')
        }
        '\u{2018}' | '\u{2019}' | '\u{2bc}' | '`' => Ok('\''),
        '\u{2010}'..='\u{2015}' => Ok('-'),
        '?' | '\u{fffd}' | '□' => Err(NameError::Lost { position }),
        c if c.is_control() || turns_direction(c) => Err(NameError::Control { position }),
        ' ' | '-' | '\'' | '.' | ',' | '(' | ')' => Ok(c),
        c if is_name_letter(c) || is_mark(c) => Ok(c),
        _ => Err(NameError::Sign { position }),
    }
}

/// Puts the characters together without the spaces that mean nothing.
fn join(plain: &[char]) -> String {
    let mut name: Vec<char> = Vec::with_capacity(plain.len());
    let mut space = false;
    let next_letter = |from: usize| plain.iter().skip(from).copied().find(|c| *c != ' ');
    for (place, &c) in plain.iter().enumerate() {
        if c == ' ' {
            space = !name.is_empty();
            continue;
        }
        let before = name.last().copied();
        // A full stop between two Han characters is a middle dot typed on a keyboard without one.
        let c =
            if c == '.' && before.is_some_and(is_han) && next_letter(place + 1).is_some_and(is_han)
            {
                '·'
            } else {
                c
            };
        let dot = c == '·' || before == Some('·');
        let inside_han = before.is_some_and(is_han) && is_han(c);
        if space && !dot && !inside_han {
            name.push(' ');
        }
        space = false;
        if !(c == '·' && before == Some('·')) {
            name.push(c);
        }
    }
    name.iter().collect::<String>().trim_matches('·').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_come_into_one_form() {
        for (typed, want) in [
            ("王桂兰", "王桂兰"),
            (" 王 国 ", "王国"),
            ("王\u{3000}国", "王国"),
            ("买买提•艾力", "买买提·艾力"),
            ("买买提 ・ 艾力", "买买提·艾力"),
            ("买买提‧艾力", "买买提·艾力"),
            ("买买提˙艾力", "买买提·艾力"),
            ("买买提.艾力", "买买提·艾力"),
            ("买买提．艾力", "买买提·艾力"),
            ("Ｊｏｈｎ　Ｓｍｉｔｈ", "John Smith"),
            ("John   A. Smith", "John A. Smith"),
            ("O\u{2019}Neil", "O'Neil"),
            ("𠮷田\u{200b}一", "𠮷田一"),
            ("\u{30edd}\u{30edd}面", "\u{30edd}\u{30edd}面"),
            ("\u{e12a}伟", "\u{e12a}伟"),
            ("〇一", "〇一"),
            ("José", "José"),
            ("Jean\u{2010}Luc", "Jean-Luc"),
            ("王.", "王."),
            ("张 Wei", "张 Wei"),
            ("Wei 张", "Wei 张"),
        ] {
            assert_eq!(PersonName::parse(typed).unwrap().expose(), want, "{typed}");
        }
        let long = "长".repeat(NAME_CHARACTERS_MAX);
        assert!(PersonName::parse(&long).is_ok());
        for (typed, code) in [
            ("", "name.empty"),
            (" \u{200b} ", "name.empty"),
            ("王\t国", "name.control"),
            ("王\u{0}国", "name.control"),
            ("王\u{202e}国", "name.control"),
            ("王?", "name.lost"),
            ("王\u{fffd}", "name.lost"),
            ("王1", "name.sign"),
            ("=王", "name.sign"),
            ("--", "name.sign"),
            (&format!("{long}长"), "name.too_long"),
        ] {
            assert_eq!(
                PersonName::parse(typed).unwrap_err().code(),
                code,
                "{typed}"
            );
        }
    }

    #[test]
    fn names_are_masked() {
        for (name, want) in [
            ("王", "*"),
            ("王国", "王*"),
            ("王建国", "王*国"),
            ("欧阳", "欧*"),
            ("欧阳修", "欧阳*"),
            ("欧阳震华", "欧阳*华"),
            ("买买提·艾力", "买****力"),
            ("John Smith", "J*** S***"),
        ] {
            let name = PersonName::parse(name).unwrap();
            assert_eq!(name.masked().as_str(), want);
            assert_eq!(format!("{name:?}"), format!("PersonName({want})"));
        }
    }

    #[test]
    fn spellings_of_one_name_have_one_index() {
        for (one, other) in [
            ("O'Neil  Ann", "oneil ann"),
            ("买买提·艾力", "买买提艾力"),
            ("葛\u{e0100}城", "葛城"),
        ] {
            let index = |text| PersonName::parse(text).unwrap().index_text();
            assert_eq!(index(one), index(other));
        }
        let index = PersonName::parse("Ann O'Neil-Li").unwrap().index_text();
        assert_eq!(index, "ANNONEILLI");
    }

    #[test]
    fn what_is_wrong_is_found_where_it_stands() {
        for (typed, position) in [("1王", 1), ("王1国", 2), ("王 建1", 4)] {
            let error = PersonName::parse(typed).unwrap_err();
            assert_eq!(error, NameError::Sign { position }, "{typed}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own_normal_form(text in "[王国欧阳买提艾力a-zA-Z ·•.ａ'-]{1,20}") {
            if let Ok(name) = PersonName::parse(&text) {
                prop_assert_eq!(PersonName::parse(name.expose()).unwrap(), name);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            let _ = PersonName::parse(&text);
        }
    }
}
