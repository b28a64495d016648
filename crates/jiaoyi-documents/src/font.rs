//! Fonts: the committed cut, system fonts for what it lacks, and code points for the rest.
//!
//! The cut holds 通用规范汉字表, GB 2312 and Latin (see `gen/font.py`). A character outside it is
//! looked for in a few well-known system fonts, read through a function that the caller passes in;
//! when none has it, its code point is shown, `<U+2B7A9>`. Nothing is ever left out silently.

#![expect(clippy::float_arithmetic, reason = "sizes on paper, never money")]

use krilla::text::Font;
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

const REGULAR: &[u8] = include_bytes!("../font/JiaoyiSansSC-Regular.otf");
const BOLD: &[u8] = include_bytes!("../font/JiaoyiSansSC-Bold.otf");

/// Where Chinese fonts with rare characters usually lie, best first, with the face in the file.
pub const SYSTEM_FONTS: &[(&str, u32)] = &[
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc", 2),
    (
        "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
        2,
    ),
    ("/usr/share/fonts/truetype/hanazono/HanaMinA.ttf", 0),
    ("/usr/share/fonts/truetype/hanazono/HanaMinB.ttf", 0),
    ("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", 0),
    ("/System/Library/Fonts/PingFang.ttc", 0),
    ("C:\\Windows\\Fonts\\simsun.ttc", 0),
    ("C:\\Windows\\Fonts\\simsunb.ttf", 0),
];

/// Reads a font file; `None` when there is none at that path.
pub type FontLoader = dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync;

/// How heavy a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The whole cut.
    Regular,
    /// ASCII, labels and amounts only; other characters are set in regular.
    Bold,
}

/// One font file's face, ready for both renderers.
pub(crate) struct Face {
    bytes: Arc<Vec<u8>>,
    index: u32,
    pub(crate) pdf: Font,
}

impl Face {
    fn load(bytes: Vec<u8>, index: u32) -> Option<Face> {
        let bytes = Arc::new(bytes);
        let data: Arc<dyn AsRef<[u8]> + Send + Sync> = bytes.clone();
        let pdf = Font::new(data.into(), index)?;
        let face = Face { bytes, index, pdf };
        face.font().map(|_| ())?;
        Some(face)
    }

    pub(crate) fn font(&self) -> Option<FontRef<'_>> {
        FontRef::from_index(&self.bytes, self.index).ok()
    }

    /// Glyph and advance (in units of the font size) of a character.
    fn glyph(&self, letter: char) -> Option<(u32, f32)> {
        let font = self.font()?;
        let id = font.charmap().map(letter)?;
        if id.to_u32() == 0 {
            return None;
        }
        let metrics = font.glyph_metrics(Size::new(1.0), LocationRef::default());
        Some((id.to_u32(), metrics.advance_width(id)?))
    }
}

/// One glyph of a line.
#[derive(Clone, Debug)]
pub(crate) struct Glyph {
    pub(crate) id: u32,
    /// In units of the font size.
    pub(crate) advance: f32,
    /// Bytes of the line's text that it stands for.
    pub(crate) range: Range<usize>,
}

/// Neighbouring glyphs of one face.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) face: Arc<Face>,
    pub(crate) glyphs: Vec<Glyph>,
}

/// A line of text with a glyph for every character.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) runs: Vec<Run>,
    /// In units of the font size.
    pub(crate) width: f32,
}

/// What was found outside the committed cut so far.
#[derive(Default)]
struct Found {
    faces: Vec<(usize, Arc<Face>)>,
    nowhere: BTreeSet<char>,
}

/// The fonts that documents are set in; made once and shared.
pub struct Fonts {
    regular: Arc<Face>,
    bold: Arc<Face>,
    loader: Box<FontLoader>,
    found: Mutex<Found>,
}

impl std::fmt::Debug for Fonts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fonts")
    }
}

impl Fonts {
    /// The committed fonts, and `loader` to read a system font when a character is missing.
    ///
    /// # Panics
    ///
    /// Never: the committed fonts are read by every test.
    #[must_use]
    pub fn new(loader: Box<FontLoader>) -> Fonts {
        let load = |bytes: &[u8]| Face::load(bytes.to_vec(), 0).expect("the committed font reads");
        Fonts {
            regular: Arc::new(load(REGULAR)),
            bold: Arc::new(load(BOLD)),
            loader,
            found: Mutex::default(),
        }
    }

    /// The committed fonts alone; what they lack is shown by code point.
    #[must_use]
    pub fn committed() -> Fonts {
        Fonts::new(Box::new(|_| None))
    }

