//! All changes of a crate in one build: each stands in its function behind a switch, and one of them
//! at most is on in a process.
//!
//! Built one by one, some thousand changes take a day; built together they take a minute, and a
//! program that notes which functions it came through tells which tests could notice a change at all.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anyhow::{Context, Result};
use serde::Deserialize;
use syn::visit::{self, Visit};

/// One change, as cargo-mutants lists it.
#[derive(Clone, Debug, Deserialize)]
pub struct Mutant {
    /// `path:line:column: what is changed`
    pub name: String,
    /// From the repository's root.
    pub file: String,
    /// What stands in place of the text between.
    pub replacement: String,
    span: Span,
}

/// Where a change is: from the first letter to behind the last.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Span {
    start: Place,
    end: Place,
}

/// Lines and columns are counted from one, columns in letters.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

/// The body of a function, between its braces.
struct Body {
    inner: Range<usize>,
    /// The word `const` before it, which nothing that can be switched may bear.
    constant: Option<Range<usize>>,
    name: String,
}

/// A file with all its changes in it.
pub struct Woven {
    pub text: String,
    /// Lines of the new text, counted from one, that belong to one change.
    lines: BTreeMap<usize, Range<usize>>,
    /// Lines of the new text of each function that has changes, with those changes.
    functions: Vec<(Range<usize>, Vec<usize>)>,
    /// Changes that stand in no function that can be switched.
    pub left_out: Vec<usize>,
}

impl Woven {
    /// The changes of each function.
    pub fn functions(&self) -> impl Iterator<Item = &[usize]> {
        self.functions.iter().map(|(_, mutants)| mutants.as_slice())
    }

    /// The changes that a line of the new text speaks of: one, or all of the function around it.
    pub fn at(&self, line: usize) -> Vec<usize> {
        let one = self.lines.iter().find(|(_, lines)| lines.contains(&line));
        if let Some((mutant, _)) = one {
            return vec![*mutant];
        }
        let around = self.functions.iter().filter(|(at, _)| at.contains(&line));
        let innermost = around.min_by_key(|(at, _)| at.len());
        innermost.map_or_else(Vec::new, |(_, mutants)| mutants.clone())
    }
}

/// Puts changes into the text of a file, each known by its number.
///
/// `constant` names functions that have to stay `const`, since constants call them.
pub fn weave(
    text: &str,
    mutants: &BTreeMap<usize, &Mutant>,
    constant: &BTreeSet<String>,
) -> Result<Woven> {
    let file = syn::parse_file(text).context("parse")?;
    let mut found = Bodies::default();
    found.visit_file(&file);
    let starts = line_starts(text);
    let mut weaver = Weaver {
        text,
        bodies: found.0,
        own: BTreeMap::new(),
        left_out: Vec::new(),
        marks: Vec::new(),
        functions: Vec::new(),
    };
    for (number, mutant) in mutants {
        let range =
            bytes(text, &starts, mutant.span.start)?..bytes(text, &starts, mutant.span.end)?;
        let bodies = weaver.bodies.iter().enumerate();
        let around = bodies.filter(|(_, body)| within(&range, &body.inner));
        match around.min_by_key(|(_, body)| body.inner.len()) {
            Some((at, body)) if body.constant.is_none() || !constant.contains(&body.name) => {
                let change = (*number, range, mutant.replacement.as_str());
                weaver.own.entry(at).or_default().push(change);
            }
            Some(_) | None => weaver.left_out.push(*number),
        }
    }
    let mut out = String::with_capacity(text.len() * 8);
    weaver.emit(0..text.len(), None, &mut out);
    let starts = line_starts(&out);
    let line = |at: usize| starts.partition_point(|start| *start <= at);
    let lines = |at: &Range<usize>| line(at.start)..line(at.end) + 1;
    Ok(Woven {
        lines: weaver.marks.iter().map(|(n, at)| (*n, lines(at))).collect(),
        functions: weaver
            .functions
            .iter()
            .map(|(at, mutants)| (lines(at), mutants.clone()))
            .collect(),
        left_out: weaver.left_out,
        text: out,
    })
}

