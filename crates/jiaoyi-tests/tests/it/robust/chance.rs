//! Chance with a seed: the same seed gives the same run.

/// SplitMix64, after Steele, Lea and Flood (2014).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// A sequence of its own for every seed.
    pub const fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// The sequence of one of many who share a seed.
    pub const fn of(seed: u64, number: u64) -> Chance {
        Chance::new(seed ^ number.wrapping_mul(0x5851_F42D_4C95_7F2D))
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `end - 1`; 0 when `end` is 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next() % end }
    }

    /// Brings everything into another order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for place in (1..all.len()).rev() {
            let other = self.below(u64::try_from(place + 1).unwrap_or(1));
            all.swap(place, usize::try_from(other).unwrap_or(0));
        }
    }

    /// A form key as our pages make them: 32 hexadecimal characters.
    pub fn form_key(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }
}
