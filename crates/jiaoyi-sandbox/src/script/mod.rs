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
//! | `rotate_key` | any, or by its time alone | the channel signs with its next key from now on (until `until`): WeChat lists it, Alipay's answers in certificate mode name its certificate, UnionPay sends that along; banks cannot |
//! | `close_window` | by its time alone | the channel closes its open orders and takes no new one until `until` |
//! | `clock_off` | by its time alone | the sandbox's clock is `minutes` off (less than 0: behind) until `until` |
//!
//! `[[front]]` is a rule about an institution that calls the platform, see [`front`].

mod front;
mod timing;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::ops::Range;
use toml::Spanned;

use crate::books::Channel;
use crate::config::SandboxConfig;
use crate::faults::{Deed, Fault, Point};
use crate::front::client::Point as FrontPoint;
use crate::front::faults::Fault as FrontFault;
use crate::times::MINUTE_MS;
use front::{FrontRule, FrontText};
use timing::{Timing, Told};

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

/// How far a clock may be off, either way.
const MINUTES_MAX: u64 = 525_600;

/// Channels whose messages say which key has signed them.
const NAME_KEYS: [Channel; 3] = [Channel::Wechat, Channel::Alipay, Channel::Unionpay];

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
    #[serde(default)]
    front: Vec<Spanned<FrontText>>,
}

/// A rule that was found good, with what it has done.
#[derive(Clone, Debug)]
struct Rule {
    text: RuleText,
    name: String,
    line: usize,
    timing: Timing,
}

/// A file of faults, and how far it has come.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    seed: u64,
    rules: Vec<Rule>,
    fronts: Vec<FrontRule>,
}

/// What begins or ends by the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    RotateKey(Vec<Channel>),
    CloseWindow(Option<Channel>),
    /// By so many milliseconds.
    ClockOff(i64),
}

/// What a call meets.
pub(crate) enum Strike {
    Fault(Fault),
    /// The second key signs from now on, until this moment at which this rule ends.
    RotateKey(i64, usize),
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
        let mut fronts = Vec::new();
        for (number, rule) in (1..).zip(file.front) {
            let line = line_of(rule.span());
            let rule = FrontRule::check(rule.into_inner(), number, line);
            fronts.push(rule.map_err(|what| format!("line {line}, {what}"))?);
        }
        if rules.is_empty() && fronts.is_empty() {
            return Err("there is no [[rule]] and no [[front]] in it".to_owned());
        }
        Ok(Script {
            seed: file.seed,
            rules,
            fronts,
        })
    }

    /// Reads a file for a sandbox with these identities.
    ///
    /// The error names the line and what is missing.
    pub(crate) fn parse_for(text: &str, config: &SandboxConfig) -> Result<Script, String> {
        let script = Script::parse(text)?;
        for rule in &script.rules {
            let missing = match (rule.text.act, rule.text.channel) {
                (Act::RotateKey, Some(Channel::Alipay)) if config.alipay.certificates.is_none() => {
                    "without certificates nothing names Alipay's key; [alipay] of sandbox.toml has none"
                }
                (Act::RotateKey, Some(Channel::Unionpay))
                    if config
                        .unionpay
                        .as_ref()
                        .is_none_or(|own| own.next.is_none()) =>
                {
                    "[unionpay] of sandbox.toml has no next_key and next_cert; make the identities anew"
                }
                _ => continue,
            };
            let Rule { line, name, .. } = rule;
            return Err(format!(
                "line {line}, {name}: do = \"rotate_key\": {missing}"
            ));
        }
        Ok(script)
    }

    /// Begins at this moment; what is to happen by the clock, and when.
    pub(crate) fn load(&mut self, now_ms: i64) -> Vec<(i64, usize)> {
        let mut turns = Vec::new();
        for (index, rule) in self.rules.iter_mut().enumerate() {
            rule.timing.load(now_ms);
            if rule.by_time() {
                turns.push((rule.timing.from_ms, index));
            }
        }
        for rule in &mut self.fronts {
            rule.timing.load(now_ms);
        }
        turns
    }

    /// What a rule of the clock does now, and when it ends.
    pub(crate) fn begin(&mut self, index: usize) -> Option<(Turn, i64)> {
        let rule = self.rules.get_mut(index)?;
        rule.timing.applied += 1;
        Some((rule.turn()?, rule.timing.until_ms))
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
            if rule.timing.strikes(self.seed, index, found.is_some()) {
                found = Some(rule.strike(index, channel, at, order));
            }
        }
        found
    }

    /// What strikes a call of an institution, or one to it.
    pub(crate) fn take_front(
        &mut self,
        code: &str,
        at: FrontPoint,
        now_ms: i64,
    ) -> Option<FrontFault> {
        let mut found = None;
        let first = self.rules.len();
        for (index, rule) in self.fronts.iter_mut().enumerate() {
            if rule.is_about(code, at, now_ms)
                && rule
                    .timing
                    .strikes(self.seed, first + index, found.is_some())
            {
                found = Some(rule.strike(code));
            }
        }
        found
    }

    /// How often each rule has struck.
    pub(crate) fn told(&self) -> Value {
        let rules = self.rules.iter().map(|rule| {
            let text = &rule.text;
            let head = json!({ "channel": text.channel, "at": text.at, "do": text.act });
            told(head, &rule.name, rule.line, &rule.timing)
        });
        let fronts = self.fronts.iter().map(FrontRule::told);
        json!({ "seed": self.seed, "rules": rules.chain(fronts).collect::<Vec<_>>() })
    }
}