    /// Whether the committed cut has this character.
    #[must_use]
    pub fn has(&self, letter: char, weight: Weight) -> bool {
        let face = match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        };
        face.glyph(letter).is_some()
    }

    /// The line as it will be shown: missing characters are replaced by their code points.
    pub(crate) fn line(&self, text: &str, weight: Weight) -> Line {
        let mut line = Line {
            text: String::new(),
            runs: Vec::new(),
            width: 0.0,
        };
        for letter in text.chars().filter(|letter| !is_selector(*letter)) {
            if let Some((face, id, advance)) = self.glyph(letter, weight) {
                line.push(&face, id, advance, letter);
                continue;
            }
            for letter in format!("<U+{:04X}>", u32::from(letter)).chars() {
                if let Some((id, advance)) = self.regular.glyph(letter) {
                    line.push(&self.regular, id, advance, letter);
                }
            }
        }
        line
    }

    fn glyph(&self, letter: char, weight: Weight) -> Option<(Arc<Face>, u32, f32)> {
        let own = match weight {
            Weight::Regular => [&self.regular, &self.regular],
            Weight::Bold => [&self.bold, &self.regular],
        };
        for face in own {
            if let Some((id, advance)) = face.glyph(letter) {
                return Some((Arc::clone(face), id, advance));
            }
        }
        if letter.is_control() {
            return None;
        }
        self.elsewhere(letter)
    }

    /// Looks in the system's fonts. A file is kept only when it had a character that was needed.
    fn elsewhere(&self, letter: char) -> Option<(Arc<Face>, u32, f32)> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, face) in &found.faces {
            if let Some((id, advance)) = face.glyph(letter) {
                return Some((Arc::clone(face), id, advance));
            }
        }
        if found.nowhere.contains(&letter) {
            return None;
        }
        for (place, (path, index)) in SYSTEM_FONTS.iter().enumerate() {
            if found.faces.iter().any(|(known, _)| *known == place) {
                continue;
            }
            let face = (self.loader)(path).and_then(|bytes| Face::load(bytes, *index));
            if let Some(face) = face
                && let Some((id, advance)) = face.glyph(letter)
            {
                let face = Arc::new(face);
                found.faces.push((place, Arc::clone(&face)));
                return Some((face, id, advance));
            }
        }
        found.nowhere.insert(letter);
        None
    }

    /// Breaks a text into lines of at most `width` (in units of the font size). Breaks fall between
    /// any two characters but within words of ASCII letters and digits, unless a word is too long.
    pub(crate) fn wrap(&self, text: &str, weight: Weight, width: f32) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut current = String::new();
        for word in words(text) {
            let longer = format!("{current}{word}");
            if self.line(longer.trim_end(), weight).width <= width {
                current = longer;
                continue;
            }
            if !current.trim().is_empty() {
                lines.push(self.line(current.trim_end(), weight));
            }
            current = word.trim_start().to_owned();
            while self.line(current.trim_end(), weight).width > width && current.chars().count() > 1
            {
                let mut head = String::new();
                let mut letters = current.chars();
                for letter in letters.by_ref() {
                    head.push(letter);
                    if self.line(&head, weight).width > width && head.chars().count() > 1 {
                        head.pop();
                        break;
                    }
                }
                current = current[head.len()..].to_owned();
                lines.push(self.line(&head, weight));
            }
        }
        if !current.trim().is_empty() || lines.is_empty() {
            lines.push(self.line(current.trim_end(), weight));
        }
        lines
    }
}

impl Line {
    fn push(&mut self, face: &Arc<Face>, id: u32, advance: f32, letter: char) {
        let start = self.text.len();
        self.text.push(letter);
        let glyph = Glyph {
            id,
            advance,
            range: start..self.text.len(),
        };
        self.width += advance;
        match self.runs.last_mut() {
            Some(run) if Arc::ptr_eq(&run.face, face) => run.glyphs.push(glyph),
            _ => self.runs.push(Run {
                face: Arc::clone(face),
                glyphs: vec![glyph],
            }),
        }
    }
}

