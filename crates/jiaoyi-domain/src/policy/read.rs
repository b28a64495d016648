//! From TOML text to a [`Pack`], with every problem at once and its line.

use super::{
    AfterClose, Aid, Calendar, Difference, Grade, Item, ItemAmount, LatePrice, LateRule, Named,
    Origin, Pack, Payer, PhaseKind, PriceRow, Problem, Scheme, Share, SharePart, StartBase,
    StartRule, Status, Window,
};
use crate::money::Fen;
use crate::time::Date;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The longest grace a region may give, in minutes (DESIGN.md 2).
const GRACE_MINUTES_MAX: u8 = 30;

/// Minutes of a day.
const DAY_MINUTES: u16 = 1_440;

const TOP: [&str; 21] = [
    "region",
    "region_name",
    "benefit_year",
    "notice_year",
    "scheme",
    "status",
    "grade",
    "source",
    "notes",
    "grace_minutes",
    "after_close",
    "difference",
    "benefit",
    "late",
    "category",
    "tier",
    "price",
    "aid",
    "window",
    "calendar",
    "version",
];

/// See [`Pack::parse`].
pub(super) fn read(file: &str, text: &str) -> Result<Pack, Vec<Problem>> {
    let mut reader = Reader::new(file, text);
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let line = reader.line_at(at);
            let what = format!("not TOML: {}", error.message().replace('\n', " "));
            reader.report("policy.syntax", line, "", what, "correct the line");
            return Err(reader.problems);
        }
    };
    let top = Table {
        path: String::new(),
        line: 1,
        map: root.get_ref(),
    };
    let pack = reader.pack(&top, text);
    match pack {
        Some(pack) if reader.problems.is_empty() => Ok(Pack {
            lines: reader.lines,
            ..pack
        }),
        _ => {
            reader.problems.sort_by_key(|problem| problem.line);
            Err(reader.problems)
        }
    }
}

/// A table of the file with its path.
struct Table<'t> {
    path: String,
    line: usize,
    map: &'t DeTable<'t>,
}

impl Table<'_> {
    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

