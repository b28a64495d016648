//! A pack as plain text for `jiaoyi policy show`, in Chinese and English side by side: every figure
//! with its source and grade.

use super::{Aid, Grade, Item, Named, Origin, Pack, PriceRow, SharePart, Status, Window};
use crate::money::Fen;
use crate::time::Date;
use std::fmt::Write;

/// What stands for a part that no source told.
const NOT_FOUND: &str = "未查到 not found";

/// The whole pack as text of some tables; missing parts are shown as 未查到.
#[must_use]
pub fn show(pack: &Pack) -> String {
    let mut text = String::new();
    head(&mut text, pack);
    windows(&mut text, pack);
    calendars(&mut text, pack);
    prices(&mut text, pack);
    aids(&mut text, pack);
    for note in &pack.notes {
        line(&mut text, &["注 note", note]);
    }
    if pack.status != Status::InForce {
        let warning = "本文件是示例或草稿，不能据此缴费 an example or a draft, not payable";
        line(&mut text, &["注意 attention", warning]);
    }
    text
}

fn head(text: &mut String, pack: &Pack) {
    let or = |value: Option<String>| value.unwrap_or_else(|| NOT_FOUND.to_owned());
    let region = or(pack.region.clone());
    line(text, &["地区 region", &region, &pack.region_name]);
    let scheme = both(pack.scheme.name_zh(), pack.scheme.name_en());
    line(text, &["险种 scheme", &scheme]);
    let year = pack.benefit_year.to_string();
    let notice = or(pack.notice_year.map(|year| year.to_string()));
    let years = ["待遇年度 benefit year", &year, "通知年度 notice", &notice];
    line(text, &years);
    let status = both(pack.status.name_zh(), pack.status.name_en());
    line(text, &["状态 status", &status]);
    let grade = |grade: Grade| {
        format!(
            "{} {}",
            grade.code(),
            both(grade.name_zh(), grade.name_en())
        )
    };
    line(text, &["来源 source", &or(pack.source.clone())]);
    line(text, &["等级 grade", &or(pack.grade.map(grade))]);
    let period = pack
        .benefit
        .map(|(first, last)| format!("{first} – {last}"));
    line(text, &["待遇期 benefit period", &or(period)]);
    let late = pack.late.map(|late| {
        let aid = if late.aid {
            "享受资助 with aid"
        } else {
            "不享受资助 without aid"
        };
        format!(
            "{}，{aid}",
            both(late.price.name_zh(), late.price.name_en())
        )
    });
    line(text, &["补缴价格 late price", &or(late)]);
}

fn windows(text: &mut String, pack: &Pack) {
    text.push_str("\n缴费期 levy windows\n");
    if pack.windows.is_empty() {
        line(text, &["", NOT_FOUND]);
    }
    for window in &pack.windows {
        let phase = both(window.phase.name_zh(), window.phase.name_en());
        let channel = window.channel.as_deref().unwrap_or("各渠道 all channels");
        let days = format!("{} – {}", day(window.first), day(window.last));
        line(text, &["", &phase, &days, channel, &start(window)]);
    }
}

fn calendars(text: &mut String, pack: &Pack) {
    if pack.calendars.is_empty() {
        return;
    }
    text.push_str("\n受理日历 days and hours (Beijing)\n");
    for row in &pack.calendars {
        let channel = row.channel.as_deref().unwrap_or("各渠道 all channels");
        let of: Vec<String> = row.months.iter().map(u8::to_string).collect();
        let months = match of.as_slice() {
            [] => "其余各月 other months".to_owned(),
            of => format!("{} 月 month", of.join("、")),
        };
        let days = format!("{}–{} 日 day", row.days.0, row.days.1);
        let (from, until) = (clock(row.hours.0), clock(row.hours.1));
        let closed: Vec<String> = row.closed.iter().map(Date::to_string).collect();
        let closed = match closed.as_slice() {
            [] => String::new(),
            days => format!("停办 closed {}", days.join(" ")),
        };
        let hours = format!("{from}–{until}");
        let told = origin(&row.origin, pack);
        line(text, &["", channel, &months, &days, &hours, &closed, &told]);
    }
}

/// Minutes of a day as `HH:MM`.
#[must_use]
pub fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

