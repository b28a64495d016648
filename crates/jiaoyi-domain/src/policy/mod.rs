//! Region-year policy packs: what one pooling region asks for one benefit year, and when.
//!
//! A [`Pack`] is what a file says; it may be incomplete. An [`InForce`] is a pack of status
//! `in_force` that passed every check, so its functions are total: only it can price a person,
//! judge a day and publish dues. Packs of status `example` show published figures with their
//! source and grade and are never payable. This module reads text that others loaded.

mod calendar;
mod check;
mod demo;
mod examples;
mod price;
mod read;
mod set;
mod show;
mod window;

#[cfg(test)]
mod tests;

pub use check::InForce;
pub use demo::{DEMO_COUNTY, demo_packs};
pub use examples::EXAMPLES;
pub use price::{Price, PriceError, Subsidy};
pub use set::PolicySet;
pub use show::{clock, show};
pub use window::Phase;

use crate::hex::Hex;
use crate::money::Fen;
use crate::time::Date;
use std::collections::BTreeMap;

/// Codes and names of an enum that is stored and shown.
macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident $code:literal $zh:literal $en:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every value, in the order in which they are shown.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The stable code, as in files and rows.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $($name::$variant => $code,)+ }
            }

            /// The value named by a code.
            #[must_use]
            pub fn from_code(code: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|value| value.code() == code)
            }

            /// The Chinese name.
            #[must_use]
            pub const fn name_zh(self) -> &'static str {
                match self { $($name::$variant => $zh,)+ }
            }

            /// The English name.
            #[must_use]
            pub const fn name_en(self) -> &'static str {
                match self { $($name::$variant => $en,)+ }
            }
        }
    };
}

coded! {
    /// How well a figure is attested (docs/SOURCES.md).
    Grade {
        /// Official site or document, or a daily paper quoting the bureau.
        A "A" "官方" "official",
        /// Portal or mirror of an official notice.
        B "B" "转载" "mirror of an official notice",
        /// Content site; to be confirmed before it counts.
        C "C" "待核实" "unconfirmed",
        /// From memory, not found anywhere.
        M "M" "凭记忆" "from memory",
    }
}

coded! {
    /// What a pack may be used for.
    Status {
        /// Published figures with source and grade; shown, never payable.
        Example "example" "示例" "example",
        /// In preparation; shown to staff only.
        Draft "draft" "草稿" "draft",
        /// Complete and in force: publishes dues.
        InForce "in_force" "生效" "in force",
    }
}

coded! {
    /// The insurance scheme (险种).
    Scheme {
        /// Basic medical insurance for urban and rural residents (城乡居民基本医疗保险).
        ResidentMedical "resident_medical" "城乡居民基本医疗保险" "Resident medical insurance",
    }
}

coded! {
    /// A part of a due that is levied together with others (费款项目). Source: S-005.
    Item {
        /// The premium of the medical insurance itself.
        Medical "medical" "居民医保费" "Medical insurance premium",
        /// Long-term-care insurance levied with it.
        LongTermCare "long_term_care" "长期护理保险费" "Long-term-care premium",
        /// What is owed from an earlier period.
        Arrears "arrears" "补缴往期" "Arrears",
    }
}

coded! {
    /// Who pays a subsidy instead of the person (资助主体). Source: S-006.
    Payer {
        /// The medical aid fund.
        MedicalAid "medical_aid" "医疗救助资金" "Medical aid fund",
        /// The city's budget.
        City "city" "市级财政" "City budget",
        /// The county's budget.
        County "county" "县级财政" "County budget",
        /// The village or another collective.
        Collective "collective" "集体" "Collective",
    }
}

coded! {
    /// What kind of window a day lies in. Source: S-007.
    PhaseKind {
        /// The ordinary levy window (集中缴费期).
        InWindow "in_window" "集中缴费期" "levy window",
        /// Late payment under the region's late rule (补缴期).
        Late "late" "补缴期" "late phase",
    }
}

coded! {
    /// What a late payer pays. Source: S-007.
    LatePrice {
        /// The same own part.
        Own "own" "个人标准" "own part",
        /// The own part and the fiscal part, for example 400 + 700.
        OwnAndFiscal "own_and_fiscal" "个人标准加财政补助" "own and fiscal part",
        /// An amount of its own for each category.
        Fixed "fixed" "固定金额" "fixed amount",
    }
}