/// A number, where its change is, and what stands there then.
type Change<'a> = (usize, Range<usize>, &'a str);

struct Weaver<'a> {
    text: &'a str,
    /// Outer ones before what they contain.
    bodies: Vec<Body>,
    own: BTreeMap<usize, Vec<Change<'a>>>,
    left_out: Vec<usize>,
    /// Bytes of the new text of each change.
    marks: Vec<(usize, Range<usize>)>,
    /// Bytes of the new text of each function.
    functions: Vec<(Range<usize>, Vec<usize>)>,
}

impl Weaver<'_> {
    /// Writes a part of the text with the functions that begin in it, but for the one it is the
    /// inside of.
    fn emit(&mut self, part: Range<usize>, inside: Option<usize>, out: &mut String) {
        let mut at = part.start;
        for body in inside.map_or(0, |inside| inside + 1)..self.bodies.len() {
            let inner = self.bodies[body].inner.clone();
            if inner.start < at || inner.end > part.end || !self.has_changes(body) {
                continue;
            }
            let before = &self.text[at..inner.start];
            match self.bodies[body].constant.clone() {
                Some(word) if word.start >= at && self.own.contains_key(&body) => {
                    out.push_str(&self.text[at..word.start]);
                    out.push_str(&self.text[word.end..inner.start]);
                }
                Some(_) | None => out.push_str(before),
            }
            self.emit_body(body, out);
            at = inner.end;
        }
        out.push_str(&self.text[at..part.end]);
    }

    /// Its own, or those of a function in it.
    fn has_changes(&self, body: usize) -> bool {
        let inner = &self.bodies[body].inner;
        let mut all = self.own.keys();
        all.any(|other| within(&self.bodies[*other].inner, inner))
    }

    fn emit_body(&mut self, body: usize, out: &mut String) {
        let inner = self.bodies[body].inner.clone();
        let begin = out.len();
        let own = self.own.get(&body).cloned().unwrap_or_default();
        let numbers: Vec<usize> = own.iter().map(|(number, ..)| *number).collect();
        if let (Some(first), Some(last)) = (numbers.first(), numbers.last()) {
            out.push_str(&format!(" if crate::switch::any({first}, {last}) {{\n"));
            for (number, at, replacement) in own {
                out.push_str(&format!("if crate::switch::on({number}) {{ return {{\n"));
                let start = out.len();
                out.push_str(&self.text[inner.start..at.start]);
                out.push(' ');
                out.push_str(replacement);
                out.push(' ');
                out.push_str(&self.text[at.end..inner.end]);
                self.marks.push((number, start..out.len()));
                out.push_str("\n}; }\n");
            }
            out.push_str("}\n");
        }
        self.emit(inner, Some(body), out);
        self.functions.push((begin..out.len(), numbers));
    }
}

/// Every function with a body, outer ones first.
#[derive(Default)]
struct Bodies(Vec<Body>);

impl Bodies {
    fn add(&mut self, sig: &syn::Signature, block: &syn::Block) {
        let braces = block.brace_token.span;
        self.0.push(Body {
            inner: braces.open().byte_range().end..braces.close().byte_range().start,
            constant: sig.constness.as_ref().map(|word| word.span.byte_range()),
            name: sig.ident.to_string(),
        });
    }
}

impl<'ast> Visit<'ast> for Bodies {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

const fn within(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    inner.start >= outer.start && inner.end <= outer.end
}

fn line_starts(text: &str) -> Vec<usize> {
    let ends = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).collect()
}

fn bytes(text: &str, starts: &[usize], place: Place) -> Result<usize> {
    let start = *starts
        .get(place.line - 1)
        .context("a line that is not there")?;
    let letters = text[start..].char_indices();
    let mut ends = letters.map(|(at, _)| at).chain([text.len() - start]);
    let within = ends
        .nth(place.column - 1)
        .context("a column that is not there")?;
    Ok(start + within)
}

