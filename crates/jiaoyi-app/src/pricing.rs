//! What a due costs at a moment: its current revision under the policy pack that holds.

use crate::platform::Platform;
use crate::portal::Resting;
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::decide::{DueKey, Quote};
use jiaoyi_domain::due::{Due, Revision, RevisionKind, join_amounts};
use jiaoyi_domain::policy::{InForce, Item, Payer, Phase, PhaseKind, Price};
use jiaoyi_domain::record::{Column, Record};
use jiaoyi_domain::{Date, Instant};
use jiaoyi_store::{StoreError, View};

/// A due with everything that says what it costs now.
pub(crate) struct Priced {
    pub due: Due,
    pub revision: Revision,
    pub pack: InForce,
    pub phase: Phase,
    /// The price in the present phase; in the ordinary one when nothing can be paid now.
    pub price: Price,
    pub kind: PhaseKind,
    pub benefit_first: Date,
    /// The same for a payer who acts after midnight.
    pub benefit_first_next: Date,
    pub benefit_last: Date,
}

impl Priced {
    pub(crate) fn key(&self) -> DueKey {
        self.due.key()
    }

    /// The quote to be frozen, while something can be paid.
    pub(crate) fn quote(&self) -> Option<Quote> {
        let window_until = self.pack.attempts_end(self.phase)?;
        let pack = self.pack.pack();
        Some(Quote {
            due: self.key(),
            revision_no: self.revision.revision_no,
            own: self.price.own,
            gross: self.price.gross,
            items: items_text(&self.price),
            subsidies: subsidies_text(&self.price),
            policy_version: pack.version(),
            region: self.revision.region.clone(),
            phase: self.kind.code().to_owned(),
            window_until,
            after_close: pack.after_close?,
            difference_rule: pack.difference?,
            benefit_first: self.benefit_first,
            benefit_first_next: self.benefit_first_next,
            benefit_last: self.benefit_last,
        })
    }

    /// Whether the revision withdraws the due.
    pub(crate) fn is_void(&self) -> bool {
        self.revision.kind == RevisionKind::Void
    }
}

/// The items of a price as they are stored.
pub(crate) fn items_text(price: &Price) -> String {
    join_amounts(
        price
            .items
            .iter()
            .map(|part| (part.item.code(), part.amount)),
    )
}

/// The subsidies of a price as they are stored.
pub(crate) fn subsidies_text(price: &Price) -> String {
    join_amounts(
        price
            .subsidies
            .iter()
            .map(|part| (part.payer.code(), part.amount)),
    )
}

/// The price of a person under a pack, from the words of a revision.
pub(crate) fn price_of(
    pack: &InForce,
    category: &str,
    tier: &str,
    aids: &str,
    kind: PhaseKind,
) -> Result<Price, jiaoyi_domain::policy::PriceError> {
    let aids: Vec<&str> = aids.split(';').filter(|aid| !aid.is_empty()).collect();
    pack.price(
        category,
        Some(tier).filter(|tier| !tier.is_empty()),
        &aids,
        kind,
    )
}

/// Channels at which no payment begins at `at` under a pack, and from when it does.
pub(crate) fn resting(pack: &InForce, at: Instant) -> Resting {
    let opens = |channel: ChannelCode| pack.phase(at, Some(channel.code())).opens();
    let channels = ChannelCode::ALL.into_iter();
    channels
        .filter_map(|channel| Some((channel, opens(channel)?)))
        .collect()
}

impl Platform {
    /// Prices a due at `at`; `None` when no active roster prices it or no pack holds.
    pub(crate) async fn priced(
        &self,
        view: &View<'_>,
        due: Due,
        at: Instant,
        channel: Option<&str>,
    ) -> Result<Option<Priced>, StoreError> {
        let (bucket, due_id, generation) = due.key();
        let given = [bucket.to_value(), due_id.to_value(), generation.to_value()];
        let mut revisions: Vec<Revision> = view.range("by_due", &given).await?;
        revisions.sort_by_key(|revision| std::cmp::Reverse(revision.revision_no));
        for revision in revisions {
            if self.is_active(view, revision.roster_id).await? {
                return Ok(self.price_revision(due, revision, at, channel));
            }
        }
        Ok(None)
    }

    /// What a due cost to whom has paid already at `at`: by its newest price, also when it was
    /// withdrawn since, in the nearest window, also when nothing could be paid then. `None` when it
    /// never had a price.
    pub(crate) async fn price_of_money(
        &self,
        due: Due,
        at: Instant,
        channel: &str,
    ) -> Result<Option<Quote>, StoreError> {
        let view = self.store.view().await?;
        let (bucket, due_id, generation) = due.key();
        let given = [bucket.to_value(), due_id.to_value(), generation.to_value()];
        let mut revisions: Vec<Revision> = view.range("by_due", &given).await?;
        revisions.retain(|revision| revision.kind == RevisionKind::Price);
        revisions.sort_by_key(|revision| std::cmp::Reverse(revision.revision_no));
        for revision in revisions {
            if !self.is_active(&view, revision.roster_id).await? {
                continue;
            }
            let Some(pack) = self.pack(&revision.region, due.benefit_year) else {
                return Ok(None);
            };
            let day = match pack.phase(at, Some(channel)) {
                Phase::NotYet { opens } => opens,
                Phase::Closed { last } => last,
                Phase::InWindow { .. } | Phase::Late { .. } | Phase::Resting { .. } => at.date(),
            };
            let phase = pack.phase_on(day, Some(channel));
            let priced = Platform::price_in(pack, phase, due, revision, (at, Some(channel)));
            return Ok(priced.and_then(|priced| priced.quote()));
        }
        Ok(None)
    }

    fn price_revision(
        &self,
        due: Due,
        revision: Revision,
        at: Instant,
        channel: Option<&str>,
    ) -> Option<Priced> {
        let pack = self.pack(&revision.region, due.benefit_year)?;
        let phase = pack.phase(at, channel);
        Platform::price_in(pack, phase, due, revision, (at, channel))
    }

    fn price_in(
        pack: InForce,
        phase: Phase,
        due: Due,
        revision: Revision,
        (at, channel): (Instant, Option<&str>),
    ) -> Option<Priced> {
        let kind = phase.kind().unwrap_or(match phase {
            Phase::Closed { .. } | Phase::Late { .. } => PhaseKind::Late,
            Phase::NotYet { .. } | Phase::InWindow { .. } => PhaseKind::InWindow,
            Phase::Resting { kind, .. } => kind,
        });
        let price = price_of(
            &pack,
            &revision.category,
            &revision.tier,
            &revision.aids,
            kind,
        );
        let price = price.ok()?;
        let benefit_first = pack.start_of_benefit(at, channel);
        let midnight = Instant::end_of(at.date());
        let benefit_first_next = pack.start_of_benefit(midnight, channel);
        let (_, benefit_last) = pack.benefit();
        Some(Priced {
            due,
            revision,
            pack,
            phase,
            price,
            kind,
            benefit_first,
            benefit_first_next,
            benefit_last,
        })
    }
}

/// The name of a stored item code in both languages.
pub(crate) fn item_names(code: &str) -> (String, String) {
    match Item::from_code(code) {
        Some(item) => (item.name_zh().to_owned(), item.name_en().to_owned()),
        None => (code.to_owned(), code.to_owned()),
    }
}

/// The name of a stored payer code in both languages.
pub(crate) fn payer_names(code: &str) -> (String, String) {
    match Payer::from_code(code) {
        Some(payer) => (payer.name_zh().to_owned(), payer.name_en().to_owned()),
        None => (code.to_owned(), code.to_owned()),
    }
}
