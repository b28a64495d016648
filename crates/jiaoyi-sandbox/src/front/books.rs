//! Answers for: the institutions' own books, what was taken from payers and what they got back,
//! with the users, visits and acts for callers around it. Pure data: no network, no clock.

use std::collections::BTreeMap;

use serde::Serialize;

use super::catalog::{Front, Institution, Means};
use super::client::LateRequest;
use super::events::Told;
use super::faults::Faults;
use super::pay::Reason;
use super::wire::{Bill, DayResult, Found, Receipt};
use crate::crypto::random_hex;
use crate::times::{DAY_MS, compact, day, ms_of_day};

/// A person to be paid for, as they were entered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) id_no: String,
    pub(crate) region: String,
}

/// A member of staff at work, and for whom.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clerk {
    pub(crate) number: String,
    /// The caller's name and phone; empty at a counter where the payer stands.
    pub(crate) caller: String,
    pub(crate) caller_phone: String,
}

/// Which page a visit shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Step {
    /// Whose bill?
    #[default]
    Person,
    /// The bills found.
    Bills,
    /// One bill, to be checked and paid.
    Check,
    /// What became of the payment.
    Done,
}

/// One person at one front end.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) front: &'static Front,
    /// The phone number of a user who logged in.
    pub(crate) user: Option<String>,
    pub(crate) clerk: Option<Clerk>,
    pub(crate) step: Step,
    pub(crate) person: Person,
    pub(crate) found: Option<Found>,
    /// Index into the found bills.
    pub(crate) chosen: usize,
    /// Until when the chosen bill is locked for this visit.
    pub(crate) locked_until_ms: Option<i64>,
    pub(crate) seq: Option<String>,
    /// A code of the platform, or of ours, to be told on the next page.
    pub(crate) trouble: Option<String>,
}

impl Visit {
    pub(crate) fn new(front: &'static Front) -> Visit {
        Visit {
            front,
            user: None,
            clerk: None,
            step: Step::Person,
            person: Person::default(),
            found: None,
            chosen: 0,
            locked_until_ms: None,
            seq: None,
            trouble: None,
        }
    }

    pub(crate) fn bill(&self) -> Option<&Bill> {
        self.found.as_ref()?.bills.get(self.chosen)
    }
}

/// What an institution knows of a payment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub(crate) enum State {
    /// Money is held and the platform has not answered.
    Asked,
    /// The platform has it.
    Paid(Receipt),
    /// The platform refused it for good.
    Refused { code: String },
    /// Taken back by a reversal; `undone` when the platform had it before.
    Reversed { undone: bool },
    /// It never arrived, and never will be taken.
    NotFound,
}

impl State {
    /// Whether the payer's money is with them again.
    pub(crate) fn is_returned(&self) -> bool {
        matches!(
            self,
            State::Refused { .. } | State::Reversed { .. } | State::NotFound
        )
    }
}

/// The decision to take a payment back.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Undo {
    pub(crate) reason: Reason,
    /// The accounting day of the reversal.
    pub(crate) trace_date: String,
    /// The platform will not undo it any more.
    pub(crate) refused: bool,
}

/// One payment: money taken from a payer under a serial number.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Payment {
    /// The institution's serial; it stays the same however often it is sent.
    pub(crate) seq: String,
    pub(crate) code: &'static str,
    pub(crate) sub_channel: String,
    /// The accounting day, `2026-11-22`.
    pub(crate) trace_date: String,
    pub(crate) bill_no: String,
    pub(crate) payer_masked: String,
    pub(crate) benefit_year: i64,
    pub(crate) amount_fen: u64,
    pub(crate) means: &'static str,
    pub(crate) taken_at_ms: i64,
    #[serde(flatten)]
    pub(crate) state: State,
    pub(crate) returned_at_ms: Option<i64>,
    pub(crate) undo: Option<Undo>,
    /// Asked about so often without an answer.
    pub(crate) silences: u32,
    #[serde(skip)]
    pub(crate) under_way: bool,
    /// Member of staff and caller, where there are any.
    pub(crate) clerk: String,
    pub(crate) caller: String,
    /// Who is told by a text message.
    #[serde(skip)]
    pub(crate) phone: Option<String>,
    /// What happened, in order: sandbox time in ms, and words.
    pub(crate) story: Vec<(i64, String)>,
}