/// Variation selectors choose among shapes of the character before them and have none themselves.
fn is_selector(letter: char) -> bool {
    matches!(letter, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Pieces that stay together: ASCII words with the space after them, and any other character alone.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for letter in text.chars() {
        let joins = letter.is_ascii_graphic() || letter == ' ';
        // Closing punctuation never begins a line.
        let closes = matches!(
            letter,
            '\u{ff0c}' | '。' | '\u{ff1a}' | '\u{ff09}' | '、' | '\u{ff1b}'
        );
        match words.last_mut() {
            Some(word) if (joins && open && !(word.ends_with(' ') && letter != ' ')) || closes => {
                word.push(letter);
            }
            _ => words.push(letter.to_string()),
        }
        open = joins;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const RARE: &[u8] = include_bytes!("../testdata/rare.otf");

    fn shown(fonts: &Fonts, text: &str) -> String {
        let line = fonts.line(text, Weight::Regular);
        let glyphs: usize = line.runs.iter().map(|run| run.glyphs.len()).sum();
        assert_eq!(
            glyphs,
            line.text.chars().count(),
            "a glyph for every character"
        );
        line.text
    }

    #[test]
    fn the_cut_has_every_character_of_the_table_and_of_gb_2312() {
        let fonts = Fonts::committed();
        let table = include_str!("../gen/characters_8105.txt");
        let table: BTreeSet<char> = table
            .lines()
            .filter(|line| !line.starts_with('#'))
            .flat_map(str::chars)
            .collect();
        assert_eq!(table.len(), 8_105);
        let gb2312 = (0xa1..=0xf7u8).flat_map(|row| (0xa1..=0xfeu8).map(move |cell| [row, cell]));
        let gb2312: BTreeSet<char> = gb2312
            .filter(|[row, _]| *row <= 0xa9 || *row >= 0xb0)
            .filter_map(|bytes| {
                let (text, _, wrong) = encoding_rs::GBK.decode(&bytes);
                let letter = text.chars().next()?;
                // GBK puts its own characters (box drawing among them) into GB 2312's gaps.
                let own = ('\u{4e00}'..='\u{9fa5}').contains(&letter) && !wrong;
                own.then_some(letter)
            })
            .collect();
        assert_eq!(gb2312.len(), 6_763);
        let missing: String = table
            .iter()
            .chain(&gb2312)
            .filter(|letter| !fonts.has(**letter, Weight::Regular))
            .collect();
        assert_eq!(missing, "");
    }

    #[test]
    fn a_character_outside_the_cut_is_never_a_silent_gap() {
        let bare = Fonts::committed();
        assert_eq!(shown(&bare, "王\u{20021}国"), "王<U+20021>国");
        assert_eq!(shown(&bare, "a\tb\u{1f600}"), "a<U+0009>b<U+1F600>");
        assert_eq!(shown(&bare, "葛\u{e0100}"), "葛", "a selector has no shape");

        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let fonts = Fonts::new(Box::new(move |path| {
            log.lock().unwrap().push(path.to_owned());
            (path == SYSTEM_FONTS[3].0).then(|| RARE.to_vec())
        }));
        assert_eq!(shown(&fonts, "王国"), "王国");
        assert!(
            asked.lock().unwrap().is_empty(),
            "no file is read without need"
        );
        assert_eq!(shown(&fonts, "王\u{20021}国"), "王\u{20021}国");
        assert_eq!(fonts.line("王\u{20021}国", Weight::Bold).runs.len(), 3);
        let reads = asked.lock().unwrap().len();
        assert_eq!(
            reads, 4,
            "files are read in order until one has the character"
        );
        assert_eq!(
            shown(&fonts, "\u{20021}\u{20022}\u{20022}"),
            "\u{20021}<U+20022><U+20022>"
        );
        let reads = asked.lock().unwrap().len();
        assert_eq!(
            reads,
            4 + SYSTEM_FONTS.len() - 1,
            "a miss is looked for once"
        );
    }

    #[test]
    fn lines_fit_their_width_and_lose_nothing() {
        let fonts = Fonts::committed();
        for (text, width) in [
            ("演示市城乡居民基本医疗保险", 5.0),
            ("DEMO REGION with words, and 一些汉字。", 6.0),
            ("4200001234202611221234567890", 8.0),
            ("", 5.0),
        ] {
            let lines = fonts.wrap(text, Weight::Regular, width);
            let all: String = lines.iter().map(|line| line.text.as_str()).collect();
            let plain = |text: &str| text.replace(' ', "");
            assert_eq!(plain(&all), plain(text));
            for line in &lines {
                assert!(line.width <= width + 1.0, "{} is {}", line.text, line.width);
            }
        }
        let text = "one two 三四";
        let lines = fonts.wrap(text, Weight::Regular, 3.0);
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["one", "two", "三四"]);
    }

    #[test]
    fn fonts_may_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Fonts>();
    }
}
