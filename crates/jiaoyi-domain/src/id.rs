//! Identifiers: internal ids, buckets, and the numbers that people and channels see.
//!
//! Ids are drawn from an [`IdSource`], a pure stream made of a seed and a try number, so a command
//! that is decided again under the same seed and try draws the same ids. Ids and the numbers of
//! payments lead with the time of their command: what is paid together lies together.

use crate::time::{Instant, SECOND_MS};
use sha2::{Digest, Sha256};
use std::fmt;

/// The alphabet of every number we print: digits and capital letters.
const ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// From when numbers count their seconds: 2020-01-01 UTC. Six characters last until 2088.
const NUMBERS_BEGIN: Instant = Instant(1_577_836_800_000);

/// How many buckets there are.
pub const BUCKETS: u16 = 4096;

/// One of 4,096 parts of the data; all rows of a person lie in that person's home bucket.
///
/// It is 12 bits of a keyed hash of the document by which the person first became known. It says
/// nothing about the person and never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u16);

impl Bucket {
    /// `None` when `number` is 4,096 or more.
    #[must_use]
    pub const fn try_new(number: u16) -> Option<Bucket> {
        if number < BUCKETS {
            Some(Bucket(number))
        } else {
            None
        }
    }

    /// The bucket named by the first 12 bits of a keyed hash.
    #[must_use]
    pub fn from_hash(hash: &[u8; 32]) -> Bucket {
        Bucket((u16::from(hash[0]) << 4) | (u16::from(hash[1]) >> 4))
    }

    /// 0..4095.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The bucket as three characters of base 36, as public numbers carry it.
    #[must_use]
    pub fn code(self) -> String {
        let n = usize::from(self.0);
        [n / 1296, n / 36 % 36, n % 36]
            .iter()
            .map(|digit| char::from(ALPHABET[*digit]))
            .collect()
    }

    /// The bucket that three characters of base 36 name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Bucket> {
        if code.len() != 3 {
            return None;
        }
        let value = code.bytes().try_fold(0u16, |sum, byte| {
            let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
            sum.checked_mul(36)?.checked_add(u16::try_from(digit).ok()?)
        })?;
        Bucket::try_new(value)
    }
}

/// A stream of bytes fixed by a seed and a try number; the only source of ids in a decision.
#[derive(Clone, Debug)]
pub struct IdSource {
    seed: [u8; 32],
    attempt: u32,
    counter: u64,
    at: Instant,
}

impl IdSource {
    /// `seed` is drawn once, when a command arrives; `attempt` counts how often it was decided.
    #[must_use]
    pub const fn new(seed: [u8; 32], attempt: u32) -> IdSource {
        IdSource {
            seed,
            attempt,
            counter: 0,
            at: Instant(0),
        }
    }

    /// The same stream for a command that arrived at `at`, with which ids and numbers lead.
    #[must_use]
    pub const fn at(self, at: Instant) -> IdSource {
        IdSource { at, ..self }
    }

    /// The next 32 bytes of the stream.
    pub fn draw(&mut self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.attempt.to_be_bytes());
        hash.update(self.counter.to_be_bytes());
        self.counter = self.counter.saturating_add(1);
        hash.finalize().into()
    }

    /// A fresh internal id of 16 bytes: six of milliseconds since 1970, ten random.
    pub fn id16(&mut self) -> [u8; 16] {
        let bytes = self.draw();
        let mut id = [0; 16];
        id[..6].copy_from_slice(&self.at.0.to_be_bytes()[2..]);
        id[6..].copy_from_slice(&bytes[..10]);
        id
    }

    /// Seven characters of time since 2020, in thirty-sixths of a second: rows of one batch stand
    /// beside each other even when thousands are paid in a second.
    fn time_code(&self) -> String {
        let ticks = self.at.since_ms(NUMBERS_BEGIN).max(0) * 36 / SECOND_MS;
        let ticks = usize::try_from(ticks).unwrap_or(0);
        let digits = (0..7).rev().map(|place| ticks / 36_usize.pow(place) % 36);
        digits.map(|digit| char::from(ALPHABET[digit])).collect()
    }

    /// `count` (at most 24) characters of `0-9A-Z`, about 5.17 bits each.
    fn letters(&mut self, count: usize) -> String {
        let mut text = String::with_capacity(count);
        while text.len() < count {
            for byte in self.draw() {
                // 252 is the largest multiple of 36 in a byte: no letter is likelier than another.
                if byte < 252 && text.len() < count {
                    text.push(char::from(ALPHABET[usize::from(byte) % 36]));
                }
            }
        }
        text
    }
}

/// The check character of a number: ISO 7064 MOD 37,36 over `0-9A-Z`.
#[must_use]
pub fn check_character(text: &str) -> Option<char> {
    let mut p: usize = 36;
    for byte in text.bytes() {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
        p = (p + digit) % 36;
        if p == 0 {
            p = 36;
        }
        p = p * 2 % 37;
    }
    Some(char::from(ALPHABET[(37 - p) % 36]))
}

