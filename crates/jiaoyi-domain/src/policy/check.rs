//! Whether a pack is complete and free of contradictions, so that it may publish dues.

use super::price::{holds_for, subsidies, sum, wanted};
use super::window::span;
use super::{
    Aid, Item, LatePrice, Named, Pack, PhaseKind, PriceRow, Problem, SharePart, StartBase, Status,
    Window,
};
use crate::channel::ChannelCode;
use crate::money::Fen;
use crate::region::RegionTable;
use crate::time::Date;
use jiff::ToSpan;
use std::sync::Arc;

/// No amount of a pack is larger; a larger one is a slip of the keyboard.
pub(super) const AMOUNT_MAX: Fen = Fen::from_yuan(100_000);

/// A complete pack of status `in_force`: the only kind that prices persons and publishes dues.
/// Cheap to clone: whoever prices a bill keeps the pack it was priced under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    pack: Arc<Pack>,
    region: String,
    benefit: (Date, Date),
}

impl InForce {
    /// Checks a pack and takes it into force.
    ///
    /// # Errors
    ///
    /// Every problem that [`Pack::check`] finds, or that its status is not `in_force`.
    pub fn try_new(pack: Pack) -> Result<InForce, Vec<Problem>> {
        let mut problems = pack.check();
        if pack.status != Status::InForce {
            let what = format!("is {}; only in_force publishes dues", pack.status.code());
            let fix = "show it, or set in_force when it is complete";
            problems.insert(0, pack.problem("policy.status", "status", what, fix));
        }
        match (pack.region.clone(), pack.benefit) {
            (Some(region), Some(benefit)) if problems.is_empty() => Ok(InForce {
                pack: Arc::new(pack),
                region,
                benefit,
            }),
            _ => Err(problems),
        }
    }

    /// The pack itself.
    #[must_use]
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    /// Six digits of the pooling region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// First and last day of the benefit period.
    #[must_use]
    pub const fn benefit(&self) -> (Date, Date) {
        self.benefit
    }
}

impl Pack {
    /// Everything that keeps this pack from being in force.
    ///
    /// A pack of status `example` or `draft` may have missing parts: for it only contradictions
    /// are reported.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let mut check = Check {
            pack: self,
            complete: self.status == Status::InForce,
            problems: Vec::new(),
        };
        check.head();
        check.names("category", &self.categories);
        check.names("tier", &self.tiers);
        check.prices();
        check.aids();
        check.windows();
        check.calendars();
        check.problems.sort_by_key(|problem| problem.line);
        check.problems
    }

    /// The problem of a region whose code is in none of the tables; a missing region is
    /// [`Pack::check`]'s to report.
    #[must_use]
    pub fn check_region(&self, regions: &RegionTable) -> Option<Problem> {
        let code = self.region.as_deref()?;
        if regions.get(code).is_some() {
            return None;
        }
        let what = format!("{code} is in no table of regions");
        let fix =
            "write the six digits of a region that is (those of 99xxxx only with demo = true)";
        Some(self.problem("policy.region_unknown", "region", what, fix))
    }
}