/// A rule for whoever asks, what it says and how often it has struck.
fn told(mut head: Value, name: &str, line: usize, timing: &Timing) -> Value {
    for (field, value) in [
        ("name", json!(name)),
        ("line", json!(line)),
        ("from_ms", json!(timing.from_ms)),
        (
            "until_ms",
            json!(Some(timing.until_ms).filter(|end| *end < i64::MAX)),
        ),
        ("seen", json!(timing.seen)),
        ("applied", json!(timing.applied)),
    ] {
        head[field] = value;
    }
    head
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
        text.check_minutes()?;
        let timing = Timing::check(&Told {
            nth: text.nth,
            every: text.every,
            percent: text.percent,
            times: text.times,
            from: text.from.as_deref(),
            until: text.until.as_deref(),
        })?;
        Ok(Rule {
            name: name.to_owned(),
            line,
            text,
            timing,
        })
    }

    /// Whether it begins by the clock and not at a call.
    const fn by_time(&self) -> bool {
        self.text.at.is_none()
    }

    fn turn(&self) -> Option<Turn> {
        match self.text.act {
            Act::RotateKey => {
                let all = || NAME_KEYS.to_vec();
                Some(Turn::RotateKey(
                    self.text.channel.map_or_else(all, |own| vec![own]),
                ))
            }
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
        let able = self.text.act != Act::RotateKey || NAME_KEYS.contains(&channel);
        able && (self.text.at == Some(at) || window)
            && self.text.channel.is_none_or(|own| own == channel)
            && self.text.order.as_deref().is_none_or(|own| own == order)
            && self.timing.holds(now_ms)
    }

    fn strike(&self, index: usize, channel: Channel, at: Point, order: &str) -> Strike {
        if self.text.act == Act::RotateKey {
            return Strike::RotateKey(self.timing.until_ms, index);
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
            (Act::RotateKey, Some(channel), _) if !NAME_KEYS.contains(&channel) => Err(format!(
                "do = \"rotate_key\": no message of {} names a key; those of \"wechat\", \"alipay\" and \
                 \"unionpay\" do",
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

    fn check_minutes(&self) -> Result<(), String> {
        match (self.act, self.minutes) {
            (Act::ClockOff, None | Some(0)) => {
                Err("do = \"clock_off\" needs minutes, such as 7 or -7".to_owned())
            }
            (Act::ClockOff, Some(minutes)) if minutes.unsigned_abs() > MINUTES_MAX => {
                Err(format!("minutes: at most {MINUTES_MAX}, a year"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::times::HOUR_MS;

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
            // It could never strike.
            (
                "do = \"lose\"\nat = \"query\"\nfrom = \"+10m\"\nuntil = \"+5m\"",
                &["line 2", "until is not after from"],
            ),
            (
                "do = \"lose\"\nat = \"query\"\nfrom = \"2026-11-22T10:00:00+08:00\"\n\
                 until = \"2026-11-22T10:00:00+08:00\"",
                &["line 2", "until is not after from"],
            ),
            (
                "do = \"lose\"\nat = \"query\"\nnth = 3\nevery = 2",
                &["line 2", "nth = 3", "every = 2"],
            ),
            (
                "do = \"lose\"\nat = \"query\"\nnth = 3\ntimes = 3\nuntil = \"+-5m\"",
                &["line 2", "+-5m"],
            ),
            (
                "do = \"lose\"\nat = \"query\"\nfrom = \"+9223372036854775s\"",
                &["line 2", "9223372036854775"],
            ),
            (
                "do = \"lose\"\nat = \"query\"\nfrom = \"9:+5\"",
                &["line 2", "9:+5"],
            ),
            ("do = \"clock_off\"", &["line 2", "minutes"]),
            (
                "do = \"clock_off\"\nminutes = 9223372036854775807",
                &["line 2", "525600"],
            ),
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
                "do = \"rotate_key\"\nchannel = \"bank1\"",
                &["line 2", "no message of \"bank1\" names a key"],
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
        // What an institution's call has no place for.
        for (at, deed) in [
            ("events", "forged_answer"),
            ("events", "duplicate"),
            ("events", "wrong_amount"),
            ("query", "wrong_amount"),
            ("reconcile", "wrong_amount"),
        ] {
            let text = format!("[[front]]\nat = {at:?}\ndo = {deed:?}\n");
            let told = Script::parse(&text).unwrap_err();
            let words = format!("line 1, front 1: do = {deed:?} has nothing to strike at {at:?}");
            assert_eq!(told, words);
        }
        for (at, deed) in [
            ("events", "late"),
            ("pay", "wrong_amount"),
            ("query", "late"),
        ] {
            let text = format!("[[front]]\nat = {at:?}\ndo = {deed:?}\n");
            assert!(Script::parse(&text).is_ok(), "{text}");
        }
        assert!(Script::parse("seed = 1\n").is_err());
    }
}
