//! Answers for: the front ends as data: whose they are, by which taps one arrives, what is asked,
//! how one may pay, and what happens when the platform does not answer.

/// Where the payer stands. It decides whether a bill is locked before money is taken, and what is
/// done when a payment is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a phone or computer: nothing is locked, silence is asked about.
    Online,
    /// Before a machine that cannot be asked again: locked 3 minutes, silence is reversed.
    Machine,
    /// Before a clerk: locked 10 minutes, silence is asked about.
    Counter,
}

impl Place {
    /// How long a bill may be locked here; `None` where money is taken without a lock.
    pub(crate) const fn lock_ms(self) -> Option<i64> {
        match self {
            Place::Online => None,
            Place::Machine => Some(3 * 60 * 1_000),
            Place::Counter => Some(10 * 60 * 1_000),
        }
    }
}

/// Who has to say who they are before anything is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    Nobody,
    /// A user of the front end, by phone number.
    User,
    /// A member of staff, by their number.
    Staff,
    /// A member of staff who acts for a caller: both are written down.
    StaffForCaller,
}

/// How money is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Balance,
    Fund,
    Card,
    Cash,
    Transfer,
}

impl Means {
    /// In forms and books.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Means::Balance => "balance",
            Means::Fund => "fund",
            Means::Card => "card",
            Means::Cash => "cash",
            Means::Transfer => "transfer",
        }
    }

    pub(crate) fn by_code(code: &str) -> Option<Means> {
        let all = [
            Means::Balance,
            Means::Fund,
            Means::Card,
            Means::Cash,
            Means::Transfer,
        ];
        all.into_iter().find(|means| means.code() == code)
    }

    pub(crate) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Means::Balance => ("余额", "Balance"),
            Means::Fund => ("余额宝", "Money fund"),
            Means::Card => ("银行卡", "Bank card"),
            Means::Cash => ("现金", "Cash"),
            Means::Transfer => ("转账", "Bank transfer"),
        }
    }

    /// What the platform may know of the account; the numbers are invented.
    pub(crate) const fn account_masked(self) -> &'static str {
        match self {
            Means::Balance | Means::Fund => "139****0001",
            Means::Card => "6200****0006",
            Means::Cash => "",
            Means::Transfer => "6200****0014",
        }
    }

    /// How it comes back to the payer.
    pub(crate) const fn way_back(self) -> (&'static str, &'static str) {
        match self {
            Means::Cash => ("现金已当面退还", "the cash was handed back"),
            _ => ("已原路退回", "it went back the same way"),
        }
    }
}

/// One front end.
#[derive(Debug)]
pub(crate) struct Front {
    /// In addresses and books; upper-case, the second-level channel of the day file.
    pub(crate) slug: &'static str,
    /// The channel code of every payment made here; front ends of one code share an institution.
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) english: &'static str,
    /// Whose front end it plays.
    pub(crate) owner: &'static str,
    /// The class of its colours in `front.css`.
    pub(crate) look: &'static str,
    /// The taps that lead to the form.
    pub(crate) taps: &'static [&'static str],
    pub(crate) login: Login,
    /// Persons are bound once and remembered with the user.
    pub(crate) binds: bool,
    /// The payer says first whether it is for themselves or for somebody else.
    pub(crate) asks_for_whom: bool,
    /// Kinds of insurance to choose from; the first is ours. Empty: not asked.
    pub(crate) kinds: &'static [&'static str],
    /// Bills are listed and one is opened, even when there is only one.
    pub(crate) lists: bool,
    /// On the button that looks up.
    pub(crate) find: &'static str,
    /// Before the amount on the button that pays.
    pub(crate) pay: &'static str,
    pub(crate) means: &'static [Means],
    pub(crate) place: Place,
    /// The payer is told by a text message too.
    pub(crate) tells_by_sms: bool,
}

impl Front {
    /// The second-level channel in messages and day files.
    pub(crate) fn sub_channel(&self) -> String {
        self.slug.to_ascii_uppercase()
    }

    pub(crate) fn of_sub_channel(sub_channel: &str) -> Option<&'static Front> {
        let same = |front: &&Front| front.slug.eq_ignore_ascii_case(sub_channel);
        FRONTS.iter().find(same)
    }

    pub(crate) fn by_slug(slug: &str) -> Option<&'static Front> {
        FRONTS.iter().find(|front| front.slug == slug)
    }
}

/// An institution with a contract: it has a number, a key, books and an accounting day.
#[derive(Debug)]
pub struct Institution {
    /// The channel code of its front ends, `A1` to `A12`.
    pub code: &'static str,
    /// Its number with the platform.
    pub inst_id: &'static str,
    /// Its name, Chinese.
    pub name: &'static str,
    /// Signs with SM2 instead of RSA.
    pub sm2: bool,
    /// From this Beijing time of day, in minutes, payments belong to the next accounting day;
    /// 1440 = the civil day.
    pub cut_over_min: u16,
    /// Its day files are in GBK.
    pub gbk: bool,
    /// Calls in XML and GBK instead of JSON.
    pub xml: bool,
}

