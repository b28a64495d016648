//! Rust text taken apart: what is code, what is a string, what is a comment.
//!
//! The rules look for words. Without this a rule about code would fire on a comment that explains
//! the rule. This is no parser: it knows comments, strings, characters and the braces of test
//! modules, and that is all the rules need.

/// A piece of text with the line it starts on (from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub line: usize,
    pub text: String,
}

/// One Rust file taken apart.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The file's lines with comments and the contents of strings blanked out.
    pub code: Vec<String>,
    /// String literals, without quotes, escapes left as written.
    pub strings: Vec<Piece>,
    /// Comments, one piece a comment.
    pub comments: Vec<Piece>,
    /// Modules declared as `#[cfg(test)] mod name;`: their files are tests.
    pub test_modules: Vec<String>,
    /// For each line: does it lie in a `#[cfg(test)]` item?
    test: Vec<bool>,
}

impl Source {
    /// Takes `text` apart.
    pub fn read(text: &str) -> Self {
        let mut source = Reader::new(text).read();
        source.test = test_lines(&source.code);
        source.test_modules = source
            .code
            .iter()
            .zip(&source.test)
            .filter(|(_, test)| **test)
            .filter_map(|(code, _)| code.split("mod ").nth(1)?.trim().strip_suffix(';'))
            .map(str::to_owned)
            .collect();
        source
    }

    /// True when `line` (from 1) lies in a test module of the file.
    pub fn is_test(&self, line: usize) -> bool {
        line.checked_sub(1)
            .and_then(|index| self.test.get(index))
            .copied()
            .unwrap_or(false)
    }
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
    code: String,
    source: Source,
}

impl Reader {
    fn new(text: &str) -> Self {
        Reader {
            chars: text.chars().collect(),
            at: 0,
            line: 1,
            code: String::new(),
            source: Source::default(),
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek(0)?;
        self.at += 1;
        if next == '\n' {
            self.line += 1;
        }
        Some(next)
    }

    /// Moves on by one character that is not code; line ends stay, so that lines stay in step.
    fn blank(&mut self) -> Option<char> {
        let next = self.take()?;
        self.code.push(if next == '\n' { '\n' } else { ' ' });
        Some(next)
    }

    fn read(mut self) -> Source {
        while let Some(next) = self.peek(0) {
            match (next, self.peek(1)) {
                ('/', Some('/')) => self.line_comment(),
                ('/', Some('*')) => self.block_comment(),
                ('"', _) => self.string(),
                ('r' | 'b' | 'c', _) if self.starts_word() && self.prefix().is_some() => {
                    self.prefixed_string();
                }
                ('\'', _) => self.quote(),
                _ => {
                    self.code.push(next);
                    self.take();
                }
            }
        }
        self.source.code = self.code.lines().map(str::to_owned).collect();
        self.source
    }

    fn starts_word(&self) -> bool {
        let before = self
            .at
            .checked_sub(1)
            .and_then(|index| self.chars.get(index));
        !before.is_some_and(|c| c.is_alphanumeric() || *c == '_')
    }

    /// Length of a string prefix (`r#`, `b`, `br##` …) that a quote follows, with its `#` count
    /// and whether the string is raw.
    fn prefix(&self) -> Option<(usize, usize, bool)> {
        let mut length = 0;
        let mut raw = false;
        while let Some(letter @ ('b' | 'c' | 'r')) = self.peek(length) {
            raw |= letter == 'r';
            length += 1;
        }
        let mut hashes = 0;
        while raw && self.peek(length) == Some('#') {
            hashes += 1;
            length += 1;
        }
        (self.peek(length) == Some('"') && length <= hashes + 2).then_some((length, hashes, raw))
    }

    fn line_comment(&mut self) {
        let line = self.line;
        let mut text = String::new();
        while self.peek(0).is_some_and(|c| c != '\n') {
            text.extend(self.blank());
        }
        self.source.comments.push(Piece { line, text });
    }

    fn block_comment(&mut self) {
        let line = self.line;
        let mut text = String::new();
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                (None, _) => break,
                _ => {
                    text.extend(self.blank());
                    continue;
                }
            }
            text.extend(self.blank());
            text.extend(self.blank());
            if depth == 0 {
                break;
            }
        }
        self.source.comments.push(Piece { line, text });
    }

    fn string(&mut self) {
        let line = self.line;
        let mut text = String::new();
        self.take();
        self.code.push('"');
        while let Some(next) = self.peek(0) {
            if next == '"' {
                break;
            }
            text.extend(self.blank());
            if next == '\\' {
                text.extend(self.blank());
            }
        }
        self.take();
        self.code.push('"');
        self.source.strings.push(Piece { line, text });
    }

    fn prefixed_string(&mut self) {
        let Some((length, hashes, raw)) = self.prefix() else {
            return;
        };
        for _ in 0..length {
            self.blank();
        }
        if !raw {
            self.string();
            return;
        }
        let line = self.line;
        let mut text = String::new();
        self.take();
        self.code.push('"');
        while self.peek(0).is_some() {
            let closes = self.peek(0) == Some('"')
                && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#'));
            if closes {
                break;
            }
            text.extend(self.blank());
        }
        self.take();
        self.code.push('"');
        for _ in 0..hashes {
            self.blank();
        }
        self.source.strings.push(Piece { line, text });
    }

    /// A character literal, or the quote of a lifetime.
    fn quote(&mut self) {
        let is_char = self.peek(1) == Some('\\') || self.peek(2) == Some('\'');
        self.take();
        self.code.push('\'');
        if !is_char {
            return;
        }
        if self.blank() == Some('\\') {
            self.blank();
        }
        while self.peek(0).is_some_and(|c| c != '\'' && c != '\n') {
            self.blank();
        }
        if self.peek(0) == Some('\'') {
            self.take();
            self.code.push('\'');
        }
    }
}

