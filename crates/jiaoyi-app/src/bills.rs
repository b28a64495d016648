//! Bills: a due as the check page shows it, and the sealed reference that stands for it.

use crate::platform::Platform;
use crate::portal::{BillState, BillView, ItemView, SubsidyView, Visitor};
use crate::pricing::{Priced, item_names, items_text, payer_names, resting, subsidies_text};
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::decide::DueKey;
use jiaoyi_domain::due::{Due, DueId, DueState, Slot, split_amounts};
use jiaoyi_domain::order::{Line, PayOrder};
use jiaoyi_domain::policy::Phase;
use jiaoyi_domain::record::Record;
use jiaoyi_domain::time::MINUTE_MS;
use jiaoyi_domain::{Bucket, Date, Instant};
use jiaoyi_store::{StoreError, View};

/// How long a reference may be handed back.
const REFERENCE_MS: i64 = 30 * MINUTE_MS;

/// After so long anybody may displace a lock.
const DISPLACE_AFTER_MS: i64 = 3 * MINUTE_MS;

const PURPOSE: &str = "bill";

/// What a sealed reference holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct BillRef {
    bucket: u16,
    due: [u8; 16],
    generation: u32,
    at_ms: i64,
    device: [u8; 32],
    /// The name as typed, or masked when it came from a notice link.
    pub name: String,
    pub document_masked: String,
    /// The region as chosen.
    pub region: String,
}

impl BillRef {
    pub(crate) fn new(
        due: &DueKey,
        at: Instant,
        visitor: &Visitor,
        name: String,
        document_masked: String,
        region: String,
    ) -> BillRef {
        BillRef {
            bucket: due.0.get(),
            due: due.1.0,
            generation: due.2,
            at_ms: at.0,
            device: visitor.device,
            name,
            document_masked,
            region,
        }
    }

    pub(crate) fn due(&self) -> DueKey {
        (
            Bucket::try_new(self.bucket).unwrap_or_default(),
            DueId(self.due),
            self.generation,
        )
    }
}

impl Platform {
    fn seal_bill(&self, reference: &BillRef) -> String {
        let text = serde_json::to_vec(reference).unwrap_or_default();
        self.keyring.seal_token(&text, PURPOSE, self.random())
    }

    /// The reference behind a token; `None` when it is too old or another device's.
    pub(crate) fn open_bill(&self, visitor: &Visitor, token: &str) -> Option<BillRef> {
        let text = self.keyring.open_token(token, PURPOSE).ok()?;
        let reference: BillRef = serde_json::from_slice(&text).ok()?;
        let fresh = self.now().since_ms(Instant(reference.at_ms)) <= REFERENCE_MS;
        (fresh && reference.device == visitor.device).then_some(reference)
    }

    /// The newest generation of the due behind a reference, priced now.
    pub(crate) async fn bill_priced(
        &self,
        view: &View<'_>,
        reference: &BillRef,
        channel: Option<&str>,
    ) -> Result<Option<Priced>, StoreError> {
        let due: Option<Due> = view.load(&reference.due()).await?;
        match due {
            Some(due) => self.priced(view, due, self.now(), channel).await,
            None => Ok(None),
        }
    }

    /// A priced due as the check page shows it.
    pub(crate) async fn bill_view(
        &self,
        view: &View<'_>,
        visitor: &Visitor,
        priced: &Priced,
        reference: &BillRef,
    ) -> Result<BillView, StoreError> {
        let slot: Option<Slot> = view.load(&priced.due.key()).await?;
        let slot = slot.filter(Slot::is_live);
        let state = self
            .bill_state(view, visitor, priced, slot.as_ref())
            .await?;
        let pack = priced.pack.pack();
        let revision = &priced.revision;
        let region = self.regions.get(&revision.region);
        let path = |zh: bool| {
            region.map_or_else(
                || revision.region.clone(),
                |region| {
                    if zh {
                        self.regions.path_zh(region)
                    } else {
                        self.regions.path_en(region)
                    }
                },
            )
        };
        let category = pack.category(&revision.category);
        let tier = pack.tier(&revision.tier);
        let named = |zh: bool| {
            let of = |named: &jiaoyi_domain::policy::Named| {
                if zh {
                    named.name_zh.clone()
                } else {
                    named.name_en.clone()
                }
            };
            let parts: Vec<String> = category.into_iter().chain(tier).map(of).collect();
            parts.join(if zh { "，" } else { ", " })
        };
        let mut bill = BillView {
            bill_ref: self.seal_bill(reference),
            name: reference.name.clone(),
            document_masked: reference.document_masked.clone(),
            region: revision.region.clone(),
            region_zh: path(true),
            region_en: path(false),
            benefit_year: priced.due.benefit_year,
            category_zh: named(true),
            category_en: named(false),
            items: items_view(priced),
            subsidies: subsidies_view(priced),
            amount: priced.price.own,
            benefit_first: priced.benefit_first,
            benefit_last: priced.benefit_last,
            due_to: priced.phase.due_to(),
            state,
            resting: resting(&priced.pack, self.now()),
            source: pack.source.clone().unwrap_or_default(),
            grade: pack.grade.map_or("", |grade| grade.code()).to_owned(),
        };
        if let Some(slot) = &slot {
            self.show_what_was_paid(view, &mut bill, slot).await?;
        }
        Ok(bill)
    }

