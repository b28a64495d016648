//! Answers for: a file of faults: which call or notice of which channel, when, and what goes wrong;
//! and how often each of its rules has seen a call that it is about and struck.
//!
//! ```toml
//! seed = 1                     # fixes which calls a percentage picks
//!
//! [[rule]]
//! name = "every third"         # how it is told; "rule 1" and so on unless given
//! channel = "wechat"           # wechat, alipay, unionpay, bank1, bank2; every channel unless given
//! at = "notify"                # create, query, close, refund, notify, bill
//! do = "lose"                  # see below
//! order = "J…"                 # this order alone
//! nth = 3                      # the third such call
//! every = 3                    # the third, sixth, …
//! percent = 20                 # a fifth of them
//! times = 2                    # at most twice
//! from = "+5m"                 # by the sandbox's clock: after loading, or "00:00" (in Beijing, the next
//!                              # one) or "2026-12-31T23:59:59+08:00"
//! until = "06:00"
//! delay_s = 90                 # code and variant as in the table of `faults`
//! ```
//!
//! What is given must hold together; a rule without any `nth`, `every` or `percent` strikes each
//! time. The first rule that strikes has the call, all others only count it. Beside the deeds of
//! [`crate::faults`] there are:
//!
//! | `do` | at | what happens |
//! |---|---|---|
//! | `pay_after_close` | `create`, `close` | the payer of this order pays a second after it is closed or has expired |
//! | `bill_not_ready` | `bill` | there is no bill yet |
//! | `bill_line_missing`, `bill_line_twice`, `bill_amount_off`, `bill_cut` | `bill` | the first line is missing, stands there twice, is one fen higher; only half the file comes |
//! | `rotate_key` | any, or by its time alone | WeChat signs with its second key from now on (until `until`), and lists it |
//! | `close_window` | by its time alone | the channel closes its open orders and takes no new one until `until` |
//! | `clock_off` | by its time alone | the sandbox's clock is `minutes` off (less than 0: behind) until `until` |

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::ops::Range;
use toml::Spanned;

use crate::books::Channel;
use crate::crypto::sha256_hex;
use crate::faults::{Deed, Fault, Point};
use crate::times::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, ms_of_day, parse_rfc3339};

/// What a rule does; each deed of a single fault, and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Act {
    Lose,
    Delay,
    Duplicate,
    Reorder,
    Corrupt,
    Forge,
    WrongAmount,
    ErrorBefore,
    ErrorAfter,
    Contradict,
    Probe,
    OtherKey,
    PayAfterClose,
    BillNotReady,
    BillLineMissing,
    BillLineTwice,
    BillAmountOff,
    BillCut,
    RotateKey,
    CloseWindow,
    ClockOff,
}

const ANYWHERE: &[Point] = &[
    Point::Create,
    Point::Query,
    Point::Close,
    Point::Refund,
    Point::Notify,
    Point::Bill,
];

impl Act {
    /// Where it can strike; nowhere: it is a matter of time alone.
    const fn points(self) -> &'static [Point] {
        match self {
            Act::Reorder => &[Point::Notify],
            Act::PayAfterClose => &[Point::Create, Point::Close],
            Act::BillNotReady
            | Act::BillLineMissing
            | Act::BillLineTwice
            | Act::BillAmountOff
            | Act::BillCut => &[Point::Bill],
            Act::CloseWindow | Act::ClockOff => &[],
            Act::Lose
            | Act::Delay
            | Act::Duplicate
            | Act::Corrupt
            | Act::Forge
            | Act::WrongAmount
            | Act::ErrorBefore
            | Act::ErrorAfter
            | Act::Contradict
            | Act::Probe
            | Act::OtherKey
            | Act::RotateKey => ANYWHERE,
        }
    }

    /// The single fault that it is at a call.
    const fn deed(self) -> Deed {
        match self {
            Act::Lose => Deed::Lose,
            Act::Delay => Deed::Delay,
            Act::Duplicate => Deed::Duplicate,
            Act::Reorder => Deed::Reorder,
            Act::Corrupt => Deed::Corrupt,
            Act::Forge => Deed::Forge,
            Act::WrongAmount | Act::BillAmountOff => Deed::WrongAmount,
            // A closed window refuses orders.
            Act::ErrorBefore | Act::BillNotReady | Act::CloseWindow | Act::ClockOff => {
                Deed::ErrorBefore
            }
            Act::ErrorAfter => Deed::ErrorAfter,
            Act::Contradict | Act::BillLineMissing => Deed::Contradict,
            Act::Probe => Deed::Probe,
            Act::OtherKey | Act::RotateKey => Deed::OtherKey,
            Act::PayAfterClose => Deed::PayAfterClose,
            Act::BillLineTwice => Deed::LineTwice,
            Act::BillCut => Deed::Truncate,
        }
    }
}