/// Marks the lines of every item that stands under `#[cfg(test)]`.
fn test_lines(code: &[String]) -> Vec<bool> {
    let mut marks = vec![false; code.len()];
    let mut depth = 0_usize;
    // Some(depth) while inside a test item whose closing brace brings us back to that depth.
    let mut inside: Option<usize> = None;
    let mut waiting = false;
    for (index, line) in code.iter().enumerate() {
        waiting |= inside.is_none() && line.replace(' ', "").contains("#[cfg(test)]");
        marks[index] = waiting || inside.is_some();
        for letter in line.chars() {
            match letter {
                '{' => {
                    if waiting {
                        inside = Some(depth);
                        waiting = false;
                    }
                    depth += 1;
                }
                '}' => {
                    depth = depth.saturating_sub(1);
                    if inside == Some(depth) {
                        inside = None;
                    }
                }
                // `#[cfg(test)] mod tests;` or a use: the item ends here.
                ';' => waiting = false,
                _ => {}
            }
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        let source = Source::read(
            "// Instant::now\nlet a = \"Instant::now // no\"; /* f64\n/* f32 */ */ let b = 1;\n",
        );
        assert_eq!(source.code.len(), 3);
        assert!(
            source
                .code
                .iter()
                .all(|line| !line.contains("now") && !line.contains("f64"))
        );
        assert!(source.code[2].contains("let b = 1;"));
        assert_eq!(
            source.strings,
            [Piece {
                line: 2,
                text: "Instant::now // no".to_owned()
            }]
        );
        assert_eq!(source.comments.len(), 2);
    }

    #[test]
    fn raw_strings_characters_and_lifetimes() {
        let source = Source::read(
            "fn f<'a>(x: &'a str) { g(r#\"a \"b\" // c\"#, '\"', '\\'', b'x', b\"y\"); h() } // end",
        );
        let texts: Vec<&str> = source
            .strings
            .iter()
            .map(|piece| piece.text.as_str())
            .collect();
        assert_eq!(texts, ["a \"b\" // c", "y"]);
        assert!(source.code[0].contains("h() }"));
        assert_eq!(source.comments.len(), 1);
    }

    #[test]
    fn test_modules_are_marked() {
        let text = "fn a() { b() }\n#[cfg(test)]\nmod tests {\n    fn c() {}\n}\nfn d() {}\n\
                    #[cfg(test)]\nmod more;\nfn e() {}\n";
        let source = Source::read(text);
        let marked: Vec<usize> = (1..=9).filter(|line| source.is_test(*line)).collect();
        assert_eq!(marked, [2, 3, 4, 5, 7, 8]);
        assert_eq!(source.test_modules, ["more"]);
    }
}