impl Payment {
    /// Whether it is unknown whose the money is: never answered, or to be undone and not yet so.
    pub(crate) fn is_open(&self) -> bool {
        match self.state {
            State::Asked => true,
            State::Paid(_) => self.undo.as_ref().is_some_and(|undo| !undo.refused),
            State::Refused { .. } | State::Reversed { .. } | State::NotFound => false,
        }
    }

    /// One word for the back office.
    pub(crate) fn standing(&self) -> &'static str {
        match self.state {
            _ if self.is_open() => "没有结果",
            State::Asked | State::Paid(_) => "已缴",
            State::Refused { .. } => "拒收，已退",
            State::Reversed { .. } => "冲正，已退",
            State::NotFound => "未达，已退",
        }
    }

    pub(crate) fn tell(&mut self, at_ms: i64, words: impl Into<String>) {
        self.story.push((at_ms, words.into()));
    }

    /// Books the end of it; what was held goes back unless it was paid.
    pub(crate) fn end(&mut self, state: State, at_ms: i64) {
        if state.is_returned() && self.returned_at_ms.is_none() {
            self.returned_at_ms = Some(at_ms);
        }
        self.state = state;
    }
}

/// A user of a front end, and whom they bound.
#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    pub(crate) bound: Vec<Person>,
}

/// What an institution had to say on one day, in fen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    pub(crate) taken_fen: u64,
    pub(crate) returned_fen: u64,
    pub(crate) held_fen: u64,
    pub(crate) paid_fen: u64,
    pub(crate) paid_count: u64,
}

/// A day file that was made, and what the platform said to it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DayEnd {
    pub(crate) code: &'static str,
    pub(crate) trace_date: String,
    pub(crate) count: u64,
    pub(crate) amount_fen: u64,
    pub(crate) answer: DayResult,
}

/// Everything the front ends know.
#[derive(Debug, Default)]
pub(crate) struct FrontBooks {
    /// By front end and phone number.
    pub(crate) users: BTreeMap<(&'static str, String), User>,
    pub(crate) visits: BTreeMap<String, Visit>,
    pub(crate) payments: BTreeMap<String, Payment>,
    pub(crate) faults: Faults,
    /// Requests held up on the way, until their time comes.
    pub(crate) late: BTreeMap<u64, LateRequest>,
    /// What was answered to them: nobody waited for it.
    pub(crate) late_answers: Vec<(u16, String)>,
    pub(crate) day_ends: Vec<DayEnd>,
    /// What the platform told, in the order in which it came.
    pub(crate) events: Vec<Told>,
    /// How much was told that could not be believed.
    pub(crate) events_refused: u32,
}

impl FrontBooks {
    pub(crate) fn open(&mut self, visit: Visit) -> String {
        let token = random_hex(24);
        self.visits.insert(token.clone(), visit);
        token
    }

    /// Takes the money of a visit's bill: from now on the institution owes it to somebody. The
    /// same visit again finds its payment, so a button pressed twice takes money once.
    pub(crate) fn take(
        &mut self,
        token: &str,
        means: Means,
        now_ms: i64,
    ) -> Option<(String, bool)> {
        let visit = self.visits.get(token)?;
        if let Some(seq) = &visit.seq {
            return Some((seq.clone(), false));
        }
        let (bill, found) = (visit.bill()?, visit.found.as_ref()?);
        let institution = Institution::by_code(visit.front.code)?;
        let seq = format!("{}{}", compact(now_ms), random_hex(8).to_ascii_uppercase());
        let clerk = visit.clerk.clone().unwrap_or_default();
        let caller_phone = Some(clerk.caller_phone).filter(|phone| !phone.is_empty());
        let mut payment = Payment {
            seq: seq.clone(),
            code: visit.front.code,
            sub_channel: visit.front.sub_channel(),
            trace_date: accounting_day(institution, now_ms),
            bill_no: bill.bill_no.clone(),
            payer_masked: found.name_masked.clone(),
            benefit_year: bill.benefit_year,
            amount_fen: bill.amount_fen,
            means: means.code(),
            taken_at_ms: now_ms,
            state: State::Asked,
            returned_at_ms: None,
            undo: None,
            silences: 0,
            under_way: false,
            clerk: clerk.number,
            caller: clerk.caller,
            phone: visit.user.clone().or(caller_phone),
            story: Vec::new(),
        };
        payment.tell(now_ms, format!("收下{}", means.words().0));
        self.payments.insert(seq.clone(), payment);
        if let Some(visit) = self.visits.get_mut(token) {
            visit.seq = Some(seq.clone());
            visit.step = Step::Done;
        }
        Some((seq, true))
    }