    /// A paid due shows what was paid and bought, not what it would cost today.
    async fn show_what_was_paid(
        &self,
        view: &View<'_>,
        bill: &mut BillView,
        slot: &Slot,
    ) -> Result<(), StoreError> {
        let bucket = slot.fact_bucket.unwrap_or(slot.bucket);
        let key = (bucket, slot.order_id, slot.line_no);
        let line: Option<Line> = view.load(&key).await?;
        bill.amount = slot.own;
        bill.benefit_first = slot.benefit_first;
        bill.benefit_last = slot.benefit_last;
        bill.subsidies = stored_subsidies(&slot.subsidies);
        if let Some(line) = line {
            bill.items = stored_items(&line.items);
        }
        Ok(())
    }

    async fn bill_state(
        &self,
        view: &View<'_>,
        visitor: &Visitor,
        priced: &Priced,
        slot: Option<&Slot>,
    ) -> Result<BillState, StoreError> {
        let due = &priced.due;
        if let Some(slot) = slot {
            let bucket = slot.fact_bucket.unwrap_or(slot.bucket);
            let order: Option<PayOrder> = view.load(&(bucket, slot.order_id)).await?;
            let mine = order.is_some_and(|order| order.holder == visitor.device);
            return Ok(BillState::Paid {
                at: slot.accepted_at,
                channel: slot.fact_channel,
                voucher: mine.then(|| self.order_token(bucket, slot.order_id)),
            });
        }
        if priced.is_void() || due.state == DueState::Returned {
            return Ok(BillState::Withdrawn);
        }
        match priced.phase {
            Phase::NotYet { opens } => return Ok(BillState::NotYet { opens_on: opens }),
            Phase::Closed { last } => return Ok(BillState::Closed { closed_on: last }),
            Phase::InWindow { .. } | Phase::Late { .. } | Phase::Resting { .. } => {}
        }
        if due.state == DueState::Locked && !due.lock_is_over(self.now()) {
            return Ok(self.locked_state(visitor, due));
        }
        if let Phase::Resting { opens, .. } = priced.phase {
            return Ok(BillState::Resting { opens_at: opens });
        }
        if priced.price.own.is_zero() {
            return Ok(BillState::NothingToPay);
        }
        let (waiting_zh, waiting_en) = waiting_words(priced);
        let late = matches!(priced.phase, Phase::Late { .. });
        Ok(BillState::Payable {
            late,
            waiting_zh,
            waiting_en,
        })
    }

    fn locked_state(&self, visitor: &Visitor, due: &Due) -> BillState {
        let now = self.now();
        let since = due.lock_at.unwrap_or(now);
        let own = due.lock_holder == Some(visitor.device);
        let order = due.lock_order_bucket.zip(due.lock_order);
        BillState::Locked {
            mine: order
                .filter(|_| own)
                .map(|(bucket, id)| self.order_token(bucket, id)),
            channel: due.lock_channel.unwrap_or(ChannelCode::Wechat),
            since,
            until: due.lock_until.unwrap_or(now),
            may_displace: own || now.since_ms(since) >= DISPLACE_AFTER_MS,
        }
    }
}

/// What waits for a late payer, in words of the pack's start rule; empty in the ordinary window.
fn waiting_words(priced: &Priced) -> (String, String) {
    let Phase::Late { .. } = priced.phase else {
        return (String::new(), String::new());
    };
    let first = priced.benefit_first;
    let wait = priced
        .pack
        .pack()
        .windows
        .iter()
        .find(|window| window.phase == priced.kind)
        .and_then(|window| window.start)
        .map_or(0, |start| start.wait_months);
    waiting_of(wait, first)
}

/// The words of a waiting period of so many months, 0 for none, after which benefits start.
fn waiting_of(wait: u8, first: Date) -> (String, String) {
    let date = format!(
        "{} 年 {} 月 {} 日",
        first.year(),
        first.month(),
        first.day()
    );
    let zh = if wait > 0 {
        format!("等待期 {wait} 个月，{date}起享受待遇。")
    } else {
        format!("{date}起享受待遇。")
    };
    let en = if wait > 0 {
        let months = if wait == 1 { "month" } else { "months" };
        format!("Waiting period: {wait} {months}. Benefits start on {first}.")
    } else {
        format!("Benefits start on {first}.")
    };
    (zh, en)
}

/// Items of a price as they were stored.
pub(crate) fn stored_items(text: &str) -> Vec<ItemView> {
    let named = |(code, amount): (String, _)| {
        let (name_zh, name_en) = item_names(&code);
        ItemView {
            name_zh,
            name_en,
            amount,
        }
    };
    split_amounts(text).into_iter().map(named).collect()
}

/// Subsidies of a price as they were stored.
pub(crate) fn stored_subsidies(text: &str) -> Vec<SubsidyView> {
    let named = |(code, amount): (String, _)| {
        let (payer_zh, payer_en) = payer_names(&code);
        SubsidyView {
            payer_zh,
            payer_en,
            amount,
        }
    };
    split_amounts(text).into_iter().map(named).collect()
}

fn items_view(priced: &Priced) -> Vec<ItemView> {
    stored_items(&items_text(&priced.price))
}

fn subsidies_view(priced: &Priced) -> Vec<SubsidyView> {
    stored_subsidies(&subsidies_text(&priced.price))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_nothing_is_told_of_no_waiting_period() {
        let first = Date::new(2027, 2, 18).unwrap();
        let (zh, en) = waiting_of(0, first);
        assert_eq!(zh, "2027 年 2 月 18 日起享受待遇。");
        assert_eq!(en, "Benefits start on 2027-02-18.");
        let (zh, en) = waiting_of(1, first);
        assert_eq!(zh, "等待期 1 个月，2027 年 2 月 18 日起享受待遇。");
        assert_eq!(en, "Waiting period: 1 month. Benefits start on 2027-02-18.");
    }
}