/// A rule as it stands in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    name: Option<String>,
    channel: Option<Channel>,
    at: Option<Point>,
    #[serde(rename = "do")]
    act: Act,
    order: Option<String>,
    nth: Option<u64>,
    every: Option<u64>,
    percent: Option<u64>,
    times: Option<u64>,
    from: Option<String>,
    until: Option<String>,
    delay_s: Option<u32>,
    code: Option<String>,
    variant: Option<u32>,
    minutes: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    rule: Vec<Spanned<RuleText>>,
}

/// A moment as a file names it.
#[derive(Clone, Copy, Debug)]
enum Moment {
    AfterLoading(i64),
    /// The next time that it is so late in Beijing.
    OfDay(i64),
    At(i64),
}

impl Moment {
    fn parse(text: &str) -> Option<Moment> {
        if let Some(rest) = text.strip_prefix('+') {
            let unit = match rest.chars().last()? {
                's' => SECOND_MS,
                'm' => MINUTE_MS,
                'h' => HOUR_MS,
                _ => return None,
            };
            let count: i64 = rest.get(..rest.len() - 1)?.parse().ok()?;
            return count.checked_mul(unit).map(Moment::AfterLoading);
        }
        if let Some(at_ms) = parse_rfc3339(text) {
            return Some(Moment::At(at_ms));
        }
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
        let good = (0..24).contains(&hour) && (0..60).contains(&minute);
        good.then_some(Moment::OfDay(hour * HOUR_MS + minute * MINUTE_MS))
    }

    /// The moment by the clock; a time of day is the next one after `since_ms`.
    fn after(self, loaded_ms: i64, since_ms: i64) -> i64 {
        match self {
            Moment::AfterLoading(ms) => loaded_ms + ms,
            Moment::At(at_ms) => at_ms,
            Moment::OfDay(of_day_ms) => {
                let wait_ms = (of_day_ms - ms_of_day(since_ms)).rem_euclid(DAY_MS);
                since_ms + if wait_ms == 0 { DAY_MS } else { wait_ms }
            }
        }
    }
}

/// From when until when a rule holds that is loaded now. Two times of day may lie around now.
fn span(from: Option<Moment>, until: Option<Moment>, now_ms: i64) -> (i64, i64) {
    let end = |from_ms| until.map_or(i64::MAX, |until| until.after(now_ms, from_ms));
    let from_ms = from.map_or(now_ms, |from| from.after(now_ms, now_ms));
    if let (Some(Moment::OfDay(_)), Some(Moment::OfDay(_))) = (from, until) {
        let before_ms = from_ms - DAY_MS;
        if end(before_ms) > now_ms {
            return (before_ms, end(before_ms));
        }
    }
    (from_ms, end(from_ms))
}

/// A rule that was found good, with what it has done.
#[derive(Clone, Debug)]
struct Rule {
    text: RuleText,
    name: String,
    line: usize,
    from: Option<Moment>,
    until: Option<Moment>,
    from_ms: i64,
    until_ms: i64,
    seen: u64,
    applied: u64,
}

/// A file of faults, and how far it has come.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    seed: u64,
    rules: Vec<Rule>,
}

/// What begins or ends by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    RotateKey,
    CloseWindow(Option<Channel>),
    /// By so many milliseconds.
    ClockOff(i64),
}

/// What a call meets.
pub(crate) enum Strike {
    Fault(Fault),
    RotateKey,
}