fn start(window: &Window) -> String {
    let told = match window.start {
        None => NOT_FOUND.to_owned(),
        Some(rule) => {
            let base = both(rule.base.name_zh(), rule.base.name_en());
            match rule.wait_months {
                0 => base,
                months => format!("{base} + {months} 个月 months"),
            }
        }
    };
    format!("待遇起点 benefits from {told}")
}

fn prices(text: &mut String, pack: &Pack) {
    text.push_str("\n个人缴费标准 own part (元/人/年 yuan a person and year)\n");
    if pack.prices.is_empty() {
        line(text, &["", NOT_FOUND]);
    }
    for row in &pack.prices {
        let category = name(pack.category(&row.category), &row.category);
        let tier = row.tier.as_deref().map(|code| name(pack.tier(code), code));
        let whom = [Some(category), tier].into_iter().flatten();
        let whom = whom.collect::<Vec<_>>().join(" ");
        let fiscal = format!("财政补助 fiscal part {}", money(row.fiscal));
        line(
            text,
            &[
                "",
                &whom,
                &amounts(row),
                &fiscal,
                &origin(&row.origin, pack),
            ],
        );
    }
}

fn amounts(row: &PriceRow) -> String {
    if row.items.is_empty() {
        return NOT_FOUND.to_owned();
    }
    let part = |part: &super::ItemAmount| match part.item {
        Item::Medical => part.amount.to_string(),
        other => {
            let name = both(other.name_zh(), &other.name_en().to_lowercase());
            format!("{name} {}", part.amount)
        }
    };
    row.items.iter().map(part).collect::<Vec<_>>().join(" + ")
}

fn aids(text: &mut String, pack: &Pack) {
    if pack.aids.is_empty() {
        return;
    }
    text.push_str("\n资助身份 aid statuses\n");
    for aid in &pack.aids {
        let own = format!("个人缴 own part {}", money(aid.own));
        let own = if aid.own.is_none() && !aid.payers.is_empty() {
            String::new()
        } else {
            own
        };
        let whom = name(Some(&aid.named), &aid.named.code);
        line(
            text,
            &["", &whom, &own, &payers(aid), &origin(&aid.origin, pack)],
        );
    }
}

fn payers(aid: &Aid) -> String {
    if aid.payers.is_empty() {
        return format!("资助主体 payers {NOT_FOUND}");
    }
    let part = |share: &super::Share| {
        let payer = both(share.payer.name_zh(), share.payer.name_en());
        match share.part {
            SharePart::Fixed(amount) => format!("{payer} {amount}"),
            SharePart::Percent(percent) => format!("{payer} {percent}%"),
            SharePart::Rest => format!("{payer} 其余 the rest"),
        }
    };
    aid.payers.iter().map(part).collect::<Vec<_>>().join(" → ")
}

/// The row's own source and grade, or the pack's.
fn origin(origin: &Origin, pack: &Pack) -> String {
    let grade = origin
        .grade
        .or(pack.grade)
        .map_or(NOT_FOUND, |grade| grade.code());
    let source = origin.source.as_deref().or(pack.source.as_deref());
    let note = origin.note.as_deref().map(|note| format!("; {note}"));
    let note = note.unwrap_or_default();
    format!("[{grade}] {}{note}", source.unwrap_or(NOT_FOUND))
}

fn name(named: Option<&Named>, code: &str) -> String {
    match named {
        Some(named) if !named.name_zh.is_empty() => both(&named.name_zh, &named.name_en),
        _ => code.to_owned(),
    }
}

/// The Chinese name and the English one behind it.
fn both(zh: &str, en: &str) -> String {
    format!("{zh} {en}").trim_end().to_owned()
}

fn money(amount: Option<Fen>) -> String {
    amount.map_or_else(|| NOT_FOUND.to_owned(), |amount| amount.to_string())
}

fn day(date: Option<Date>) -> String {
    date.map_or_else(|| NOT_FOUND.to_owned(), |date| date.to_string())
}

/// One line of cells two blanks apart; empty cells indent or vanish.
fn line(text: &mut String, cells: &[&str]) {
    let (indent, cells) = match cells {
        ["", rest @ ..] => ("  ", rest),
        all => ("", all),
    };
    let shown: Vec<&str> = cells
        .iter()
        .copied()
        .filter(|cell| !cell.is_empty())
        .collect();
    let _ = writeln!(text, "{indent}{}", shown.join("  "));
}