macro_rules! printed_number {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        ///
        /// 22 characters: `J`, the kind, seven of time, three of bucket, nine random (46 bits for
        /// one thirty-sixth of a second and bucket), one check.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Draws a number whose rows lie in `bucket`.
            pub fn draw(bucket: Bucket, ids: &mut IdSource) -> $name {
                let (time, random) = (ids.time_code(), ids.letters(9));
                let body = format!("J{}{time}{}{random}", $kind, bucket.code());
                let check = check_character(&body).unwrap_or('0');
                $name(format!("{body}{check}"))
            }

            /// Reads a number; `None` when its shape, kind or check character is wrong.
            #[must_use]
            pub fn parse(text: &str) -> Option<$name> {
                let body = text.get(..21)?;
                let shaped = text.len() == 22 && text.starts_with(concat!("J", $kind));
                let checked = check_character(body)? == char::from(*text.as_bytes().get(21)?);
                let named = Bucket::from_code(text.get(9..12)?).is_some();
                (shaped && checked && named).then(|| $name(text.to_owned()))
            }

            /// The bucket in which everything about this number lies.
            #[must_use]
            pub fn bucket(&self) -> Bucket {
                self.0.get(9..12).and_then(Bucket::from_code).unwrap_or_default()
            }

            /// The number as printed and sent.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

printed_number! {
    /// The number of one order (订单号): one payment for one or several dues.
    OrderNo, "O"
}
printed_number! {
    /// The number of one attempt (支付尝试): one try of one order at one channel, `out_trade_no`.
    AttemptNo, "A"
}
printed_number! {
    /// The number of one refund (退款单号), `out_refund_no` or `out_request_no` at the channel.
    RefundNo, "R"
}

impl AttemptNo {
    /// Stands before every number: where a search begins.
    pub(crate) const LOWEST: AttemptNo = AttemptNo(String::new());
}

/// The number of a voucher (凭证号): three characters of bucket, 12 random, one check.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VoucherNo(String);

impl VoucherNo {
    /// Draws a number whose voucher lies in `bucket`.
    pub fn draw(bucket: Bucket, ids: &mut IdSource) -> VoucherNo {
        let body = format!("{}{}", bucket.code(), ids.letters(12));
        let check = check_character(&body).unwrap_or('0');
        VoucherNo(format!("{body}{check}"))
    }

    /// Reads a number as people type it: spaces, hyphens and lower case are accepted.
    #[must_use]
    pub fn parse(text: &str) -> Option<VoucherNo> {
        let plain: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let body = plain.get(..15)?;
        let checked = plain.len() == 16 && plain.chars().nth(15) == check_character(body);
        let named = Bucket::from_code(plain.get(..3)?).is_some();
        (checked && named).then_some(VoucherNo(plain))
    }

    /// The bucket in which the voucher lies.
    #[must_use]
    pub fn bucket(&self) -> Bucket {
        self.0
            .get(..3)
            .and_then(Bucket::from_code)
            .unwrap_or_default()
    }

    /// Sixteen characters without separators, as stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Prints groups of four: `0AB1-CDEF-2345-678X`.
impl fmt::Display for VoucherNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, letter) in self.0.chars().enumerate() {
            if index > 0 && index % 4 == 0 {
                f.write_str("-")?;
            }
            write!(f, "{letter}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_of_a_hash_is_its_first_twelve_bits() {
        let mut hash = [0xff; 32];
        (hash[0], hash[1]) = (0x12, 0x34);
        assert_eq!(Bucket::from_hash(&hash).get(), 0x123);
    }

    #[test]
    fn numbers_carry_their_bucket_and_notice_a_slip() {
        let mut ids = IdSource::new([7; 32], 0);
        for number in [0, 1, 35, 36, 4095] {
            let bucket = Bucket::try_new(number).unwrap();
            assert_eq!(Bucket::from_code(&bucket.code()), Some(bucket));
            let no = AttemptNo::draw(bucket, &mut ids);
            assert_eq!(AttemptNo::parse(no.as_str()), Some(no.clone()));
            assert_eq!(no.bucket(), bucket);
            assert_eq!(
                OrderNo::parse(no.as_str()),
                None,
                "the kind is part of the number"
            );
            let voucher = VoucherNo::draw(bucket, &mut ids);
            assert_eq!(
                VoucherNo::parse(&voucher.to_string().to_lowercase()),
                Some(voucher.clone())
            );
            assert_eq!(voucher.bucket(), bucket);
            for (place, letter) in voucher.as_str().char_indices() {
                let other = if letter == 'A' { "B" } else { "A" };
                let mut slip = voucher.as_str().to_owned();
                slip.replace_range(place..place + 1, other);
                assert_eq!(VoucherNo::parse(&slip), None, "{slip}");
            }
        }
        assert_eq!(Bucket::try_new(4096), None);
    }

    /// What makes the embedded file quick: what is drawn later stands behind.
    #[test]
    fn ids_and_numbers_lead_with_their_time() {
        let draw = |at: i64, seed: u8| {
            let mut ids = IdSource::new([seed; 32], 0).at(NUMBERS_BEGIN.plus_ms(at));
            let bucket = Bucket::try_new(u16::from(seed)).unwrap();
            (ids.id16(), AttemptNo::draw(bucket, &mut ids))
        };
        let batches = (0..40_u8).map(|step| draw(i64::from(step) * 28, 255 - step));
        let years = (1..40_u8).map(|step| draw(i64::from(step) * 31 * 86_400_000 * 20, 200 - step));
        let last = draw(SECOND_MS * (36_i64.pow(6) - 1), 0);
        let drawn: Vec<_> = batches.chain(years).chain([last]).collect();
        let is_rising = drawn.windows(2).all(|pair| pair[0].0 < pair[1].0);
        assert!(is_rising && drawn.windows(2).all(|pair| pair[0].1 < pair[1].1));
        assert_ne!(
            draw(0, 1),
            draw(0, 2),
            "at one moment they differ all the same"
        );
        assert_eq!(
            draw(-1, 1).1,
            draw(0, 1).1,
            "a clock that is far behind draws numbers too"
        );
    }

    #[test]
    fn the_same_seed_and_try_draw_the_same_ids() {
        let draw = |attempt| IdSource::new([1; 32], attempt).id16();
        assert_eq!(draw(0), draw(0));
        assert_ne!(draw(0), draw(1));
    }
}