    /// The payments of an institution, on one accounting day or on all.
    pub(crate) fn payments_of<'a>(
        &'a self,
        code: &'a str,
        trace_date: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Payment> {
        self.payments.values().filter(move |payment| {
            payment.code == code && trace_date.is_none_or(|day| payment.trace_date == day)
        })
    }

    pub(crate) fn totals(&self, code: &str, trace_date: Option<&str>) -> Totals {
        let mut totals = Totals::default();
        for payment in self.payments_of(code, trace_date) {
            totals.taken_fen += payment.amount_fen;
            match &payment.state {
                State::Asked => totals.held_fen += payment.amount_fen,
                State::Paid(_) => {
                    totals.paid_fen += payment.amount_fen;
                    totals.paid_count += 1;
                }
                State::Refused { .. } | State::Reversed { .. } | State::NotFound => {
                    totals.returned_fen += payment.amount_fen;
                }
            }
        }
        totals
    }
}

/// The day that a payment belongs to in the institution's own books, `2026-11-22`.
pub(crate) fn accounting_day(institution: &Institution, now_ms: i64) -> String {
    let minute = ms_of_day(now_ms) / 60_000;
    let next = minute >= i64::from(institution.cut_over_min);
    day(now_ms + i64::from(next) * DAY_MS).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::wire::BillStatus;
    use super::*;
    use crate::times::HOUR_MS;

    /// 2026-11-22 10:00:00 in Beijing.
    const NOW_MS: i64 = 1_795_312_800_000;

    fn visit(slug: &str) -> Visit {
        let mut visit = Visit::new(Front::by_slug(slug).unwrap());
        visit.found = Some(Found {
            query_token: "token".to_owned(),
            name_masked: "王*".to_owned(),
            document_masked: "9901**********1237".to_owned(),
            bills: vec![Bill {
                bill_no: "B1".to_owned(),
                benefit_year: 2027,
                category_name: "城乡居民".to_owned(),
                amount_fen: 40_000,
                gross_fen: 107_000,
                items: Vec::new(),
                due_to: None,
                benefit_first: None,
                status: BillStatus::Payable,
                paid: None,
                lock: None,
            }],
        });
        visit
    }

    #[test]
    fn a_bank_closes_its_day_an_hour_early() {
        for (code, hours, day) in [
            ("A1", 13, "2026-11-22"),
            ("A7", 12, "2026-11-22"),
            ("A7", 13, "2026-11-23"),
            ("A7", 14, "2026-11-23"),
        ] {
            let institution = Institution::by_code(code).unwrap();
            let at = NOW_MS + hours * HOUR_MS;
            assert_eq!(accounting_day(institution, at), day, "{code} +{hours} h");
        }
        let bank = Institution::by_code("A8").unwrap();
        assert_eq!(accounting_day(bank, NOW_MS + DAY_MS), "2026-11-23");
    }

    #[test]
    fn a_button_pressed_twice_takes_money_once() {
        let mut books = FrontBooks::default();
        let token = books.open(visit("a8"));
        let (seq, fresh) = books.take(&token, Means::Cash, NOW_MS).unwrap();
        assert!(fresh);
        assert_eq!(
            books.take(&token, Means::Cash, NOW_MS + 5),
            Some((seq, false))
        );
        assert_eq!(books.totals("A8", None).taken_fen, 40_000);
        assert_eq!(books.totals("A7", None), Totals::default());
    }

    #[test]
    fn what_is_taken_is_held_paid_or_returned() {
        let mut books = FrontBooks::default();
        let ends = [
            State::Asked,
            State::Reversed { undone: true },
            State::NotFound,
            State::Refused {
                code: "ALREADY_PAID".to_owned(),
            },
            State::Paid(Receipt {
                receipt_no: "R".to_owned(),
                voucher_no: "V".to_owned(),
                check_code: "C".to_owned(),
            }),
        ];
        for state in ends {
            let token = books.open(visit("a7-atm"));
            let (seq, _) = books.take(&token, Means::Card, NOW_MS).unwrap();
            books.payments.get_mut(&seq).unwrap().end(state, NOW_MS);
        }
        let totals = books.totals("A7", Some("2026-11-22"));
        assert_eq!(totals.taken_fen, 200_000);
        assert_eq!((totals.held_fen, totals.paid_fen), (40_000, 40_000));
        assert_eq!(totals.returned_fen, 120_000);
        assert_eq!(books.totals("A7", Some("2026-11-23")).taken_fen, 0);
    }
}
