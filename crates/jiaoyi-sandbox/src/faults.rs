//! Answers for: faults, what the sandbox does wrong on demand, and how often. A file of them is a
//! script (`crate::script`).
//!
//! | `do` | at `create`, `query`, `close`, `refund`, `bill` (an answer) | at `notify` (a delivery) |
//! |---|---|---|
//! | `lose` | the work is done, the connection breaks before a byte of the answer | this delivery is not sent; the schedule goes on |
//! | `delay` | the work is done, the answer comes `delay_s` real seconds later (default 3, at most 120) | the delivery waits `delay_s` seconds of the sandbox's clock (default 60) |
//! | `duplicate` | the request is worked on twice, the second answer is told | the notice is sent twice |
//! | `corrupt` | one character of the answer changes after signing | likewise, in the notice's body |
//! | `forge` | signed with a stranger's key under the real serial | a forgery; `variant` 1..=20 picks its kind, see [`crate::forge`] |
//! | `wrong_amount` | an amount one fen higher, properly signed; bill: that of the first row, with totals to match | likewise |
//! | `truncate` | bill: only the first half of the file | |
//! | `error_before` | an error, nothing is done (`code` picks which; default SYSTEM_ERROR, for a bill that it is not there yet) | not sent, like `lose` |
//! | `error_after` | the work is done, then an error is answered | sent, but its answer counts as a failure, so it comes again |
//! | `contradict` | query: paid is told as unpaid and the reverse; close: "closed" without closing; create: ORDERPAID though it is not; bill: the first row is missing; refund: refused for lack of balance, or with `code` `ABNORMAL` or `CLOSED` accepted and then ended so | tells the opposite of a success |
//! | `probe` | a signature that begins with `WECHATPAY/SIGNTEST/` | such a delivery first, the proper one directly after |
//! | `reorder` | | this delivery waits until another one of the channel has come (at most `delay_s` seconds of the sandbox's clock, default 60) |
//! | `line_twice` | bill: the first row stands there twice | |
//! | `pay_after_close` | create, close: the payer pays a second after the order is closed or has expired | |
//! | `other_key` | signed with a second platform key, which GET /v3/certificates then lists too; Alipay, UnionPay: a key the merchant does not know | likewise |
//!
//! The point `query` covers refund queries too, `bill` the download of the file.

use serde::{Deserialize, Serialize};

use crate::books::Channel;
use crate::script::{Script, Strike};

/// Where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Point {
    Create,
    Query,
    Close,
    Refund,
    Notify,
    Bill,
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Deed {
    Lose,
    Delay,
    Duplicate,
    Corrupt,
    Forge,
    WrongAmount,
    ErrorBefore,
    ErrorAfter,
    Contradict,
    Truncate,
    Probe,
    OtherKey,
    Reorder,
    LineTwice,
    PayAfterClose,
}

fn once() -> u32 {
    1
}

/// One fault, as `POST /_sandbox/fault` takes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    #[serde(default)]
    pub(crate) id: u64,
    pub(crate) channel: Channel,
    /// An order number, or `*` for every one.
    pub(crate) out_trade_no: String,
    pub(crate) at: Point,
    #[serde(rename = "do")]
    pub(crate) deed: Deed,
    /// How often it still strikes.
    #[serde(default = "once")]
    pub(crate) times: u32,
    #[serde(default)]
    pub(crate) delay_s: Option<u32>,
    #[serde(default)]
    pub(crate) code: Option<String>,
    #[serde(default)]
    pub(crate) variant: Option<u32>,
}

/// All single faults that still have strikes left, oldest first, and the script.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    scripts: Vec<Fault>,
    last_id: u64,
    pub(crate) script: Option<Script>,
}

impl Faults {
    pub(crate) fn add(&mut self, mut fault: Fault) -> u64 {
        self.last_id += 1;
        fault.id = self.last_id;
        self.scripts.push(fault);
        self.last_id
    }

    /// Takes one strike of the oldest script that fits.
    pub(crate) fn take(
        &mut self,
        channel: Channel,
        at: Point,
        out_trade_no: &str,
    ) -> Option<Fault> {
        let fits = |fault: &Fault| {
            fault.channel == channel
                && fault.at == at
                && (fault.out_trade_no == "*" || fault.out_trade_no == out_trade_no)
        };
        let index = self.scripts.iter().position(fits)?;
        let fault = self.scripts[index].clone();
        self.scripts[index].times = fault.times.saturating_sub(1);
        if self.scripts[index].times == 0 {
            self.scripts.remove(index);
        }
        Some(fault)
    }

    /// What strikes a call: a single fault before the rules of the script.
    pub(crate) fn strike(
        &mut self,
        channel: Channel,
        at: Point,
        out_trade_no: &str,
        now_ms: i64,
    ) -> Option<Strike> {
        if let Some(fault) = self.take(channel, at, out_trade_no) {
            return Some(Strike::Fault(fault));
        }
        let script = self.script.as_mut()?;
        script.take(channel, at, out_trade_no, now_ms)
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.scripts.len();
        self.scripts.retain(|fault| fault.id != id);
        self.scripts.len() < before
    }

    pub(crate) fn waiting(&self) -> &[Fault] {
        &self.scripts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(out_trade_no: &str, times: u32) -> Fault {
        serde_json::from_value(serde_json::json!({
            "channel": "wechat", "out_trade_no": out_trade_no, "at": "query", "do": "lose",
            "times": times,
        }))
        .unwrap()
    }

    #[test]
    fn strikes_as_often_as_told_and_only_where_told() {
        let mut faults = Faults::default();
        assert_eq!(faults.add(fault("A", 2)), 1);
        assert_eq!(faults.add(fault("*", 1)), 2);
        assert!(faults.take(Channel::Alipay, Point::Query, "A").is_none());
        assert!(faults.take(Channel::Wechat, Point::Close, "A").is_none());
        assert_eq!(
            faults.take(Channel::Wechat, Point::Query, "A").unwrap().id,
            1
        );
        assert_eq!(
            faults.take(Channel::Wechat, Point::Query, "A").unwrap().id,
            1
        );
        assert_eq!(
            faults.take(Channel::Wechat, Point::Query, "A").unwrap().id,
            2
        );
        assert!(faults.take(Channel::Wechat, Point::Query, "A").is_none());
    }

    #[test]
    fn an_unknown_deed_or_key_is_refused() {
        for bad in [
            r#"{"channel":"wechat","out_trade_no":"*","at":"query","do":"explode"}"#,
            r#"{"channel":"wechat","out_trade_no":"*","at":"query","do":"lose","time":1}"#,
            r#"{"channel":"bank","out_trade_no":"*","at":"query","do":"lose"}"#,
        ] {
            assert!(serde_json::from_str::<Fault>(bad).is_err(), "{bad}");
        }
    }
}
