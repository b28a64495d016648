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
//!
//! Where no script fits, chance may strike: see [`Chance`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::books::Channel;
use crate::script::{Script, Strike};

/// Where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// Faults by chance, as `POST /_sandbox/chance` takes them; all zero: none.
///
/// Each order draws its own rates of losses and repeats up to the most given, and how late its first
/// notice comes; some orders' notices never come. The same seed, order and number of the request draw
/// the same.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Chance {
    seed: u64,
    /// Answers and deliveries that are lost.
    loss_percent_max: u64,
    /// Requests that are worked on twice, and deliveries that come twice.
    duplicate_percent_max: u64,
    /// How late a first delivery is, by the sandbox's clock.
    delay_s_max: u64,
    /// Orders of which no notice ever comes.
    never_percent: u64,
    /// Queries that are answered with an error.
    query_error_percent: u64,
}

impl Chance {
    /// A number below `end`, drawn for an order and a purpose; 0 when `end` is 0.
    fn draw(&self, out_trade_no: &str, purpose: u64, end: u64) -> u64 {
        // SplitMix64 over what is drawn for, byte by byte.
        let mix = |state: u64, more: u64| {
            let z = (state ^ more).wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        };
        let bytes = out_trade_no.bytes().map(u64::from);
        let drawn = mix(bytes.fold(mix(self.seed, 0), mix), purpose);
        drawn.checked_rem(end).unwrap_or(0)
    }

    /// What befalls the n-th request or delivery of an order at a point.
    fn strike(&self, at: Point, out_trade_no: &str, n: u64) -> Option<(Deed, Option<u32>)> {
        let of_order = |purpose: u64, end: u64| self.draw(out_trade_no, purpose, end);
        let purpose = |what: u64| (n << 8) | (u64::from(at as u8) << 4) | what;
        let happens = |what: u64, percent: u64| of_order(purpose(what), 100) < percent;
        let loss = of_order(1 << 60, self.loss_percent_max + 1);
        let twice = of_order(2 << 60, self.duplicate_percent_max + 1);
        if at == Point::Notify {
            if of_order(3 << 60, 100) < self.never_percent {
                return Some((Deed::Lose, None));
            }
            let late = of_order(4 << 60, self.delay_s_max + 1);
            let late = of_order(purpose(1), late + 1);
            if n == 0 && late > 0 {
                return Some((Deed::Delay, u32::try_from(late).ok()));
            }
        }
        if at == Point::Query && happens(2, self.query_error_percent) {
            return Some((Deed::ErrorBefore, None));
        }
        if at != Point::Bill && happens(3, loss) {
            return Some((Deed::Lose, None));
        }
        let repeats = matches!(at, Point::Create | Point::Refund | Point::Notify);
        (repeats && happens(4, twice)).then_some((Deed::Duplicate, None))
    }
}

/// All single faults that still have strikes left, oldest first, the script, and chance.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    scripts: Vec<Fault>,
    last_id: u64,
    pub(crate) script: Option<Script>,
    chance: Chance,
    /// How often chance was asked for an order at a point.
    drawn: BTreeMap<(Channel, Point, String), u64>,
}

impl Faults {
    pub(crate) fn add(&mut self, mut fault: Fault) -> u64 {
        self.last_id += 1;
        fault.id = self.last_id;
        self.scripts.push(fault);
        self.last_id
    }

    /// Lets chance strike like this from now on.
    pub(crate) fn by_chance(&mut self, chance: Chance) {
        self.chance = chance;
    }

    /// Takes one strike of the oldest single fault that fits.
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

    /// What strikes a call: a single fault before the rules of the script, and those before chance.
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
        let script = self.script.as_mut();
        let ruled = script.and_then(|script| script.take(channel, at, out_trade_no, now_ms));
        ruled.or_else(|| self.befall(channel, at, out_trade_no).map(Strike::Fault))
    }

    fn befall(&mut self, channel: Channel, at: Point, out_trade_no: &str) -> Option<Fault> {
        let key = (channel, at, out_trade_no.to_owned());
        let drawn = self.drawn.entry(key).or_default();
        let n = *drawn;
        *drawn += 1;
        let (deed, delay_s) = self.chance.strike(at, out_trade_no, n)?;
        Some(Fault {
            id: 0,
            channel,
            out_trade_no: out_trade_no.to_owned(),
            at,
            deed,
            times: 1,
            delay_s,
            code: None,
            variant: None,
        })
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
    fn chance_strikes_each_order_at_its_own_rate_and_alike_every_time() {
        let chance = Chance {
            seed: 7,
            loss_percent_max: 30,
            duplicate_percent_max: 50,
            delay_s_max: 90_000,
            never_percent: 5,
            query_error_percent: 10,
        };
        let play = |at: Point| {
            let mut faults = Faults::default();
            faults.by_chance(chance.clone());
            let numbers = (0..2_000).map(|n| n.to_string());
            let struck = numbers.flat_map(|no| {
                let strikes = (0..20).map(|_| faults.strike(Channel::Wechat, at, &no, 0));
                strikes.collect::<Vec<_>>()
            });
            let struck = struck.map(|strike| match strike? {
                Strike::Fault(fault) => Some((fault.deed, fault.delay_s)),
                _ => None,
            });
            struck.collect::<Vec<_>>()
        };
        let share = |told: &[Option<(Deed, Option<u32>)>], deed| {
            let of = told.iter().flatten().filter(|(struck, _)| *struck == deed);
            of.count() * 1_000 / told.len()
        };
        let notices = play(Point::Notify);
        assert_eq!(notices, play(Point::Notify));
        // 5 % never and half of 30 % lost of the rest; the first of twenty is late.
        assert!((170..220).contains(&share(&notices, Deed::Lose)));
        assert!((150..250).contains(&share(&notices, Deed::Duplicate)));
        assert!((40..52).contains(&share(&notices, Deed::Delay)));
        let late = notices.iter().flatten().filter_map(|(_, delay_s)| *delay_s);
        assert!(late.clone().max().unwrap() > 60_000 && late.max().unwrap() <= 90_000);
        let queries = play(Point::Query);
        assert!((90..110).contains(&share(&queries, Deed::ErrorBefore)));
        assert!(play(Point::Bill).iter().all(Option::is_none));
        let mut calm = Faults::default();
        assert!(
            calm.strike(Channel::Wechat, Point::Notify, "1", 0)
                .is_none()
        );
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
