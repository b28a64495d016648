//! What every channel may do (渠道能力矩阵), those that we call and those that call us.
//!
//! The rows are data (`data/channels.toml`). On which days and at which hours payments begin is
//! said by the region's policy pack.

use crate::channel::{ChannelCode, Close, Method};
use crate::front_end::FrontEnd;
use crate::time::{DAY_MS, Instant};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// The capability row of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// `wechat`, `A7` and so on.
    pub code: String,
    /// What it is called.
    pub name_zh: String,
    pub name_en: String,
    /// A payer may pay for himself there.
    #[serde(rename = "self")]
    pub own: bool,
    /// A payer may pay for somebody else there.
    pub other: bool,
    /// One payment may be for several persons.
    pub basket: bool,
    /// How long one try holds a bill: `collect` of an institution, an attempt of ours.
    pub lock_minutes: u32,
    /// A payment may be reversed until its accounting day closes.
    pub reversible: bool,
    /// Until when money can go back by the way it came.
    pub refund: RefundTerms,
    /// What a payment costs, and whom.
    pub fee: FeeTerms,
}

/// Until when a channel gives money back.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RefundTerms {
    /// Days from the payment on; none when it is not known.
    pub days: Option<u32>,
    pub note: String,
    /// How sure it is (docs/SOURCES.md); none for a rule of our own.
    pub grade: Option<String>,
    pub source: Option<String>,
}

impl RefundTerms {
    /// Whether what was paid then can no longer go back by the way it came. A window that is not known
    /// never ends: the channel itself says when it will not.
    #[must_use]
    pub fn is_over(&self, paid_at: Instant, now: Instant) -> bool {
        self.days
            .is_some_and(|days| paid_at.plus_ms(i64::from(days) * DAY_MS) < now)
    }
}

/// What a channel takes for a payment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FeeTerms {
    /// Who bears it; none when it is not known, as all that follows.
    pub bearer: Option<String>,
    /// Hundredths of a percent of the amount.
    pub basis_points: Option<u32>,
    /// Fen for each payment.
    pub fen: Option<u64>,
    pub note: String,
    /// How sure it is (docs/SOURCES.md).
    pub grade: String,
    pub source: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    channel: Vec<Capability>,
}

static ROWS: LazyLock<Vec<Capability>> = LazyLock::new(|| {
    let read = toml::from_str::<File>(include_str!("../data/channels.toml"));
    read.map(|file| file.channel).unwrap_or_default()
});

impl Capability {
    /// Every row: the channels that we call, then the front ends in the order of their codes.
    #[must_use]
    pub fn rows() -> &'static [Capability] {
        &ROWS
    }

    /// The channel whose row this is.
    ///
    /// # Panics
    ///
    /// When the built-in data has a row for a channel that is not, which a test rules out.
    #[must_use]
    pub fn channel(&self) -> ChannelCode {
        ChannelCode::from_code(&self.code).expect("every row is a channel's")
    }

    /// Our ways of paying there; none where an institution takes the money as it likes.
    pub fn methods(&self) -> impl Iterator<Item = Method> {
        let channel = self.channel();
        Method::ALL
            .into_iter()
            .filter(move |method| method.channel() == channel)
    }

    /// What the channel's word on a close is worth; `None` where there is nothing of ours to close.
    #[must_use]
    pub fn close(&self) -> Option<Close> {
        self.methods().next().map(Method::close)
    }
}

impl ChannelCode {
    /// What this channel may do.
    ///
    /// # Panics
    ///
    /// When the built-in data has no row for it, which a test rules out.
    #[must_use]
    pub fn capability(self) -> &'static Capability {
        let mut rows = ROWS.iter();
        rows.find(|row| row.code == self.code())
            .expect("every channel has its row")
    }
}

impl FrontEnd {
    /// The rows of all front ends, in the order of the codes.
    pub fn rows() -> impl Iterator<Item = &'static Capability> {
        ROWS.iter()
            .filter(|row| FrontEnd::from_code(&row.code).is_some())
    }

    /// What this front end may do.
    #[must_use]
    pub fn capability(self) -> &'static Capability {
        ChannelCode::Inbound(self).capability()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::LIFE_MS;
    use crate::policy::Grade;
    use crate::time::MINUTE_MS;

    #[test]
    fn every_channel_has_one_row_in_order() {
        let file: File = toml::from_str(include_str!("../data/channels.toml")).unwrap();
        let told: Vec<&str> = file.channel.iter().map(|row| row.code.as_str()).collect();
        let ours = ChannelCode::ALL.iter().map(|channel| channel.code());
        let theirs = FrontEnd::ALL.iter().map(|front| front.code());
        assert_eq!(told, ours.chain(theirs).collect::<Vec<_>>());
        let rows = Capability::rows().iter();
        assert_eq!(rows.map(|row| row.code.as_str()).collect::<Vec<_>>(), told);
        for row in Capability::rows() {
            let code = &row.code;
            assert_eq!(row.channel().capability(), row, "{code}");
            assert!(!row.basket && (row.own || row.other), "{code}");
            for grade in row.refund.grade.iter().chain([&row.fee.grade]) {
                assert!(Grade::from_code(grade).is_some(), "{code}: {grade}");
            }
            let known = row.fee.basis_points.is_some() || row.fee.fen.is_some();
            assert_eq!(row.fee.bearer.is_some(), known, "{code}");
        }
    }

    #[test]
    fn a_window_ends_with_its_last_day_and_an_unknown_one_never() {
        let paid = Instant(1_000);
        let over = |channel: ChannelCode, ms| {
            let terms = &channel.capability().refund;
            terms.is_over(paid, paid.plus_ms(ms))
        };
        for (channel, days) in [(ChannelCode::Wechat, 365), (ChannelCode::Unionpay, 90)] {
            assert!(!over(channel, days * DAY_MS), "{channel:?}");
            assert!(over(channel, days * DAY_MS + 1), "{channel:?}");
        }
        assert!(!over(ChannelCode::Alipay, i64::MAX));
        assert!(!over(ChannelCode::Inbound(FrontEnd::Machine), i64::MAX));
    }

    /// What the rows say and what is done are the same.
    #[test]
    fn the_rows_agree_with_the_code() {
        for channel in ChannelCode::ALL {
            let row = channel.capability();
            let life = i64::from(row.lock_minutes) * MINUTE_MS;
            assert_eq!(life, LIFE_MS, "{}", row.code);
            assert!(
                row.methods().next().is_some() && !row.reversible,
                "{}",
                row.code
            );
        }
        for front in FrontEnd::ALL {
            let row = front.capability();
            assert!(matches!(row.lock_minutes, 3 | 10), "{}", row.code);
            assert_eq!(
                (row.methods().next(), row.close()),
                (None, None),
                "{}",
                row.code
            );
        }
        assert_eq!(FrontEnd::Machine.capability().lock_minutes, 3);
        assert_eq!(FrontEnd::BankCounter.capability().lock_minutes, 10);
        assert_eq!(ChannelCode::Wechat.capability().close(), Some(Close::Hard));
    }
}
