//! How one bank speaks, as data: names of parameters, charset, unit, times, codes, the file.

use encoding_rs::{Encoding, GBK, UTF_8};
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::time::{Date, HOUR_MS, Instant, MINUTE_MS, SECOND_MS};
use serde::Deserialize;

/// A profile, as its file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub charset: Charset,
    pub signer: SignerKind,
    pub unit: Unit,
    /// A time, such as `yyyyMMddHHmmss`.
    pub time: String,
    /// A day, such as `yyyy-MM-dd`.
    pub day: String,
    pub paths: Paths,
    pub names: Names,
    pub codes: Codes,
    pub file: FileLayout,
}

/// The charset of requests, answers and notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Charset {
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "gbk")]
    Gbk,
}

/// How messages are signed, over the sorted parameters in the bank's charset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SignerKind {
    /// RSASSA-PKCS1-v1_5 with SHA-256, Base64.
    Rsa,
    /// SM2 with SM3, Base64 of r and s.
    Sm2,
    /// SHA-256 over the text and a shared secret, lower-case hex.
    Digest,
}

/// How amounts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    /// Digits.
    Fen,
    /// Two decimals.
    Yuan,
}

/// Where what is asked for; behind the address of the bank.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paths {
    pub pay: String,
    pub query: String,
    pub refund: String,
    pub refund_query: String,
    pub file: String,
}

/// The bank's names of parameters.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Names {
    pub merchant: String,
    pub order: String,
    pub amount: String,
    /// When the order was made.
    pub time: String,
    /// Until when it can be paid.
    pub expires: String,
    pub text: String,
    /// Where the bank reports, and where it sends the payer back to.
    pub notify: String,
    pub back: String,
    pub sign: String,
    /// The bank's number of the payment.
    pub txn: String,
    /// How an order or a refund stands, and what came of the call itself.
    pub state: String,
    pub paid_at: String,
    pub refund: String,
    pub refund_amount: String,
    pub refunded_at: String,
    /// The day of a file, and its content in Base64.
    pub day: String,
    pub content: String,
}

/// The bank's words for how something stands. A word in no list means that nobody knows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Codes {
    pub paid: Vec<String>,
    pub not_paid: Vec<String>,
    pub closed: Vec<String>,
    /// No such order, refund or file.
    pub absent: Vec<String>,
    pub refunding: Vec<String>,
    pub refunded: Vec<String>,
    pub refund_refused: Vec<String>,
    pub file_ready: Vec<String>,
}

/// The text file of a day.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileLayout {
    pub separator: char,
    /// Whether the line of totals is the first one; else it is the last.
    pub totals_first: bool,
    /// What the cells of the totals are.
    pub totals: Vec<Total>,
    /// What the cells of a line are.
    pub columns: Vec<Column>,
    /// The words of a payment and of a refund in [`Column::Kind`].
    pub payment: String,
    pub refund: String,
}

/// A cell of the line of totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Total {
    /// Something that is not read, such as a title.
    Other,
    Count,
    Paid,
    Returned,
    Fees,
}

/// A cell of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Column {
    /// Something that is not read.
    Other,
    Time,
    /// Our number: the order's, of a refund the refund's.
    Number,
    /// The bank's number.
    Txn,
    /// Of a refund, the bank's number of the payment.
    Original,
    Kind,
    Amount,
    Fee,
}

impl Profile {
    /// Reads a profile; `None` with what is wrong.
    pub fn parse(text: &str) -> Result<Profile, String> {
        let profile: Profile = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let has = |column| profile.file.columns.contains(&column);
        let needed = [
            Column::Time,
            Column::Number,
            Column::Txn,
            Column::Kind,
            Column::Amount,
        ];
        if let Some(missing) = needed.into_iter().find(|column| !has(*column)) {
            return Err(format!("the file has no column {missing:?}"));
        }
        if ![Total::Count, Total::Paid, Total::Returned]
            .iter()
            .all(|total| profile.file.totals.contains(total))
        {
            return Err("the file's totals lack count, paid or returned".to_owned());
        }
        Ok(profile)
    }

