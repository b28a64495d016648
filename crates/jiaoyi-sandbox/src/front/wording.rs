//! Answers for: the payer's words for the platform's codes and for our own, Chinese and English.

/// Under every page.
pub(crate) const FOOT: (&str, &str) = (
    "这一页扮演一个缴费入口，钱和人都是模拟的。",
    "This page plays a front end. Money and people are invented.",
);

/// Regions of the demo: code and name.
pub(crate) const REGIONS: [(&str, &str); 8] = [
    ("990101", "花园县"),
    ("990102", "清河区"),
    ("990103", "青山县"),
    ("990201", "东湖区"),
    ("990301", "西滩区"),
    ("990401", "北岭区"),
    ("990501", "中渡区"),
    ("990601", "平原区"),
];

/// What can be made to go wrong while paying: name in forms, Chinese, English, for whom.
pub(crate) const MISHAPS: [(&str, &str, &str); 9] = [
    ("lose_answer", "扣款后没有回音", "Money taken, answer lost"),
    (
        "lose_request",
        "扣款后没发出去",
        "Money taken, request lost",
    ),
    (
        "late",
        "扣款消息晚到一分钟",
        "Request arrives a minute late",
    ),
    ("twice", "按了两次", "Button pressed twice"),
    (
        "duplicate",
        "网络把消息送了两遍",
        "Network delivers it twice",
    ),
    (
        "jam",
        "缴完后卡钞、扣卡失败",
        "Cash or card fails after paying",
    ),
    ("wrong_amount", "金额报错一分钱", "Wrong amount"),
    ("clock_off", "时钟慢十分钟", "Clock ten minutes slow"),
    ("forged_answer", "回音被改动", "Answer changed on the way"),
];

/// What the codes of the platform, and our own, mean for the payer.
const WORDS: [(&str, &str, &str); 23] = [
    (
        "NO_SUCH_PERSON",
        "没有查到。请核对姓名、身份证号和参保地，三样都要和参保登记的一样。",
        "Nobody found. Name, number and region must all be as registered.",
    ),
    (
        "RATE_LIMITED",
        "查得太勤了，请过一分钟再试。",
        "Too many look-ups; wait a minute.",
    ),
    (
        "ALREADY_PAID",
        "这一笔已经有人缴过了，不用再缴。",
        "Somebody has paid this already; do not pay again.",
    ),
    (
        "LOCKED",
        "有人正在给这一笔缴费。请等几分钟，再查一次。",
        "Somebody is paying this just now; look again in a few minutes.",
    ),
    (
        "AMOUNT_MISMATCH",
        "金额和账单不一样，平台没有收。请重新查询。",
        "The amount is not that of the bill; look it up again.",
    ),
    (
        "NOT_PAYABLE",
        "这一笔现在不能缴。",
        "This cannot be paid now.",
    ),
    (
        "NOTHING_TO_PAY",
        "全额资助，不用自己付钱。",
        "Others pay all of it; there is nothing to pay.",
    ),
    (
        "WINDOW_CLOSED",
        "现在不在缴费期。",
        "Not within the time for paying.",
    ),
    (
        "OUTSIDE_HOURS",
        "现在不在这个入口的服务时间。",
        "Outside the hours of this front end.",
    ),
    (
        "PAID_AT_INVALID",
        "缴费时间不在当天的账里，请重新缴。",
        "Not within the accounting day; please pay again.",
    ),
    (
        "DAY_CLOSED",
        "缴费时间不在当天的账里，请重新缴。",
        "Not within the accounting day; please pay again.",
    ),
    (
        "TOMBSTONE",
        "这一笔已经作废，不会再收。",
        "This call was given up and will not be taken.",
    ),
    (
        "TOKEN_INVALID",
        "查询结果过期了，请重新查询。",
        "The look-up has expired; look again.",
    ),
    (
        "CHANNEL_NOT_ALLOWED",
        "这个入口不能这样缴，例如不能代他人缴。",
        "This front end may not be used so, such as for somebody else.",
    ),
    (
        "NO_ANSWER",
        "没有收到回音，请再试一次。",
        "No answer came; please try again.",
    ),
    (
        "FIELD_MISSING",
        "请把姓名、身份证号和参保地填完。",
        "Please fill in all three fields.",
    ),
    (
        "OTHER_INSURANCE",
        "演示里只能缴居民医保。",
        "Only medical insurance can be paid in the demo.",
    ),
    ("LOGIN_MISSING", "请先登录。", "Please log in first."),
    (
        "CONSENT_MISSING",
        "请填写来电人，并确认已核对身份、对方同意代办。",
        "Name the caller, and confirm identity and consent.",
    ),
    (
        "MEANS_MISSING",
        "请选一种付款方式。",
        "Please choose how to pay.",
    ),
    (
        "BALANCE_TOO_LOW",
        "余额不足。可以换一种付款方式。",
        "The balance is too low; another way of paying may do.",
    ),
    (
        "LOCK_ENDED",
        "等得太久，锁定已经到时。请再按一次锁定。",
        "The lock has ended by its time; lock it again.",
    ),
    (
        "CANCELLED",
        "已取消，账单没有被占用。",
        "Cancelled; the bill is free.",
    ),
];

/// Said of a code that nobody has words for.
const OTHERWISE: (&str, &str) = (
    "平台没有办成这件事，请稍后再试。",
    "The platform could not do this; please try again later.",
);

/// What a code means for the payer, Chinese and English.
pub(crate) fn of(code: &str) -> (&'static str, &'static str) {
    let known = WORDS.iter().find(|(known, _, _)| *known == code);
    known.map_or(OTHERWISE, |(_, chinese, english)| (chinese, english))
}

/// Where somebody paid, as a payer calls it.
pub(crate) fn channel(code: &str) -> &str {
    match code {
        "wechat" => "微信支付（门户）",
        "alipay" => "支付宝（门户）",
        "unionpay" => "云闪付（门户）",
        "A1" | "A2" => "支付宝",
        "A3" | "A4" => "微信",
        "A5" => "税务小程序",
        "A6" => "银行",
        "A7" => "自助设备",
        "A8" => "银行柜面",
        "A12" => "政务入口、服务站或热线",
        other => other,
    }
}