struct Reader<'a> {
    file: &'a str,
    /// Byte offset at which each line begins.
    starts: Vec<usize>,
    lines: BTreeMap<String, usize>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str, text: &str) -> Reader<'a> {
        let mut starts = vec![0];
        starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        Reader {
            file,
            starts,
            lines: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    fn line_at(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    fn report(&mut self, code: &'static str, line: usize, field: &str, what: String, fix: &str) {
        self.problems.push(Problem {
            code,
            file: self.file.to_owned(),
            line,
            field: field.to_owned(),
            what,
            fix: fix.to_owned(),
        });
    }

    /// Refuses fields that nobody reads: a misspelt field would silently change a price.
    fn only(&mut self, table: &Table<'_>, known: &[&str]) {
        for (key, _) in table.map {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let line = self.line_at(key.span().start);
                let near = nearest(name, known);
                let what = "there is no such field".to_owned();
                let fix = format!("did you mean {near}?");
                self.report(
                    "policy.unknown_field",
                    line,
                    &table.path_of(name),
                    what,
                    &fix,
                );
            }
        }
    }

    fn value<'t>(&mut self, table: &Table<'t>, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        let value = table.map.get(key)?;
        let line = self.line_at(value.span().start);
        self.lines.insert(table.path_of(key), line);
        Some(value)
    }

    /// Reads one value by `convert`; reports what was expected when it does not fit.
    fn get<T>(
        &mut self,
        table: &Table<'_>,
        key: &str,
        expected: &str,
        convert: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(table, key)?;
        let converted = convert(value.get_ref());
        if converted.is_none() {
            let line = self.line_at(value.span().start);
            let what = format!("is not {expected}");
            let fix = format!("write {expected}");
            self.report("policy.value", line, &table.path_of(key), what, &fix);
        }
        converted
    }

    /// Like [`Reader::get`], and the field must be there.
    fn need<T>(
        &mut self,
        table: &Table<'_>,
        key: &str,
        expected: &str,
        convert: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Option<T> {
        if !table.map.iter().any(|(name, _)| name.get_ref() == key) {
            let fix = format!("add {key} = {expected}");
            let what = "is missing".to_owned();
            self.report(
                "policy.missing",
                table.line,
                &table.path_of(key),
                what,
                &fix,
            );
            return None;
        }
        self.get(table, key, expected, convert)
    }

    fn text(&mut self, table: &Table<'_>, key: &str) -> Option<String> {
        self.get(table, key, "a text in quotation marks", as_text)
    }

    fn coded<T>(
        &mut self,
        table: &Table<'_>,
        key: &str,
        from: impl Fn(&str) -> Option<T>,
        codes: &[&str],
    ) -> Option<T> {
        let expected = format!("one of {}", codes.join(", "));
        self.get(table, key, &expected, |value| from(value.as_str()?))
    }

    fn money(&mut self, table: &Table<'_>, key: &str) -> Option<Fen> {
        self.get(
            table,
            key,
            "whole yuan (400) or yuan in quotation marks (\"400.50\")",
            as_money,
        )
    }

    fn date(&mut self, table: &Table<'_>, key: &str) -> Option<Date> {
        self.get(table, key, "a date such as 2026-09-01", as_date)
    }

    fn texts(&mut self, table: &Table<'_>, key: &str) -> Vec<String> {
        let expected = "a list of texts";
        self.get(table, key, expected, |value| match value {
            DeValue::String(text) => Some(vec![text.to_string()]),
            other => other
                .as_array()?
                .iter()
                .map(|v| as_text(v.get_ref()))
                .collect(),
        })
        .unwrap_or_default()
    }

    /// The tables of an array such as `[[price]]`.
    fn tables<'t>(&mut self, table: &Table<'t>, key: &str) -> Vec<Table<'t>> {
        let Some(value) = self.value(table, key) else {
            return Vec::new();
        };
        let line = self.line_at(value.span().start);
        let Some(array) = value.get_ref().as_array() else {
            let what = "is not a list of tables".to_owned();
            let fix = format!("write [[{key}]] above each");
            self.report("policy.value", line, &table.path_of(key), what, &fix);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (index, value) in array.iter().enumerate() {
            let path = format!("{}[{}]", table.path_of(key), index + 1);
            let line = self.line_at(value.span().start);
            self.lines.insert(path.clone(), line);
            match value.get_ref().as_table() {
                Some(map) => tables.push(Table { path, line, map }),
                None => {
                    let what = "is not a table".to_owned();
                    self.report("policy.value", line, &path, what, "write { … }");
                }
            }
        }
        tables
    }

    fn table<'t>(&mut self, table: &Table<'t>, key: &str) -> Option<Table<'t>> {
        let value = self.value(table, key)?;
        let line = self.line_at(value.span().start);
        let path = table.path_of(key);
        if let Some(map) = value.get_ref().as_table() {
            return Some(Table { path, line, map });
        }
        let fix = format!("write [{key}] above its fields");
        self.report(
            "policy.value",
            line,
            &path,
            "is not a table".to_owned(),
            &fix,
        );
        None
    }

    fn pack(&mut self, top: &Table<'_>, text: &str) -> Option<Pack> {
        self.only(top, &TOP);
        let region = self.get(top, "region", "six digits in quotation marks", as_region);
        let region_name = self.text(top, "region_name").unwrap_or_default();
        let benefit_year = self.need(top, "benefit_year", "a year such as 2027", as_year);
        let status = self.need(top, "status", "example, draft or in_force", |value| {
            Status::from_code(value.as_str()?)
        });
        let scheme = self.need(top, "scheme", "\"resident_medical\"", |value| {
            Scheme::from_code(value.as_str()?)
        });
        let grace = format!("minutes from 0 to {GRACE_MINUTES_MAX}");
        let grace_minutes = self.get(top, "grace_minutes", &grace, |value| {
            as_small(value).filter(|minutes| *minutes <= GRACE_MINUTES_MAX)
        });
        Some(Pack {
            file: self.file.to_owned(),
            digest: Sha256::digest(text.as_bytes()).into(),
            region,
            region_name,
            notice_year: self.get(top, "notice_year", "a year such as 2026", as_year),
            grade: self.coded(top, "grade", Grade::from_code, &["A", "B", "C", "M"]),
            source: self.text(top, "source"),
            notes: self.texts(top, "notes"),
            grace_minutes: grace_minutes.unwrap_or(0),
            after_close: self.coded(
                top,
                "after_close",
                AfterClose::from_code,
                &["keep", "surplus"],
            ),
            difference: self.coded(
                top,
                "difference",
                Difference::from_code,
                &["keep", "refund"],
            ),
            benefit: self.benefit(top),
            late: self.late(top),
            categories: self.named(top, "category"),
            tiers: self.named(top, "tier"),
            prices: self.prices(top),
            aids: self.aids(top),
            windows: self.windows(top),
            calendars: self.calendars(top),
            lines: BTreeMap::new(),
            benefit_year: benefit_year?,
            status: status?,
            scheme: scheme?,
        })
    }

    fn benefit(&mut self, top: &Table<'_>) -> Option<(Date, Date)> {
        let table = self.table(top, "benefit")?;
        self.only(&table, &["first", "last"]);
        let first = self.need(&table, "first", "a date such as 2027-01-01", as_date);
        let last = self.need(&table, "last", "a date such as 2027-12-31", as_date);
        Some((first?, last?))
    }

    fn late(&mut self, top: &Table<'_>) -> Option<LateRule> {
        let table = self.table(top, "late")?;
        self.only(&table, &["price", "aid"]);
        let price = self.need(&table, "price", "own, own_and_fiscal or fixed", |value| {
            LatePrice::from_code(value.as_str()?)
        });
        let aid = self.need(&table, "aid", "true or false", |value| value.as_bool());
        Some(LateRule {
            price: price?,
            aid: aid?,
        })
    }

    fn code(&mut self, table: &Table<'_>, key: &str) -> Option<String> {
        let expected = "small letters, digits and _ in quotation marks";
        self.need(table, key, expected, |value| {
            let code = value.as_str()?;
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            (!code.is_empty() && code.bytes().all(plain)).then(|| code.to_owned())
        })
    }

    fn name(&mut self, table: &Table<'_>) -> Option<Named> {
        let code = self.code(table, "code");
        let name_zh = self.text(table, "name_zh").unwrap_or_default();
        let name_en = self.text(table, "name_en").unwrap_or_default();
        Some(Named {
            code: code?,
            name_zh,
            name_en,
        })
    }

    fn named(&mut self, top: &Table<'_>, key: &str) -> Vec<Named> {
        let mut all = Vec::new();
        for table in self.tables(top, key) {
            self.only(&table, &["code", "name_zh", "name_en"]);
            all.extend(self.name(&table));
        }
        all
    }

    fn origin(&mut self, table: &Table<'_>) -> Origin {
        Origin {
            source: self.text(table, "source"),
            grade: self.coded(table, "grade", Grade::from_code, &["A", "B", "C", "M"]),
            note: self.text(table, "note"),
        }
    }

    fn prices(&mut self, top: &Table<'_>) -> Vec<PriceRow> {
        let mut prices = Vec::new();
        for table in self.tables(top, "price") {
            let known = [
                "category",
                "tier",
                "medical",
                "long_term_care",
                "arrears",
                "late",
                "fiscal",
                "source",
                "grade",
                "note",
            ];
            self.only(&table, &known);
            let category = self.code(&table, "category");
            let mut items = Vec::new();
            for item in Item::ALL {
                if let Some(amount) = self.money(&table, item.code()) {
                    items.push(ItemAmount {
                        item: *item,
                        amount,
                    });
                }
            }
            let row = PriceRow {
                category: category.unwrap_or_default(),
                tier: self.text(&table, "tier"),
                items,
                late: self.money(&table, "late"),
                fiscal: self.money(&table, "fiscal"),
                origin: self.origin(&table),
            };
            prices.push(row);
        }
        prices
    }

    fn aids(&mut self, top: &Table<'_>) -> Vec<Aid> {
        let mut aids = Vec::new();
        for table in self.tables(top, "aid") {
            let known = [
                "code",
                "name_zh",
                "name_en",
                "categories",
                "tier",
                "covers",
                "own",
                "payers",
                "source",
                "grade",
                "note",
            ];
            self.only(&table, &known);
            let named = self.name(&table);
            let covers = self.get(
                &table,
                "covers",
                "a list of medical, long_term_care, arrears",
                |v| {
                    let items = v.as_array()?.iter();
                    items
                        .map(|item| Item::from_code(item.get_ref().as_str()?))
                        .collect()
                },
            );
            let aid = Aid {
                named: named.unwrap_or_else(|| Named {
                    code: String::new(),
                    name_zh: String::new(),
                    name_en: String::new(),
                }),
                categories: self.texts(&table, "categories"),
                tier: self.text(&table, "tier"),
                covers: covers.unwrap_or_else(|| vec![Item::Medical]),
                own: self.money(&table, "own"),
                payers: self.payers(&table),
                origin: self.origin(&table),
            };
            aids.push(aid);
        }
        aids
    }

    fn payers(&mut self, aid: &Table<'_>) -> Vec<Share> {
        let mut shares = Vec::new();
        for table in self.tables(aid, "payers") {
            self.only(&table, &["payer", "amount", "percent", "rest"]);
            let codes = "medical_aid, city, county or collective";
            let payer = self.need(&table, "payer", codes, |value| {
                Payer::from_code(value.as_str()?)
            });
            let amount = self.money(&table, "amount").map(SharePart::Fixed);
            let percent = self.get(&table, "percent", "a whole number from 1 to 100", |value| {
                as_small(value).filter(|percent| (1..=100).contains(percent))
            });
            let rest = self.get(&table, "rest", "true", |v| v.as_bool().filter(|rest| *rest));
            let parts = [
                amount,
                percent.map(SharePart::Percent),
                rest.map(|_| SharePart::Rest),
            ];
            let given: Vec<SharePart> = parts.into_iter().flatten().collect();
            match (payer, given.as_slice()) {
                (Some(payer), [part]) => shares.push(Share { payer, part: *part }),
                (Some(_), _) => {
                    let what = "needs exactly one of amount, percent, rest".to_owned();
                    let fix = "keep one of them";
                    self.report("policy.value", table.line, &table.path, what, fix);
                }
                (None, _) => {}
            }
        }
        shares
    }

    fn windows(&mut self, top: &Table<'_>) -> Vec<Window> {
        let mut windows = Vec::new();
        for table in self.tables(top, "window") {
            let known = ["phase", "first", "last", "channel", "start", "wait_months"];
            self.only(&table, &known);
            let phase = self.need(&table, "phase", "in_window or late", |value| {
                PhaseKind::from_code(value.as_str()?)
            });
            let bases = ["year_start", "payment_day", "next_day", "next_month"];
            let base = self.coded(&table, "start", StartBase::from_code, &bases);
            let wait = self.get(&table, "wait_months", "months from 0 to 24", |value| {
                as_small(value).filter(|months| *months <= 24)
            });
            let window = Window {
                phase: phase.unwrap_or(PhaseKind::InWindow),
                first: self.date(&table, "first"),
                last: self.date(&table, "last"),
                channel: self.text(&table, "channel"),
                start: base.map(|base| StartRule {
                    base,
                    wait_months: wait.unwrap_or(0),
                }),
            };
            windows.push(window);
        }
        windows
    }

    fn calendars(&mut self, top: &Table<'_>) -> Vec<Calendar> {
        let mut calendars = Vec::new();
        for table in self.tables(top, "calendar") {
            let known = [
                "channel", "months", "days", "hours", "closed", "source", "grade", "note",
            ];
            self.only(&table, &known);
            let months = self.get(&table, "months", "months such as [12]", |value| {
                let months: Option<Vec<u8>> = value.as_array()?.iter().map(as_item).collect();
                months.filter(|all| all.iter().all(|month| (1..=12).contains(month)))
            });
            let days = self.get(
                &table,
                "days",
                "a first and a last day such as [1, 25]",
                |v| {
                    pair(v, as_small)
                        .filter(|(first, last)| 1 <= *first && first <= last && *last <= 31)
                },
            );
            let hours = "two times such as [\"09:00\", \"17:00\"]";
            let hours = self.get(&table, "hours", hours, |value| {
                pair(value, as_minutes).filter(|(from, until)| from < until)
            });
            let closed = self.get(&table, "closed", "dates such as [2027-01-01]", |value| {
                let days = value.as_array()?.iter();
                days.map(|day| as_date(day.get_ref())).collect()
            });
            calendars.push(Calendar {
                channel: self.text(&table, "channel"),
                months: months.unwrap_or_default(),
                days: days.unwrap_or((1, 31)),
                hours: hours.unwrap_or((0, DAY_MINUTES)),
                closed: closed.unwrap_or_default(),
                origin: self.origin(&table),
            });
        }
        calendars
    }
}