impl Institution {
    pub(crate) fn by_code(code: &str) -> Option<&'static Institution> {
        INSTITUTIONS.iter().find(|own| own.code == code)
    }

    /// The file with one half of its key among the identities, `key` or `public`.
    pub(crate) fn key_file(&self, half: &str) -> String {
        format!("front_{}_{half}.pem", self.code.to_ascii_lowercase())
    }

    /// The file that the platform needs of it: its public key, PEM.
    pub fn public_key_file(&self) -> String {
        self.key_file("public")
    }
}

/// An online shop's day is the civil day.
const fn shop(code: &'static str, inst_id: &'static str, name: &'static str) -> Institution {
    Institution {
        code,
        inst_id,
        name,
        sm2: false,
        cut_over_min: 24 * 60,
        gbk: false,
        xml: false,
    }
}

/// A bank closes its day an hour before midnight.
const fn bank(code: &'static str, inst_id: &'static str, name: &'static str) -> Institution {
    Institution {
        cut_over_min: 23 * 60,
        ..shop(code, inst_id, name)
    }
}

/// Everybody who calls the platform; some sign with SM2, old systems write GBK, and the
/// counters' speaks XML.
#[rustfmt::skip]
pub const INSTITUTIONS: &[Institution] = &[
    shop("A1", "SIM-A1", "模拟支付宝城市服务"),
    shop("A2", "SIM-A2", "模拟支付宝小程序"),
    shop("A3", "SIM-A3", "模拟微信城市服务"),
    shop("A4", "SIM-A4", "模拟微信小程序"),
    Institution { sm2: true, ..shop("A5", "SIM-A5", "模拟省税务小程序") },
    Institution { sm2: true, ..bank("A6", "SIM-A6", "模拟银行电子渠道") },
    Institution { gbk: true, ..bank("A7", "SIM-A7", "模拟银行自助设备") },
    Institution { sm2: true, gbk: true, xml: true, ..bank("A8", "SIM-A8", "模拟银行柜面") },
    shop("A12", "SIM-A12", "模拟政务入口与服务站"),
];

/// What most of them have in common: on a phone, without a log-in, nothing asked but the person.
const PLAIN: Front = Front {
    slug: "",
    code: "",
    name: "",
    english: "",
    owner: "",
    look: "blue",
    taps: &[],
    login: Login::Nobody,
    binds: false,
    asks_for_whom: false,
    kinds: &[],
    lists: false,
    find: "下一步",
    pay: "立即缴费",
    means: &[Means::Card],
    place: Place::Online,
    tells_by_sms: false,
};

const KINDS: &[&str] = &["城乡居民基本医疗保险", "城乡居民基本养老保险"];