coded! {
    /// From which day benefits are counted. Source: S-007, S-008.
    StartBase {
        /// The first day of the benefit period.
        YearStart "year_start" "待遇期首日" "first day of the benefit period",
        /// The day of payment itself; waits are counted from it.
        PaymentDay "payment_day" "缴费当日" "day of payment",
        /// The day after payment.
        NextDay "next_day" "缴费次日" "day after payment",
        /// The first day of the month after payment.
        NextMonth "next_month" "缴费次月" "month after payment",
    }
}

coded! {
    /// What becomes of money paid after the last window (DESIGN.md 2).
    AfterClose {
        /// It fills the due all the same.
        Keep "keep" "照收" "accepted",
        /// It is surplus and goes back.
        Surplus "surplus" "退回" "returned",
    }
}

coded! {
    /// What becomes of a payment whose price has changed since its quote (DESIGN.md 2).
    Difference {
        /// The quoted price stands, nothing is paid or returned later.
        Keep "keep" "按报价" "the quote stands",
        /// What was paid too much is refunded by a case.
        Refund "refund" "退差额" "the difference is refunded",
    }
}

/// A code with its names, for categories, tiers and aid statuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Stable code, `[a-z0-9_]+`.
    pub code: String,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
}

/// Where a figure comes from, when it differs from the pack's own source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Source as text with its address.
    pub source: Option<String>,
    /// How well it is attested.
    pub grade: Option<Grade>,
    /// What a reader must know about it.
    pub note: Option<String>,
}

/// One item of a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemAmount {
    /// What is levied.
    pub item: Item,
    /// How much.
    pub amount: Fen,
}

/// The price of one category, in one tier where the region has tiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceRow {
    /// Code of the category.
    pub category: String,
    /// Code of the tier.
    pub tier: Option<String>,
    /// What the person pays, item by item; empty when it was not found.
    pub items: Vec<ItemAmount>,
    /// The medical item when paid late under a fixed late price.
    pub late: Option<Fen>,
    /// What the budget adds for each person (财政补助).
    pub fiscal: Option<Fen>,
    /// Source of this row.
    pub origin: Origin,
}

/// How much one payer pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharePart {
    /// A fixed amount.
    Fixed(Fen),
    /// So many per cent of the covered items, half a fen rounded up.
    Percent(u8),
    /// Whatever the payers before it left.
    Rest,
}

/// One payer of an aid status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Who pays.
    pub payer: Payer,
    /// How much.
    pub part: SharePart,
}

/// A status with which a person pays less (资助参保身份).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aid {
    /// Code and names.
    pub named: Named,
    /// Codes of the categories it holds for; empty: all.
    pub categories: Vec<String>,
    /// Code of the tier it holds for.
    pub tier: Option<String>,
    /// Items it covers.
    pub covers: Vec<Item>,
    /// What is left for the person, as published; a pack in force is checked against its payers.
    pub own: Option<Fen>,
    /// Who pays the rest, in the order in which they pay.
    pub payers: Vec<Share>,
    /// Source of this row.
    pub origin: Origin,
}

/// From when benefits are paid after a payment in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartRule {
    /// The day from which is counted.
    pub base: StartBase,
    /// Months added to it.
    pub wait_months: u8,
}

/// A run of days on which can be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Ordinary or late.
    pub phase: PhaseKind,
    /// First day, Beijing date.
    pub first: Option<Date>,
    /// Last day, Beijing date.
    pub last: Option<Date>,
    /// Code of the only channel this window holds for; a channel without windows of its own has
    /// the general ones.
    pub channel: Option<String>,
    /// When benefits start.
    pub start: Option<StartRule>,
}

/// On which days and at which hours payments begin, inside of the windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Code of the only channel it holds for; a channel without calendar rows of its own has the
    /// general ones.
    pub channel: Option<String>,
    /// The months it holds in, 1 to 12; none: those that no other row names.
    pub months: Vec<u8>,
    /// First and last open day of the month; 1 and 31 when every day is.
    pub days: (u8, u8),
    /// Beijing minutes of the day from and until which payments begin.
    pub hours: (u16, u16),
    /// Days on which none begins, such as holidays of the treasury.
    pub closed: Vec<Date>,
    /// Where it stands.
    pub origin: Origin,
}