impl Script {
    /// Reads a file.
    ///
    /// The error names the line and what is allowed there.
    pub(crate) fn parse(text: &str) -> Result<Script, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let line_of = |span: Range<usize>| {
            let before = text.get(..span.start).unwrap_or_default();
            before.matches('\n').count() + 1
        };
        let mut rules = Vec::new();
        for (number, rule) in (1..).zip(file.rule) {
            let line = line_of(rule.span());
            let text = rule.into_inner();
            let name = text
                .name
                .clone()
                .unwrap_or_else(|| format!("rule {number}"));
            let rule = Rule::check(text, &name, line);
            rules.push(rule.map_err(|what| format!("line {line}, {name}: {what}"))?);
        }
        if rules.is_empty() {
            return Err("there is no [[rule]] in it".to_owned());
        }
        Ok(Script {
            seed: file.seed,
            rules,
        })
    }

    /// Begins at this moment; what is to happen by the clock, and when.
    pub(crate) fn load(&mut self, now_ms: i64) -> Vec<(i64, usize)> {
        let mut turns = Vec::new();
        for (index, rule) in self.rules.iter_mut().enumerate() {
            (rule.from_ms, rule.until_ms) = span(rule.from, rule.until, now_ms);
            if rule.by_time() {
                turns.push((rule.from_ms, index));
            }
        }
        turns
    }

    /// What a rule of the clock does now, and when it ends.
    pub(crate) fn begin(&mut self, index: usize) -> Option<(Turn, i64)> {
        let rule = self.rules.get_mut(index)?;
        rule.applied += 1;
        Some((rule.turn()?, rule.until_ms))
    }

    /// What a rule of the clock has done and is over now.
    pub(crate) fn end(&self, index: usize) -> Option<Turn> {
        self.rules.get(index)?.turn()
    }

    /// What strikes a call. Every rule that is about it counts it.
    pub(crate) fn take(
        &mut self,
        channel: Channel,
        at: Point,
        order: &str,
        now_ms: i64,
    ) -> Option<Strike> {
        let mut found = None;
        for (index, rule) in self.rules.iter_mut().enumerate() {
            if !rule.is_about(channel, at, order, now_ms) {
                continue;
            }
            rule.seen += 1;
            if found.is_none() && rule.strikes(self.seed, index) {
                rule.applied += 1;
                found = Some(rule.strike(channel, at, order));
            }
        }
        found
    }

    /// How often each rule has struck.
    pub(crate) fn told(&self) -> Value {
        let rules = self.rules.iter().map(|rule| {
            json!({
                "name": rule.name, "line": rule.line, "channel": rule.text.channel,
                "at": rule.text.at, "do": rule.text.act, "from_ms": rule.from_ms,
                "until_ms": Some(rule.until_ms).filter(|end| *end < i64::MAX),
                "seen": rule.seen, "applied": rule.applied,
            })
        });
        json!({ "seed": self.seed, "rules": rules.collect::<Vec<_>>() })
    }
}

/// The word of a channel that takes no orders now.
fn closed_code(channel: Channel) -> &'static str {
    match channel {
        Channel::Wechat => "RULE_LIMIT",
        Channel::Alipay => "ACQ.ACCESS_FORBIDDEN",
        Channel::Unionpay => "39",
        Channel::Bank1 | Channel::Bank2 => "CLOSED",
    }
}