    pub fn encoding(&self) -> &'static Encoding {
        match self.charset {
            Charset::Utf8 => UTF_8,
            Charset::Gbk => GBK,
        }
    }

    pub fn amount(&self, amount: Fen) -> String {
        match self.unit {
            Unit::Fen => amount.get().to_string(),
            Unit::Yuan => amount.to_string(),
        }
    }

    pub fn read_amount(&self, text: &str) -> Option<Fen> {
        match self.unit {
            Unit::Fen => {
                let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                let fen: u64 = digits.then(|| text.parse().ok())??;
                (fen <= Fen::MAX.get()).then(|| Fen::new(fen))
            }
            // Always with its two decimals.
            Unit::Yuan => text
                .split_once('.')
                .filter(|(_, part)| part.len() == 2)
                .and_then(|_| Fen::parse_yuan(text)),
        }
    }

    pub fn time(&self, at: Instant) -> String {
        write(&self.time, at)
    }

    pub fn read_time(&self, text: &str) -> Option<Instant> {
        read(&self.time, text)
    }

    pub fn day(&self, day: Date) -> String {
        write(&self.day, Instant::start_of(day))
    }
}

/// The parts that a pattern can have, each with its length.
const PARTS: [(&str, usize); 6] = [
    ("yyyy", 4),
    ("MM", 2),
    ("dd", 2),
    ("HH", 2),
    ("mm", 2),
    ("ss", 2),
];

fn write(pattern: &str, at: Instant) -> String {
    let (date, (hour, minute, second, _)) = (at.date(), at.time_of_day());
    let values = [
        i64::from(date.year()),
        i64::from(date.month()),
        i64::from(date.day()),
        hour,
        minute,
        second,
    ];
    let mut text = pattern.to_owned();
    for ((part, width), value) in PARTS.into_iter().zip(values) {
        text = text.replacen(part, &format!("{value:0width$}"), 1);
    }
    text
}

fn read(pattern: &str, text: &str) -> Option<Instant> {
    if pattern.len() != text.len() || !text.is_ascii() {
        return None;
    }
    let part = |index: usize| -> Option<i64> {
        let (name, width) = PARTS[index];
        match pattern.find(name) {
            Some(place) => {
                let digits = text.get(place..place + width)?;
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
                plain.then(|| digits.parse().ok())?
            }
            None => Some(0),
        }
    };
    let year = i16::try_from(part(0)?).ok()?;
    let (month, day) = (i8::try_from(part(1)?).ok()?, i8::try_from(part(2)?).ok()?);
    let (hour, minute, second) = (part(3)?, part(4)?, part(5)?);
    let date = Date::new(year, month, day).ok()?;
    let is_time = hour < 24 && minute < 60 && second < 60;
    let of_day = hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS;
    let at = Instant::start_of(date).plus_ms(of_day);
    // What lies between the parts has to be that of the pattern.
    (is_time && write(pattern, at) == text).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_by_their_pattern() {
        let at = Instant::parse("2026-11-22T09:05:07+08:00").unwrap();
        for (pattern, text) in [
            ("yyyyMMddHHmmss", "20261122090507"),
            ("yyyy-MM-dd HH:mm:ss", "2026-11-22 09:05:07"),
            ("dd/MM/yyyy HH.mm.ss", "22/11/2026 09.05.07"),
        ] {
            assert_eq!(write(pattern, at), text);
            assert_eq!(read(pattern, text), Some(at), "{pattern}");
        }
        for (pattern, text) in [
            ("yyyyMMdd", "20261132"),
            ("yyyyMMddHHmmss", "20261122240000"),
            ("yyyyMMdd", "2026112"),
            ("yyyyMMdd", "2026112x"),
            ("yyyy-MM-dd", "2026/11/22"),
        ] {
            assert_eq!(read(pattern, text), None, "{text}");
        }
    }
}