struct Check<'p> {
    pack: &'p Pack,
    /// Whether missing parts are problems too.
    complete: bool,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn report(&mut self, code: &'static str, field: &str, what: String, fix: &str) {
        let problem = self.pack.problem(code, field, what, fix);
        self.problems.push(problem);
    }

    fn missing(&mut self, is_missing: bool, field: &str, fix: &str) {
        if is_missing && self.complete {
            self.report("policy.missing", field, "is missing".to_owned(), fix);
        }
    }

    fn head(&mut self) {
        let pack = self.pack;
        self.missing(
            pack.region.is_none(),
            "region",
            "add the six digits of the region",
        );
        self.missing(
            pack.notice_year.is_none(),
            "notice_year",
            "add the year of the notice",
        );
        self.missing(
            pack.grade.is_none(),
            "grade",
            "say how well it is attested: A, B, C or M",
        );
        self.missing(pack.source.is_none(), "source", "name the document");
        self.missing(
            pack.benefit.is_none(),
            "benefit",
            "add [benefit] with first and last",
        );
        self.missing(
            pack.after_close.is_none(),
            "after_close",
            "write keep or surplus",
        );
        self.missing(
            pack.difference.is_none(),
            "difference",
            "write keep or refund",
        );
        self.missing(pack.categories.is_empty(), "category", "add a [[category]]");
        if let Some((first, last)) = pack.benefit {
            if first > last {
                let what = format!("{first} is after the last day {last}");
                self.report(
                    "policy.order",
                    "benefit.first",
                    what,
                    "exchange or correct the days",
                );
            } else if pack.benefit_year != first.year() && pack.benefit_year != last.year() {
                let what = format!("lies outside the benefit year {}", pack.benefit_year);
                self.report(
                    "policy.contradiction",
                    "benefit",
                    what,
                    "correct one of them",
                );
            }
        }
    }

    fn names(&mut self, kind: &str, all: &[Named]) {
        for (index, named) in all.iter().enumerate() {
            let path = format!("{kind}[{}]", index + 1);
            self.name(&path, named);
            if all[..index].iter().any(|other| other.code == named.code) {
                let what = format!("{} stands twice", named.code);
                self.report(
                    "policy.duplicate",
                    &format!("{path}.code"),
                    what,
                    "remove one",
                );
            }
        }
    }

    fn name(&mut self, path: &str, named: &Named) {
        let fix = "add the name that payers read";
        self.missing(named.name_zh.is_empty(), &format!("{path}.name_zh"), fix);
        self.missing(named.name_en.is_empty(), &format!("{path}.name_en"), fix);
    }

    fn prices(&mut self) {
        let pack = self.pack;
        for (index, named) in pack.categories.iter().enumerate() {
            let mut rows = pack.prices.iter().filter(|row| row.category == named.code);
            let path = format!("category[{}]", index + 1);
            self.missing(rows.next().is_none(), &path, "add a [[price]] for it");
        }
        for (index, row) in pack.prices.iter().enumerate() {
            let path = format!("price[{}]", index + 1);
            self.price(&path, row);
            let clash = pack.prices[..index].iter().any(|other| {
                let mixed = other.tier.is_none() || row.tier.is_none();
                other.category == row.category && (mixed || other.tier == row.tier)
            });
            if clash {
                let what = format!("{} has two prices for one person", row.category);
                self.report(
                    "policy.duplicate",
                    &path,
                    what,
                    "remove one, or give each a tier",
                );
            }
        }
    }

    fn price(&mut self, path: &str, row: &PriceRow) {
        let pack = self.pack;
        if pack.category(&row.category).is_none() {
            let what = format!("there is no category {}", row.category);
            let field = format!("{path}.category");
            self.report("policy.unknown_code", &field, what, "add the [[category]]");
        }
        if let Some(tier) = row.tier.as_deref().filter(|tier| pack.tier(tier).is_none()) {
            let what = format!("there is no tier {tier}");
            let field = format!("{path}.tier");
            self.report("policy.unknown_code", &field, what, "add the [[tier]]");
        }
        let medical = row.items.iter().find(|part| part.item == Item::Medical);
        let fix = "add the yuan that a person pays";
        self.missing(medical.is_none(), &format!("{path}.medical"), fix);
        let rule = pack.late.map(|late| late.price);
        let fix = "add what the budget pays; late payers pay it";
        let lacks = rule == Some(LatePrice::OwnAndFiscal) && row.fiscal.is_none();
        self.missing(lacks, &format!("{path}.fiscal"), fix);
        let lacks = rule == Some(LatePrice::Fixed) && row.late.is_none();
        self.missing(lacks, &format!("{path}.late"), "add the late price");
        let named = row.items.iter().map(|part| (part.item.code(), part.amount));
        let more = [("late", row.late), ("fiscal", row.fiscal)];
        let more = more
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        for (key, amount) in named.chain(more) {
            if amount > AMOUNT_MAX {
                let what = format!("{amount} yuan is more than {AMOUNT_MAX}");
                let field = format!("{path}.{key}");
                self.report("policy.value", &field, what, "write yuan, not fen");
            }
        }
    }

    fn aids(&mut self) {
        let pack = self.pack;
        for (index, aid) in pack.aids.iter().enumerate() {
            let path = format!("aid[{}]", index + 1);
            self.name(&path, &aid.named);
            if pack.aids[..index]
                .iter()
                .any(|other| other.named.code == aid.named.code)
            {
                let what = format!("{} stands twice", aid.named.code);
                self.report(
                    "policy.duplicate",
                    &format!("{path}.code"),
                    what,
                    "remove one",
                );
            }
            for code in aid
                .categories
                .iter()
                .filter(|code| pack.category(code).is_none())
            {
                let what = format!("there is no category {code}");
                let field = format!("{path}.categories");
                self.report("policy.unknown_code", &field, what, "add the [[category]]");
            }
            if let Some(tier) = aid.tier.as_deref().filter(|tier| pack.tier(tier).is_none()) {
                let what = format!("there is no tier {tier}");
                let field = format!("{path}.tier");
                self.report("policy.unknown_code", &field, what, "add the [[tier]]");
            }
            self.missing(
                aid.payers.is_empty(),
                &format!("{path}.payers"),
                "say who pays",
            );
            let mut rows = pack.prices.iter().filter(|row| holds_for(aid, row));
            self.missing(
                rows.next().is_none(),
                &path,
                "it holds for no price; remove it",
            );
            self.payers(&path, aid);
        }
    }

    /// The payers against every price they are for.
    fn payers(&mut self, path: &str, aid: &Aid) {
        let field = format!("{path}.payers");
        let rest = aid
            .payers
            .iter()
            .position(|share| share.part == SharePart::Rest);
        if rest.is_some_and(|place| place + 1 != aid.payers.len()) {
            let what = "rest leaves nothing to the payers after it".to_owned();
            self.report("policy.contradiction", &field, what, "move it to the end");
        }
        let rows = self.pack.prices.iter();
        for row in rows.filter(|row| holds_for(aid, row) && !row.items.is_empty()) {
            let covered = row
                .items
                .iter()
                .filter(|part| aid.covers.contains(&part.item));
            let base = sum(covered.map(|part| part.amount));
            let fixed = aid
                .payers
                .iter()
                .filter(|share| share.part != SharePart::Rest);
            let asked = sum(fixed.map(|share| wanted(share.part, base, Fen::ZERO)));
            let tier = row.tier.as_deref().unwrap_or("-");
            let whom = format!("category {}, tier {tier}", row.category);
            if asked > base {
                let what = format!("aid of {asked} is above the price {base} of {whom}");
                self.report(
                    "policy.aid_above_price",
                    &field,
                    what,
                    "lower it, or limit the aid",
                );
                continue;
            }
            let gross = sum(row.items.iter().map(|part| part.amount));
            let given = subsidies(aid, &row.items, &row.items);
            let own = gross.checked_sub(sum(given.iter().map(|s| s.amount)));
            if let (Some(want), Some(own), false) = (aid.own, own, aid.payers.is_empty())
                && want != own
            {
                let what = format!("says {want}, the payers leave {own} of {whom}");
                let field = format!("{path}.own");
                self.report(
                    "policy.contradiction",
                    &field,
                    what,
                    "correct own or payers",
                );
            }
        }
    }

    fn windows(&mut self) {
        let pack = self.pack;
        self.missing(pack.windows.is_empty(), "window", "add a [[window]]");
        for (index, window) in pack.windows.iter().enumerate() {
            let path = format!("window[{}]", index + 1);
            let fix = "add the day";
            self.missing(window.first.is_none(), &format!("{path}.first"), fix);
            self.missing(window.last.is_none(), &format!("{path}.last"), fix);
            let fix = "say from when benefits run";
            self.missing(window.start.is_none(), &format!("{path}.start"), fix);
            let lacks = window.phase == PhaseKind::Late && pack.late.is_none();
            self.missing(lacks, "late", "add [late] with price and aid");
            if let Some((first, last)) = span(window) {
                if first > last {
                    let what = format!("{first} is after the last day {last}");
                    let field = format!("{path}.first");
                    self.report("policy.order", &field, what, "exchange or correct the days");
                }
                self.start(&path, window, last);
            }
        }
        let mut channels: Vec<Option<&str>> =
            pack.windows.iter().map(|w| w.channel.as_deref()).collect();
        channels.sort_unstable();
        channels.dedup();
        for channel in &channels {
            self.calendar(*channel);
        }
        let lacks = !pack.windows.is_empty() && !channels.contains(&None);
        self.missing(
            lacks,
            "window",
            "add a window without channel for all others",
        );
    }

    /// Calendar rows of one channel must not speak of one month twice, and each names a channel that
    /// is.
    fn calendars(&mut self) {
        let pack = self.pack;
        for (index, row) in pack.calendars.iter().enumerate() {
            let path = format!("calendar[{}]", index + 1);
            if let Some(code) = row.channel.as_deref()
                && ChannelCode::from_code(code).is_none()
            {
                let what = format!("there is no channel {code}");
                let field = format!("{path}.channel");
                self.report(
                    "policy.unknown_code",
                    &field,
                    what,
                    "write wechat, A7 or so",
                );
            }
            let twice = pack.calendars[..index].iter().any(|other| {
                let both = other.months.iter().any(|month| row.months.contains(month));
                let neither = other.months.is_empty() && row.months.is_empty();
                other.channel == row.channel && (both || neither)
            });
            if twice {
                let what = "a month has two rows for one channel".to_owned();
                self.report(
                    "policy.duplicate",
                    &path,
                    what,
                    "remove one, or name its months",
                );
            }
        }
    }

    /// Whoever pays last must still get benefits.
    fn start(&mut self, path: &str, window: &Window, last: Date) {
        let (Some(rule), Some((_, end))) = (window.start, self.pack.benefit) else {
            return;
        };
        let base = match rule.base {
            StartBase::YearStart => return,
            StartBase::PaymentDay => last,
            StartBase::NextDay => last.saturating_add(1.day()),
            StartBase::NextMonth => last.first_of_month().saturating_add(1.month()),
        };
        let start = base.saturating_add(i32::from(rule.wait_months).months());
        if start > end {
            let what = format!("who pays on {last} is covered from {start}, after {end}");
            let field = format!("{path}.last");
            self.report(
                "policy.contradiction",
                &field,
                what,
                "end the window earlier",
            );
        }
    }

    /// The windows of one channel follow each other without gap and overlap, late ones last.
    fn calendar(&mut self, channel: Option<&str>) {
        let pack = self.pack;
        let of_channel = |(_, window): &(usize, &Window)| window.channel.as_deref() == channel;
        let windows = pack.windows.iter().enumerate().filter(of_channel);
        let mut dated: Vec<(Date, Date, PhaseKind, usize)> = windows
            .filter_map(|(index, window)| {
                let (first, last) = span(window).filter(|(first, last)| first <= last)?;
                Some((first, last, window.phase, index))
            })
            .collect();
        dated.sort_unstable();
        for pair in dated.windows(2) {
            let [(_, last, phase, _), (first, _, next_phase, index)] = pair else {
                continue;
            };
            let field = format!("window[{}].first", index + 1);
            let follows = last.saturating_add(1.day());
            if *first <= *last {
                let what = format!("{first} lies in the window that ends on {last}");
                self.report("policy.overlap", &field, what, &format!("write {follows}"));
            } else if *first != follows && self.complete {
                let what = format!("nothing holds from {follows} until {first}");
                self.report("policy.gap", &field, what, &format!("write {follows}"));
            }
            if *phase == PhaseKind::Late && *next_phase == PhaseKind::InWindow {
                let what = "an ordinary window after a late one".to_owned();
                self.report(
                    "policy.contradiction",
                    &field,
                    what,
                    "put the late window last",
                );
            }
        }
        let ordinary = dated
            .iter()
            .any(|(_, _, phase, _)| *phase == PhaseKind::InWindow);
        let lacks = !dated.is_empty() && !ordinary;
        self.missing(lacks, "window", "add an ordinary window (in_window)");
    }
}