impl Rule {
    fn check(mut text: RuleText, name: &str, line: usize) -> Result<Rule, String> {
        let points = text.act.points();
        let list = |points: &[Point]| {
            let names: Vec<String> = points.iter().map(quoted).collect();
            names.join(", ")
        };
        let counts = text.nth.is_some() || text.every.is_some() || text.percent.is_some();
        match (text.at, points) {
            (Some(at), points) if !points.contains(&at) && !points.is_empty() => {
                let (act, at, list) = (quoted(&text.act), quoted(&at), list(points));
                return Err(format!("do = {act} strikes at {list}, not at {at}"));
            }
            (None, [only]) => text.at = Some(*only),
            (None, _) if text.act == Act::RotateKey => {}
            (None, [_, ..]) => return Err(format!("at is missing: {}", list(points))),
            _ => {}
        }
        if text.at.is_none() && (counts || text.times.is_some() || text.order.is_some()) {
            return Err("it is a matter of time: from and until, not of calls".to_owned());
        }
        if points.is_empty() && text.at.is_some() {
            let act = quoted(&text.act);
            return Err(format!("do = {act} is a matter of time: leave at out"));
        }
        text.check_channel()?;
        text.check_figures()?;
        let moment = |field: &str, text: &Option<String>| {
            let parse = |text: &String| {
                Moment::parse(text).ok_or_else(|| {
                    format!(
                        "{field} = {text:?}: \"+90s\", \"+5m\" or \"+2h\" after loading, \
                         \"23:59\" in Beijing, or \"2026-12-31T23:59:59+08:00\""
                    )
                })
            };
            text.as_ref().map(parse).transpose()
        };
        Ok(Rule {
            from: moment("from", &text.from)?,
            until: moment("until", &text.until)?,
            name: name.to_owned(),
            line,
            text,
            from_ms: i64::MIN,
            until_ms: i64::MAX,
            seen: 0,
            applied: 0,
        })
    }

    /// Whether it begins by the clock and not at a call.
    const fn by_time(&self) -> bool {
        self.text.at.is_none()
    }

    fn turn(&self) -> Option<Turn> {
        match self.text.act {
            Act::RotateKey => Some(Turn::RotateKey),
            Act::CloseWindow => Some(Turn::CloseWindow(self.text.channel)),
            Act::ClockOff => {
                let minutes = self.text.minutes.unwrap_or(0);
                Some(Turn::ClockOff(minutes.saturating_mul(MINUTE_MS)))
            }
            _ => None,
        }
    }

    fn is_about(&self, channel: Channel, at: Point, order: &str, now_ms: i64) -> bool {
        // A closed window is met by whoever wants to make an order.
        let window = self.text.act == Act::CloseWindow && at == Point::Create;
        (self.text.at == Some(at) || window)
            && self.text.channel.is_none_or(|own| own == channel)
            && self.text.order.as_deref().is_none_or(|own| own == order)
            && (self.from_ms..self.until_ms).contains(&now_ms)
    }

    /// Whether this call, which was counted, is one of those that it picks.
    fn strikes(&self, seed: u64, index: usize) -> bool {
        let RuleText {
            nth,
            every,
            percent,
            times,
            ..
        } = self.text;
        nth.is_none_or(|nth| self.seen == nth)
            && every.is_none_or(|every| self.seen.is_multiple_of(every))
            && percent.is_none_or(|percent| draw(seed, index, self.seen) < percent)
            && times.is_none_or(|times| self.applied < times)
    }

    fn strike(&self, channel: Channel, at: Point, order: &str) -> Strike {
        if self.text.act == Act::RotateKey {
            return Strike::RotateKey;
        }
        let closed = || closed_code(channel).to_owned();
        let window = (self.text.act == Act::CloseWindow).then(closed);
        Strike::Fault(Fault {
            id: 0,
            channel,
            out_trade_no: order.to_owned(),
            at,
            deed: self.text.act.deed(),
            times: 1,
            delay_s: self.text.delay_s,
            code: self.text.code.clone().or(window),
            variant: self.text.variant,
        })
    }
}

impl RuleText {
    fn check_channel(&self) -> Result<(), String> {
        match (self.act, self.channel, self.at) {
            (Act::RotateKey, Some(channel), _) if channel != Channel::Wechat => Err(format!(
                "do = \"rotate_key\": only \"wechat\" hands out new keys, not {}",
                quoted(&channel)
            )),
            (Act::ClockOff, Some(_), _) => {
                Err("do = \"clock_off\": all channels have one clock; leave channel out".to_owned())
            }
            (
                _,
                Some(channel @ (Channel::Unionpay | Channel::Bank1 | Channel::Bank2)),
                Some(Point::Close),
            ) => Err(format!("at = \"close\": {} cannot close", quoted(&channel))),
            _ => Ok(()),
        }
    }