/// The rule of the late phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateRule {
    /// What is paid.
    pub price: LatePrice,
    /// Whether aid is still given.
    pub aid: bool,
}

/// What one file says about one region and benefit year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Name of the file, for messages.
    pub file: String,
    /// SHA-256 of the text: the version that quotes record.
    pub digest: [u8; 32],
    /// Six digits of the pooling region; missing when a source does not say.
    pub region: Option<String>,
    /// How the source names the region.
    pub region_name: String,
    /// The year the insurance covers.
    pub benefit_year: i16,
    /// The year of the notice that set the price.
    pub notice_year: Option<i16>,
    /// The scheme.
    pub scheme: Scheme,
    /// What the pack may be used for.
    pub status: Status,
    /// How well it is attested as a whole.
    pub grade: Option<Grade>,
    /// Source as text.
    pub source: Option<String>,
    /// What a reader must know.
    pub notes: Vec<String>,
    /// Categories of persons (人员类别).
    pub categories: Vec<Named>,
    /// Tiers (档次); empty in most regions.
    pub tiers: Vec<Named>,
    /// Prices.
    pub prices: Vec<PriceRow>,
    /// Aid statuses, in the order that breaks ties.
    pub aids: Vec<Aid>,
    /// Windows.
    pub windows: Vec<Window>,
    /// Open days and hours inside of them.
    pub calendars: Vec<Calendar>,
    /// First and last day of the benefit period.
    pub benefit: Option<(Date, Date)>,
    /// The rule of the late phase.
    pub late: Option<LateRule>,
    /// Minutes after a window's end in which a payment begun before still counts (0 to 30).
    pub grace_minutes: u8,
    /// What becomes of money paid after the last window.
    pub after_close: Option<AfterClose>,
    /// What becomes of a payment on an older quote.
    pub difference: Option<Difference>,
    /// Line of every field read, by its path such as `window[1].last`.
    lines: BTreeMap<String, usize>,
}

impl Pack {
    /// Reads a pack; a pack read may be incomplete ([`Pack::check`]).
    ///
    /// # Errors
    ///
    /// Every problem of the text at once: syntax, unknown fields, wrong types and values.
    pub fn parse(file: &str, text: &str) -> Result<Pack, Vec<Problem>> {
        read::read(file, text)
    }

    /// Version text for quotes and pages: first 12 hexadecimal digits of the digest.
    #[must_use]
    pub fn version(&self) -> String {
        Hex(&self.digest[..6]).to_string()
    }

    /// The names of a category.
    #[must_use]
    pub fn category(&self, code: &str) -> Option<&Named> {
        self.categories.iter().find(|named| named.code == code)
    }

    /// The names of a tier.
    #[must_use]
    pub fn tier(&self, code: &str) -> Option<&Named> {
        self.tiers.iter().find(|named| named.code == code)
    }

    /// An aid status.
    #[must_use]
    pub fn aid(&self, code: &str) -> Option<&Aid> {
        self.aids.iter().find(|aid| aid.named.code == code)
    }

    /// The line of a field, of the nearest thing around it when it is missing, or 1.
    fn line(&self, path: &str) -> usize {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return *line;
            }
            match path.rfind('.') {
                Some(dot) => path = &path[..dot],
                None => return 1,
            }
        }
    }

    /// A problem at a field of this pack.
    fn problem(&self, code: &'static str, field: &str, what: String, fix: &str) -> Problem {
        Problem {
            code,
            file: self.file.clone(),
            line: self.line(field),
            field: field.to_owned(),
            what,
            fix: fix.to_owned(),
        }
    }
}

/// A field as it stands before what is wrong with it.
fn before(field: &str) -> String {
    if field.is_empty() {
        return String::new();
    }
    format!("{field}: ")
}

/// One thing that is wrong with a policy file, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {}{what}; {fix}", before(field))]
pub struct Problem {
    /// Stable dotted code.
    pub code: &'static str,
    /// Name of the file.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Path of the field, such as `window[1].last`; empty for the file as a whole.
    pub field: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

impl Problem {
    /// Stable across releases: counted in metrics and asserted in tests.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }
}