/// What is added to the crate's root: which change is on, and who came by.
///
/// `JIAOYI_MUTANT` is the number of the change; with `JIAOYI_MUTANT_REACHED` the first number of each
/// function that is entered is written to that file, once a process.
pub const SWITCH: &str = r#"
#[doc(hidden)]
#[allow(clippy::all, missing_docs, reason = "generated")]
pub mod switch {
    use std::collections::HashSet;
    use std::io::Write;
    use std::sync::{Mutex, OnceLock};

    struct Switch {
        active: usize,
        reached: Option<Mutex<(std::fs::File, HashSet<usize>)>>,
    }

    fn switch() -> &'static Switch {
        static SWITCH: OnceLock<Switch> = OnceLock::new();
        SWITCH.get_or_init(|| {
            let open = |path| std::fs::OpenOptions::new().create(true).append(true).open(path);
            Switch {
                active: std::env::var("JIAOYI_MUTANT").map_or(0, |text| text.parse().unwrap()),
                reached: std::env::var_os("JIAOYI_MUTANT_REACHED")
                    .map(|path| Mutex::new((open(path).unwrap(), HashSet::new()))),
            }
        })
    }

    pub fn any(first: usize, last: usize) -> bool {
        let switch = switch();
        if let Some(reached) = &switch.reached {
            let mut reached = reached.lock().unwrap();
            if reached.1.insert(first) {
                reached.0.write_all(format!("{first}\n").as_bytes()).unwrap();
            }
        }
        (first..=last).contains(&switch.active)
    }

    pub fn on(number: usize) -> bool {
        switch().active == number
    }
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "/// 缴 a\nconst fn a(x: u8) -> bool {\n    /* 费 */ x < 1\n}\n\nfn b() -> u8 {\n    \
                          fn c() -> u8 {\n        2\n    }\n    c()\n}\n";

    fn mutant(line: usize, from: usize, to: usize, replacement: &str) -> Mutant {
        let place = |column: usize| serde_json::json!({ "line": line, "column": column });
        let span = serde_json::json!({ "start": place(from), "end": place(to) });
        serde_json::from_value(serde_json::json!({
            "name": "a.rs:1:1: replace", "file": "a.rs", "replacement": replacement, "span": span,
        }))
        .unwrap()
    }

    #[test]
    fn each_change_stands_behind_its_switch_beside_what_was_there() {
        // The `<` stands behind a letter of three bytes.
        let (less, two) = (mutant(3, 15, 16, "<="), mutant(8, 9, 10, "0"));
        let numbered = BTreeMap::from([(1, &less), (2, &two)]);
        let woven = weave(SOURCE, &numbered, &BTreeSet::new()).unwrap();
        assert!(syn::parse_file(&woven.text).is_ok(), "{}", woven.text);
        let plain = woven.text.replace(['\n', ' '], "");
        let switched = "缴afna(x:u8)->bool{ifcrate::switch::any(1,1){\
                        ifcrate::switch::on(1){return{/*费*/x<=1};}}/*费*/x<1}";
        assert!(plain.contains(switched), "{plain}");
        let nested = "fnc()->u8{ifcrate::switch::any(2,2){\
                      ifcrate::switch::on(2){return{0};}}2}c()}";
        assert!(plain.contains(nested), "{plain}");
        assert!(woven.left_out.is_empty());
        let changed = woven.text.lines().position(|line| line.contains("<="));
        assert_eq!(woven.at(changed.unwrap() + 1), [1]);
        let beside = woven.text.lines().position(|line| line.contains("x < 1"));
        assert_eq!(woven.at(beside.unwrap() + 1), [1]);
        assert_eq!(woven.at(1), [0; 0]);
    }

    #[test]
    fn what_constants_call_and_what_is_in_no_function_is_left_out() {
        let (less, none) = (mutant(3, 15, 16, "<="), mutant(1, 1, 2, ""));
        let numbered = BTreeMap::from([(1, &less), (2, &none)]);
        let constant = BTreeSet::from(["a".to_owned()]);
        let woven = weave(SOURCE, &numbered, &constant).unwrap();
        assert_eq!(woven.left_out, [1, 2]);
        assert_eq!(woven.text, SOURCE);
    }
}
