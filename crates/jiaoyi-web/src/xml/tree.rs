//! A document as elements: what is not needed to name fields and give their values is refused.

use super::misread;
use jiaoyi_app::biller::Misread;
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// Deepest element: `request` is the first level.
const DEPTH_MAX: usize = 8;
/// Most elements of a document.
const ELEMENTS_MAX: usize = 1_000;

/// An element with either a text or elements inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub text: String,
    pub children: Vec<Element>,
}

/// Whether XML 1.0 has this character.
pub const fn is_character(letter: char) -> bool {
    matches!(letter,
        '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Whether a text is nothing but what XML calls white space: the blank of Chinese typing is a letter.
pub fn is_blank(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

/// Whether a declaration is that of XML 1.0 to the letter, so that every reader finds the same encoding
/// in it.
fn is_declaration(content: &str) -> bool {
    let mut rest = ["version", "encoding", "standalone"].into_iter();
    let mut fits = 0;
    for part in BytesStart::from_content(content, "xml".len()).attributes() {
        let Ok(part) = part else { return false };
        let (name, value) = (part.key.as_ref(), part.value.as_ref());
        let known = match name {
            "version" => value == "1.0",
            "standalone" => matches!(value, "yes" | "no"),
            _ => true,
        };
        if !known || !rest.any(|next| next == name) {
            return false;
        }
        fits += usize::from(name == "version");
    }
    fits == 1
}

/// The elements that are open, outermost first.
struct Open {
    path: Vec<Element>,
    root: Option<Element>,
    count: usize,
}

impl Open {
    /// The error names the innermost element.
    fn wrong(&self, message: &str) -> Misread {
        let place = self.path.last().map_or("body", |inner| &inner.name);
        misread(place, message)
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), Misread> {
        let name = tag.name().as_ref().to_owned();
        if !is_blank(tag.attributes_raw()) {
            return Err(misread(&name, "attributes are not taken"));
        }
        self.count += 1;
        if self.path.len() == DEPTH_MAX || self.count > ELEMENTS_MAX {
            return Err(self.wrong("too many elements, or too deep"));
        }
        if self.root.is_some() {
            return Err(misread(&name, "a second outermost element"));
        }
        self.path.push(Element {
            name,
            ..Element::default()
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Misread> {
        let Some(mut ended) = self.path.pop() else {
            return Err(self.wrong("not well formed"));
        };
        if !ended.children.is_empty() {
            if !is_blank(&ended.text) {
                return Err(misread(&ended.name, "text beside elements"));
            }
            ended.text.clear();
        }
        match self.path.last_mut() {
            Some(outer) => outer.children.push(ended),
            None => self.root = Some(ended),
        }
        Ok(())
    }

    fn letters(&self, text: &str) -> Result<(), Misread> {
        match text.chars().all(is_character) {
            true => Ok(()),
            false => Err(self.wrong("a character that XML does not have")),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Misread> {
        self.letters(text)?;
        match self.path.last_mut() {
            Some(inner) => inner.text.push_str(text),
            None if is_blank(text) => {}
            None => return Err(self.wrong("text outside of the elements")),
        }
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), Misread> {
        let known = match reference.resolve_char_ref() {
            Ok(Some(letter)) => Some(letter),
            Ok(None) => match &**reference {
                "lt" => Some('<'),
                "gt" => Some('>'),
                "amp" => Some('&'),
                "apos" => Some('\''),
                "quot" => Some('"'),
                _ => None,
            },
            Err(_) => None,
        };
        let Some(letter) = known.filter(|_| !self.path.is_empty()) else {
            return Err(self.wrong("no such entity or character"));
        };
        self.text(letter.encode_utf8(&mut [0; 4]))
    }
}

/// Reads one document.
pub fn read(text: &str) -> Result<Element, Misread> {
    // As XML asks, before anything is looked at.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader::from_str(&text);
    reader.config_mut().check_comments = true;
    let mut open = Open {
        path: Vec::new(),
        root: None,
        count: 0,
    };
    let mut at_start = true;
    loop {
        let event = reader.read_event();
        match event.map_err(|_| open.wrong("not well formed"))? {
            Event::Start(tag) => open.start(&tag)?,
            Event::Empty(tag) => {
                open.start(&tag)?;
                open.end()?;
            }
            Event::End(_) => open.end()?,
            Event::Text(text) if text.contains("]]>") => return Err(open.wrong("not well formed")),
            Event::Text(text) => open.text(&text)?,
            Event::CData(text) if !open.path.is_empty() => open.text(&text)?,
            Event::CData(_) => return Err(open.wrong("text outside of the elements")),
            Event::GeneralRef(reference) => open.reference(&reference)?,
            Event::Comment(text) => open.letters(&text)?,
            Event::Decl(said) if at_start && is_declaration(&said) => {}
            Event::Decl(_) if at_start => return Err(open.wrong("not the declaration of XML 1.0")),
            Event::Decl(_) | Event::PI(_) => {
                return Err(open.wrong("processing instructions are not taken"));
            }
            Event::DocType(_) => return Err(open.wrong("a DOCTYPE is not taken")),
            Event::Eof => break,
        }
        at_start = false;
    }
    let whole = open.path.is_empty();
    let root = open.root.take().filter(|_| whole);
    root.ok_or_else(|| open.wrong("not well formed"))
}
