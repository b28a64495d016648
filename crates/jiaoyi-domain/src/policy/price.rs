//! What a person pays: exact integers, ordered payers, the best status wins.

use super::{Aid, InForce, Item, ItemAmount, LatePrice, Payer, PhaseKind, PriceRow, SharePart};
use crate::money::Fen;

/// One payer's part of a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsidy {
    /// Who pays.
    pub payer: Payer,
    /// How much; never zero.
    pub amount: Fen,
}

/// What one person owes: own part + subsidies = gross = sum of the items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// The items, none of them zero unless the whole price is.
    pub items: Vec<ItemAmount>,
    /// Sum of the items.
    pub gross: Fen,
    /// Who pays instead of the person, in order.
    pub subsidies: Vec<Subsidy>,
    /// What the person pays.
    pub own: Fen,
    /// Code of the aid status that won.
    pub aid: Option<String>,
}

/// Why a person cannot be priced. Each is a mistake of the roster, never of the payer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// The pack has no such category.
    #[error("the region has no category {category}")]
    UnknownCategory { category: String },
    /// The category is priced in tiers and none, or an unknown one, was given.
    #[error("category {category} has no price in tier {tier:?}")]
    UnknownTier {
        category: String,
        tier: Option<String>,
    },
    /// The pack has no such aid status.
    #[error("the region has no aid status {aid}")]
    UnknownAid { aid: String },
}

impl PriceError {
    /// Stable across releases.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            PriceError::UnknownCategory { .. } => "price.unknown_category",
            PriceError::UnknownTier { .. } => "price.unknown_tier",
            PriceError::UnknownAid { .. } => "price.unknown_aid",
        }
    }
}

impl InForce {
    /// What a person of `category`, in `tier` and with these aid statuses owes in `phase`.
    ///
    /// Of several statuses the one that leaves the least to the person counts, on a tie the one
    /// that the pack names first; statuses are never added up. A status that does not hold for the
    /// category or tier is ignored.
    ///
    /// # Errors
    ///
    /// [`PriceError`] when the pack does not know the category, tier or status.
    ///
    /// # Source
    ///
    /// S-006 (aid, best status wins), S-007 (late price).
    pub fn price(
        &self,
        category: &str,
        tier: Option<&str>,
        aids: &[impl AsRef<str>],
        phase: PhaseKind,
    ) -> Result<Price, PriceError> {
        let row = self.row(category, tier)?;
        let late = match phase {
            PhaseKind::InWindow => None,
            PhaseKind::Late => self.pack().late,
        };
        let items: Vec<ItemAmount> = row
            .items
            .iter()
            .map(|part| match (part.item, late.map(|rule| rule.price)) {
                (Item::Medical, Some(rule)) => late_item(row, *part, rule),
                _ => *part,
            })
            .collect();
        let gross = sum(items.iter().map(|part| part.amount));
        let aided = late.is_none_or(|rule| rule.aid);
        let mut best: Option<(Fen, Vec<Subsidy>, &Aid)> = None;
        for aid in self.named_aids(aids)? {
            if !aided || !holds_for(aid, row) {
                continue;
            }
            let subsidies = subsidies(aid, &row.items, &items);
            let own = gross
                .checked_sub(sum(subsidies.iter().map(|s| s.amount)))
                .unwrap_or(Fen::ZERO);
            if best.as_ref().is_none_or(|(least, ..)| own < *least) {
                best = Some((own, subsidies, aid));
            }
        }
        let (own, subsidies, aid) = match best {
            Some((own, subsidies, aid)) if own < gross => {
                (own, subsidies, Some(aid.named.code.clone()))
            }
            _ => (gross, Vec::new(), None),
        };
        Ok(Price {
            items,
            gross,
            subsidies,
            own,
            aid,
        })
    }

    fn row(&self, category: &str, tier: Option<&str>) -> Result<&PriceRow, PriceError> {
        if self.pack().category(category).is_none() {
            return Err(PriceError::UnknownCategory {
                category: category.to_owned(),
            });
        }
        let rows = || {
            self.pack()
                .prices
                .iter()
                .filter(|row| row.category == category)
        };
        // A category without tiers has one price; a tier given for it all the same is harmless.
        rows()
            .find(|row| row.tier.as_deref() == tier)
            .or_else(|| rows().find(|row| row.tier.is_none()))
            .ok_or_else(|| PriceError::UnknownTier {
                category: category.to_owned(),
                tier: tier.map(str::to_owned),
            })
    }

    /// The aid statuses in the pack's own order, which breaks ties.
    fn named_aids(&self, codes: &[impl AsRef<str>]) -> Result<Vec<&Aid>, PriceError> {
        if let Some(code) = codes
            .iter()
            .find(|code| self.pack().aid(code.as_ref()).is_none())
        {
            return Err(PriceError::UnknownAid {
                aid: code.as_ref().to_owned(),
            });
        }
        let given = |aid: &&Aid| codes.iter().any(|code| code.as_ref() == aid.named.code);
        Ok(self.pack().aids.iter().filter(given).collect())
    }
}

/// Whether an aid status holds for the persons of a price row.
pub(super) fn holds_for(aid: &Aid, row: &PriceRow) -> bool {
    let category = aid.categories.is_empty() || aid.categories.contains(&row.category);
    let tier = aid.tier.is_none() || aid.tier == row.tier;
    category && tier
}

/// The medical item in the late phase.
fn late_item(row: &PriceRow, part: ItemAmount, rule: LatePrice) -> ItemAmount {
    let amount = match rule {
        LatePrice::Own => part.amount,
        LatePrice::OwnAndFiscal => sum([part.amount, row.fiscal.unwrap_or(Fen::ZERO)]),
        LatePrice::Fixed => row.late.unwrap_or(part.amount),
    };
    ItemAmount { amount, ..part }
}

/// Each payer's part, in order, never more than what is left of the covered items.
///
/// Percentages and rests are taken of the ordinary price, so that a late payer's extra stays with
/// the payer; nothing is paid beyond what is asked now.
pub(super) fn subsidies(aid: &Aid, ordinary: &[ItemAmount], asked: &[ItemAmount]) -> Vec<Subsidy> {
    let covered = |items: &[ItemAmount]| {
        sum(items
            .iter()
            .filter(|part| aid.covers.contains(&part.item))
            .map(|part| part.amount))
    };
    let base = covered(ordinary).min(covered(asked));
    let mut left = base;
    let mut subsidies = Vec::with_capacity(aid.payers.len());
    for share in &aid.payers {
        let amount = wanted(share.part, base, left).min(left);
        left = left.checked_sub(amount).unwrap_or(Fen::ZERO);
        if !amount.is_zero() {
            let payer = share.payer;
            subsidies.push(Subsidy { payer, amount });
        }
    }
    subsidies
}

/// What a share asks of its payer before anything is capped.
pub(super) fn wanted(part: SharePart, base: Fen, left: Fen) -> Fen {
    match part {
        SharePart::Fixed(amount) => amount,
        SharePart::Percent(percent) => {
            let hundredths = u128::from(base.get()) * u128::from(percent);
            Fen::new(u64::try_from((hundredths + 50) / 100).unwrap_or(u64::MAX))
        }
        SharePart::Rest => left,
    }
}

/// Amounts of a pack are at most [`super::check::AMOUNT_MAX`], so a sum of a few cannot overflow.
pub(super) fn sum(amounts: impl IntoIterator<Item = Fen>) -> Fen {
    Fen::checked_sum(amounts).unwrap_or(Fen::MAX)
}
