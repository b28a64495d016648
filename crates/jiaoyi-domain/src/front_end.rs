//! The front ends A1 to A12 through which institutions call us. The codes are part of every payment
//! and never change; what each may do stands in [`crate::capability`].

use crate::codes;

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