    fn check_figures(&self) -> Result<(), String> {
        let counted = [
            ("nth", self.nth),
            ("every", self.every),
            ("percent", self.percent),
            ("times", self.times),
        ];
        for (field, value) in counted {
            let most = if field == "percent" { 100 } else { u64::MAX };
            if value.is_some_and(|value| value == 0 || value > most) {
                let range = if most == 100 { "1 to 100" } else { "1 or more" };
                return Err(format!("{field}: {range}"));
            }
        }
        match (self.act, self.minutes) {
            (Act::ClockOff, None | Some(0)) => {
                Err("do = \"clock_off\" needs minutes, such as 7 or -7".to_owned())
            }
            (Act::ClockOff, Some(_)) | (_, None) => Ok(()),
            (_, Some(_)) => Err("minutes belongs to do = \"clock_off\"".to_owned()),
        }
    }
}

/// A word as it stands in the file.
fn quoted(word: &impl Serialize) -> String {
    serde_json::to_string(word).unwrap_or_default()
}

/// 0 to 99, the same for the same call of the same rule under the same seed.
fn draw(seed: u64, index: usize, seen: u64) -> u64 {
    let hash = sha256_hex(format!("{seed} {index} {seen}").as_bytes());
    let part = hash.get(..8).unwrap_or_default();
    u64::from_str_radix(part, 16).unwrap_or(0) % 100
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10:00 in Beijing.
    const NOW_MS: i64 = 1_795_312_800_000;

    fn script(rules: &str) -> Script {
        let mut script = Script::parse(rules).unwrap();
        script.load(NOW_MS);
        script
    }

    /// Which of the next ten calls it strikes.
    fn strikes(script: &mut Script, at_ms: i64) -> Vec<usize> {
        let hit = |script: &mut Script| {
            let struck = script.take(Channel::Wechat, Point::Query, "A", at_ms);
            struck.is_some()
        };
        (1..=10).filter(|_| hit(script)).collect()
    }

    #[test]
    fn a_rule_strikes_when_all_that_it_says_holds() {
        let rule = "[[rule]]\nat = \"query\"\ndo = \"lose\"\n";
        for (more, want) in [
            ("", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10][..]),
            ("nth = 3", &[3]),
            ("every = 4", &[4, 8]),
            ("times = 2", &[1, 2]),
            ("every = 3\ntimes = 2", &[3, 6]),
            ("order = \"B\"", &[]),
            ("order = \"A\"\nnth = 1", &[1]),
            ("channel = \"wechat\"\nnth = 1", &[1]),
            ("channel = \"alipay\"", &[]),
            ("from = \"+1s\"", &[]),
            ("until = \"+1s\"\nnth = 2", &[2]),
            ("from = \"11:00\"", &[]),
            ("from = \"2026-11-22T09:59:59+08:00\"\nnth = 1", &[1]),
            ("until = \"2026-11-22T10:00:00+08:00\"", &[]),
        ] {
            let mut script = script(&format!("{rule}{more}\n"));
            assert_eq!(strikes(&mut script, NOW_MS), want, "{more}");
        }
    }

    #[test]
    fn a_share_is_fixed_by_the_seed() {
        let text = |seed| {
            format!("seed = {seed}\n[[rule]]\nat = \"query\"\ndo = \"lose\"\npercent = 40\n")
        };
        let mut all = Vec::new();
        for seed in 1..=20 {
            let first = strikes(&mut script(&text(seed)), NOW_MS);
            assert_eq!(first, strikes(&mut script(&text(seed)), NOW_MS));
            all.extend(first);
        }
        assert!((60..100).contains(&all.len()), "{} of 200", all.len());
    }

    #[test]
    fn the_first_rule_has_the_call_and_each_counts_it() {
        let mut script = script(
            "[[rule]]\nat = \"query\"\ndo = \"lose\"\nevery = 5\n\
             [[rule]]\nat = \"query\"\ndo = \"corrupt\"\n",
        );
        strikes(&mut script, NOW_MS);
        let told = script.told();
        let count = |rule: usize, what: &str| told["rules"][rule][what].as_u64();
        assert_eq!((count(0, "seen"), count(0, "applied")), (Some(10), Some(2)));
        assert_eq!((count(1, "seen"), count(1, "applied")), (Some(10), Some(8)));
        assert_eq!(told["rules"][1]["line"], 5);
    }

    #[test]
    fn a_time_of_day_is_the_next_one_unless_it_is_now() {
        let told = script(
            "[[rule]]\ndo = \"close_window\"\nfrom = \"00:00\"\nuntil = \"06:00\"\n\
             [[rule]]\ndo = \"close_window\"\nfrom = \"10:00\"\n\
             [[rule]]\ndo = \"close_window\"\nfrom = \"23:00\"\nuntil = \"12:00\"\n",
        )
        .told();
        let at = |rule: usize, what: &str| told["rules"][rule][what].as_i64();
        assert_eq!(at(0, "from_ms"), Some(NOW_MS + 14 * HOUR_MS));
        assert_eq!(at(0, "until_ms"), Some(NOW_MS + 20 * HOUR_MS));
        assert_eq!(at(1, "from_ms"), Some(NOW_MS + 24 * HOUR_MS));
        assert_eq!(at(2, "from_ms"), Some(NOW_MS - 11 * HOUR_MS));
        assert_eq!(at(2, "until_ms"), Some(NOW_MS + 2 * HOUR_MS));
    }

    #[test]
    fn a_wrong_file_is_told_by_line_and_with_what_is_allowed() {
        let head = "# faults\n[[rule]]\n";
        for (text, words) in [
            (
                "do = \"explode\"\nat = \"query\"",
                &["line 3", "`lose`"][..],
            ),
            ("do = \"lose\"\nat = \"lunch\"", &["line 4", "`notify`"]),
            (
                "do = \"lose\"\nat = \"query\"\nnths = 2",
                &["line 5", "`nth`"],
            ),
            (
                "do = \"lose\"\nat = \"query\"\nchannel = \"paypal\"",
                &["line 5", "`bank2`"],
            ),
            ("do = \"lose\"", &["line 2", "at is missing", "\"notify\""]),
            ("at = \"query\"", &["line 2", "missing field `do`"]),
            (
                "do = \"reorder\"\nat = \"query\"",
                &["line 2, rule 1", "at \"notify\", not"],
            ),
            (
                "do = \"bill_cut\"\nat = \"create\"",
                &["line 2", "at \"bill\""],
            ),
            (
                "do = \"lose\"\nat = \"query\"\nnth = 0",
                &["line 2", "nth: 1 or more"],
            ),
            (
                "do = \"lose\"\nat = \"query\"\npercent = 101",
                &["line 2", "1 to 100"],
            ),
            (
                "do = \"lose\"\nat = \"query\"\nfrom = \"noon\"",
                &["line 2", "\"+5m\"", "noon"],
            ),
            (
                "do = \"lose\"\nat = \"query\"\nfrom = \"24:00\"",
                &["line 2", "24:00"],
            ),
            (
                "do = \"lose\"\nat = \"close\"\nchannel = \"bank1\"",
                &["line 2", "cannot close"],
            ),
            ("do = \"clock_off\"", &["line 2", "minutes"]),
            (
                "do = \"lose\"\nat = \"query\"\nminutes = 2",
                &["line 2", "clock_off"],
            ),
            (
                "do = \"clock_off\"\nminutes = 2\nnth = 2",
                &["line 2", "from and until"],
            ),
            (
                "do = \"clock_off\"\nminutes = 2\nat = \"query\"",
                &["line 2", "leave at out"],
            ),
            (
                "do = \"rotate_key\"\nchannel = \"alipay\"",
                &["line 2", "only \"wechat\""],
            ),
            (
                "do = \"clock_off\"\nminutes = 2\nchannel = \"alipay\"",
                &["line 2", "one clock"],
            ),
        ] {
            let told = Script::parse(&format!("{head}{text}\n")).unwrap_err();
            for word in words {
                assert!(told.contains(word), "{text:?}: {word} in {told}");
            }
        }
        assert!(Script::parse("seed = 1\n").is_err());
    }
}
