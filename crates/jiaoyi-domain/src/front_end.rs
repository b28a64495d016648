//! The front ends A1 to A12 through which institutions call us, and what each may do.
//!
//! The rows are data (`data/front_ends.toml`); the codes are part of every payment and never
//! change.

use crate::codes;
use serde::Deserialize;
use std::sync::LazyLock;

codes! {
    /// The kind of place where a payer stands when an institution calls us (渠道类别).
    pub enum FrontEnd {
        /// 支付宝城市服务.
        AlipayCity = 1 "A1",
        /// 支付宝小程序.
        AlipayMini = 2 "A2",
        /// 微信城市服务.
        WechatCity = 3 "A3",
        /// 微信小程序.
        WechatMini = 4 "A4",
        /// 税务小程序.
        TaxMini = 5 "A5",
        /// 银行网站、手机银行.
        BankOnline = 6 "A6",
        /// ATM、自助终端.
        Machine = 7 "A7",
        /// 银行柜台.
        BankCounter = 8 "A8",
        /// 官方 App.
        OfficialApp = 9 "A9",
        /// 官方网站.
        OfficialPortal = 10 "A10",
        /// 经办大厅.
        BureauCounter = 11 "A11",
        /// 其他渠道.
        Other = 12 "A12",
    }
}

/// The capability row of a front end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// `A1` to `A12`.
    pub code: String,
    /// What it is called.
    pub name_zh: String,
    pub name_en: String,
    /// A payer may pay for himself there.
    #[serde(rename = "self")]
    pub own: bool,
    /// A payer may pay for somebody else there.
    pub other: bool,
    /// One call may pay for several persons.
    pub basket: bool,
    /// How long `collect` may lock a bill.
    pub lock_minutes: u32,
    /// A payment may be reversed until its accounting day closes.
    pub reversible: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    front_end: Vec<Capability>,
}

static ROWS: LazyLock<Vec<Capability>> = LazyLock::new(|| {
    let read = toml::from_str::<File>(include_str!("../data/front_ends.toml"));
    read.map(|file| file.front_end).unwrap_or_default()
});

impl FrontEnd {
    /// Every row, in the order of the codes.
    #[must_use]
    pub fn rows() -> &'static [Capability] {
        &ROWS
    }

    /// What this front end may do.
    ///
    /// # Panics
    ///
    /// When the built-in data has no row for it, which a test rules out.
    #[must_use]
    pub fn capability(self) -> &'static Capability {
        let mut rows = ROWS.iter();
        rows.find(|row| row.code == self.code())
            .expect("every front end has its row")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_front_end_has_one_row_in_order() {
        let file: File = toml::from_str(include_str!("../data/front_ends.toml")).unwrap();
        let told: Vec<&str> = file.front_end.iter().map(|row| row.code.as_str()).collect();
        let known: Vec<&str> = FrontEnd::ALL.iter().map(|front| front.code()).collect();
        assert_eq!(told, known);
        for front in FrontEnd::ALL {
            let row = front.capability();
            assert!(matches!(row.lock_minutes, 3 | 10), "{}", row.code);
            assert!(!row.basket && (row.own || row.other), "{}", row.code);
        }
        assert_eq!(FrontEnd::Machine.capability().lock_minutes, 3);
        assert_eq!(FrontEnd::BankCounter.capability().lock_minutes, 10);
    }
}