fn as_item(value: &Spanned<DeValue<'_>>) -> Option<u8> {
    as_small(value.get_ref())
}

/// Two values.
fn pair<T: Copy>(
    value: &DeValue<'_>,
    convert: impl Fn(&DeValue<'_>) -> Option<T>,
) -> Option<(T, T)> {
    let all = value.as_array()?.iter();
    let all: Option<Vec<T>> = all.map(|one| convert(one.get_ref())).collect();
    match all?[..] {
        [first, second] => Some((first, second)),
        _ => None,
    }
}

/// Minutes of `HH:MM`, up to 24:00.
fn as_minutes(value: &DeValue<'_>) -> Option<u16> {
    let (hour, minute) = value.as_str()?.split_once(':')?;
    let two = |text: &str| {
        (text.len() == 2)
            .then(|| text.parse::<u16>().ok())
            .flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let all = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && all <= DAY_MINUTES).then_some(all)
}

fn as_text(value: &DeValue<'_>) -> Option<String> {
    value.as_str().map(|text| text.trim().to_owned())
}

fn as_integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    (integer.radix() == 10)
        .then(|| integer.as_str().parse().ok())
        .flatten()
}

fn as_small(value: &DeValue<'_>) -> Option<u8> {
    u8::try_from(as_integer(value)?).ok()
}