/// Every front end, in the order of the channel codes.
pub(crate) const FRONTS: &[Front] = &[
    Front {
        slug: "a1",
        code: "A1",
        name: "支付宝 · 城市服务",
        english: "Alipay city services",
        owner: "模拟支付宝",
        taps: &["城市服务", "社保", "居民医保缴费"],
        pay: "确认缴费",
        means: &[Means::Balance, Means::Fund, Means::Card],
        ..PLAIN
    },
    Front {
        slug: "a1-life",
        code: "A1",
        name: "支付宝 · 生活缴费",
        english: "Alipay, household bills",
        owner: "模拟支付宝",
        taps: &["市民中心", "生活缴费", "医保缴费"],
        pay: "确认缴费",
        means: &[Means::Balance, Means::Fund, Means::Card],
        ..PLAIN
    },
    Front {
        slug: "a2",
        code: "A2",
        name: "支付宝小程序 · 城乡居民社保缴费",
        english: "Alipay mini program",
        owner: "模拟支付宝",
        taps: &["搜索小程序", "城乡居民社保缴费"],
        asks_for_whom: true,
        kinds: KINDS,
        lists: true,
        find: "查询应缴",
        means: &[Means::Balance, Means::Fund, Means::Card],
        ..PLAIN
    },
    Front {
        slug: "a3",
        code: "A3",
        name: "微信 · 城市服务",
        english: "WeChat city services",
        owner: "模拟微信",
        look: "green",
        taps: &["我", "支付", "城市服务", "社保", "医保缴费"],
        find: "立即缴费",
        means: &[Means::Balance, Means::Card],
        ..PLAIN
    },
    Front {
        slug: "a4",
        code: "A4",
        name: "微信小程序 · 我的医保",
        english: "WeChat mini program My Medical Insurance",
        owner: "模拟微信",
        look: "green",
        taps: &["发现", "小程序", "我的医保"],
        login: Login::User,
        binds: true,
        lists: true,
        find: "绑定并查询",
        pay: "确认年度和金额，立即缴费",
        means: &[Means::Balance, Means::Card],
        ..PLAIN
    },
    Front {
        slug: "a5",
        code: "A5",
        name: "省税务小程序 · 税通",
        english: "Provincial tax mini program",
        owner: "模拟省税务局",
        look: "teal",
        taps: &["我要办", "城乡居民社保费清缴"],
        login: Login::User,
        asks_for_whom: true,
        lists: true,
        find: "确定",
        pay: "核对无误，缴费",
        means: &[Means::Balance, Means::Card],
        ..PLAIN
    },
    Front {
        slug: "a6-app",
        code: "A6",
        name: "手机银行",
        english: "Bank app",
        owner: "模拟银行",
        look: "red",
        taps: &["生活缴费", "社保缴费"],
        login: Login::User,
        find: "查询",
        pay: "确认扣款",
        tells_by_sms: true,
        ..PLAIN
    },
    Front {
        slug: "a6-web",
        code: "A6",
        name: "网上银行",
        english: "Bank website",
        owner: "模拟银行",
        look: "red",
        taps: &["缴费支付", "零星缴费", "社保缴费"],
        login: Login::User,
        find: "查询",
        pay: "确认扣款",
        tells_by_sms: true,
        ..PLAIN
    },
    Front {
        slug: "a7-atm",
        code: "A7",
        name: "自动柜员机",
        english: "ATM",
        owner: "模拟银行",
        look: "slate",
        taps: &["插卡或无卡业务", "生活缴费", "居民医保"],
        find: "确认",
        pay: "确认",
        means: &[Means::Cash, Means::Card],
        place: Place::Machine,
        ..PLAIN
    },
    Front {
        slug: "a7-kiosk",
        code: "A7",
        name: "自助缴费机",
        english: "Self-service kiosk",
        owner: "模拟银行",
        look: "slate",
        taps: &["社保业务", "居民医保缴费"],
        find: "查询",
        pay: "去付款",
        means: &[Means::Card, Means::Cash],
        place: Place::Machine,
        ..PLAIN
    },
    Front {
        slug: "a8",
        code: "A8",
        name: "银行柜面终端",
        english: "Bank counter terminal",
        owner: "模拟银行",
        look: "slate",
        taps: &["代收业务", "居民医保费"],
        login: Login::Staff,
        lists: true,
        find: "查询欠费",
        pay: "收款",
        means: &[Means::Cash, Means::Card, Means::Transfer],
        place: Place::Counter,
        ..PLAIN
    },
    Front {
        slug: "a12-app",
        code: "A12",
        name: "国务院客户端、百度等入口",
        english: "Super-app shell",
        owner: "模拟政务客户端",
        look: "red",
        taps: &["服务", "医保", "居民医保缴费"],
        asks_for_whom: true,
        pay: "去缴费",
        ..PLAIN
    },
    Front {
        slug: "a12-station",
        code: "A12",
        name: "村（社区）服务站",
        english: "Community service station",
        owner: "模拟服务站",
        look: "teal",
        taps: &["帮办代办", "居民医保缴费"],
        login: Login::StaffForCaller,
        find: "查询",
        pay: "代收",
        means: &[Means::Cash, Means::Card],
        place: Place::Counter,
        tells_by_sms: true,
        ..PLAIN
    },
    Front {
        slug: "a12-hotline",
        code: "A12",
        name: "12366 / 12393 热线坐席",
        english: "Hotline clerk",
        owner: "模拟热线",
        look: "teal",
        taps: &["接听来电", "居民医保缴费"],
        login: Login::StaffForCaller,
        find: "查询",
        pay: "代为缴费",
        place: Place::Counter,
        tells_by_sms: true,
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_way_in_is_there_and_belongs_to_an_institution() {
        let codes: BTreeSet<&str> = FRONTS.iter().map(|front| front.code).collect();
        let wanted = ["A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A12"];
        assert_eq!(codes, wanted.into_iter().collect());
        let slugs: BTreeSet<&str> = FRONTS.iter().map(|front| front.slug).collect();
        assert_eq!(slugs.len(), FRONTS.len(), "each has an address of its own");
        for front in FRONTS {
            assert!(Institution::by_code(front.code).is_some(), "{}", front.slug);
            assert!(!front.means.is_empty() && !front.taps.is_empty());
            assert!(!front.binds || front.login == Login::User, "{}", front.slug);
        }
    }

    #[test]
    fn only_places_with_a_drawer_take_cash_and_they_lock_first() {
        for front in FRONTS {
            if front.means.contains(&Means::Cash) {
                assert!(front.place.lock_ms().is_some(), "{}", front.slug);
            }
        }
    }
}
