//! A pack as plain text for `jiaoyi policy show`: every figure with its source and grade.

use super::{Aid, Item, Named, Origin, Pack, PriceRow, SharePart, Status, Window};
use crate::money::Fen;
use crate::time::Date;
use std::fmt::Write;

/// What stands for a part that no source told.
const NOT_FOUND: &str = "未查到";

/// The whole pack as text of some tables; missing parts are shown as 未查到.
#[must_use]
pub fn show(pack: &Pack) -> String {
    let mut text = String::new();
    head(&mut text, pack);
    windows(&mut text, pack);
    prices(&mut text, pack);
    aids(&mut text, pack);
    for note in &pack.notes {
        line(&mut text, &["注", note]);
    }
    if pack.status != Status::InForce {
        let warning = "本文件是示例或草稿，不能据此缴费 (not payable)";
        line(&mut text, &["注意", warning]);
    }
    text
}

fn head(text: &mut String, pack: &Pack) {
    let or = |value: Option<String>| value.unwrap_or_else(|| NOT_FOUND.to_owned());
    let region = or(pack.region.clone());
    line(text, &["地区", &region, &pack.region_name]);
    line(text, &["险种", pack.scheme.name_zh()]);
    let year = pack.benefit_year.to_string();
    let notice = or(pack.notice_year.map(|year| year.to_string()));
    line(text, &["待遇年度", &year, "通知年度", &notice]);
    let status = format!("{} ({})", pack.status.name_zh(), pack.status.code());
    line(text, &["状态", &status]);
    let grade = or(pack.grade.map(|g| format!("{} {}", g.code(), g.name_zh())));
    line(text, &["来源", &or(pack.source.clone()), "等级", &grade]);
    let period = pack
        .benefit
        .map(|(first, last)| format!("{first} 至 {last}"));
    line(text, &["待遇期", &or(period)]);
    let late = pack.late.map(|late| {
        let aid = if late.aid {
            "享受资助"
        } else {
            "不享受资助"
        };
        format!("{},{aid}", late.price.name_zh())
    });
    line(text, &["补缴价格", &or(late)]);
}

fn windows(text: &mut String, pack: &Pack) {
    text.push_str("\n缴费期\n");
    if pack.windows.is_empty() {
        line(text, &["", NOT_FOUND]);
    }
    for window in &pack.windows {
        let channel = window.channel.as_deref().unwrap_or("各渠道");
        let days = format!("{} 至 {}", day(window.first), day(window.last));
        line(
            text,
            &["", window.phase.name_zh(), &days, channel, &start(window)],
        );
    }
}

fn start(window: &Window) -> String {
    match window.start {
        None => format!("待遇起点 {NOT_FOUND}"),
        Some(rule) if rule.wait_months == 0 => format!("待遇起点 {}", rule.base.name_zh()),
        Some(rule) => format!(
            "待遇起点 {} 加 {} 个月",
            rule.base.name_zh(),
            rule.wait_months
        ),
    }
}

fn prices(text: &mut String, pack: &Pack) {
    text.push_str("\n个人缴费标准 (元/人/年)\n");
    if pack.prices.is_empty() {
        line(text, &["", NOT_FOUND]);
    }
    for row in &pack.prices {
        let category = name(pack.category(&row.category), &row.category);
        let tier = row.tier.as_deref().map(|code| name(pack.tier(code), code));
        let whom = [Some(category), tier].into_iter().flatten();
        let whom = whom.collect::<Vec<_>>().join(" ");
        let fiscal = format!("财政补助 {}", money(row.fiscal));
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
        other => format!("{} {}", other.name_zh(), part.amount),
    };
    row.items.iter().map(part).collect::<Vec<_>>().join(" + ")
}

fn aids(text: &mut String, pack: &Pack) {
    if pack.aids.is_empty() {
        return;
    }
    text.push_str("\n资助身份\n");
    for aid in &pack.aids {
        let own = format!("个人缴 {}", money(aid.own));
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
        return format!("资助主体 {NOT_FOUND}");
    }
    let part = |share: &super::Share| match share.part {
        SharePart::Fixed(amount) => format!("{} {amount}", share.payer.name_zh()),
        SharePart::Percent(percent) => format!("{} {percent}%", share.payer.name_zh()),
        SharePart::Rest => format!("{} 其余", share.payer.name_zh()),
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
        Some(named) if !named.name_zh.is_empty() => named.name_zh.clone(),
        _ => code.to_owned(),
    }
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