fn as_year(value: &DeValue<'_>) -> Option<i16> {
    let year = i16::try_from(as_integer(value)?).ok()?;
    (1998..=2200).contains(&year).then_some(year)
}

fn as_region(value: &DeValue<'_>) -> Option<String> {
    let code = value.as_str()?;
    (code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit())).then(|| code.to_owned())
}

/// Whole yuan as a number, or yuan with decimals as text: a TOML float would not be exact.
fn as_money(value: &DeValue<'_>) -> Option<Fen> {
    if let Some(text) = value.as_str() {
        return Fen::parse_yuan(text);
    }
    let yuan = u32::try_from(as_integer(value)?).ok()?;
    Some(Fen::from_yuan(yuan))
}

fn as_date(value: &DeValue<'_>) -> Option<Date> {
    if let Some(text) = value.as_str() {
        return text.parse().ok();
    }
    let stamp = value.as_datetime()?;
    if stamp.time.is_some() || stamp.offset.is_some() {
        return None;
    }
    let date = stamp.date?;
    let (month, day) = (i8::try_from(date.month), i8::try_from(date.day));
    Date::new(i16::try_from(date.year).ok()?, month.ok()?, day.ok()?).ok()
}

/// The known field that takes the fewest changes to become a misspelt one.
fn nearest<'k>(name: &str, known: &[&'k str]) -> &'k str {
    known
        .iter()
        .copied()
        .min_by_key(|other| strsim::levenshtein(name, other))
        .unwrap_or("")
}
