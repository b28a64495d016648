//! Answers for: fen inside, yuan text at the border of Alipay and of the bill files.

/// `40000` → `400.00`.
pub(crate) fn yuan(fen: u64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

/// `400`, `400.0`, `400.00` → `40000`. `None` for anything Alipay refuses: a sign, more than
/// two decimals, spaces, nothing, or more than 100,000,000 yuan.
pub(crate) fn parse_yuan(text: &str) -> Option<u64> {
    let (whole, cents) = text.split_once('.').unwrap_or((text, "00"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(cents) || whole.len() > 9 || cents.len() > 2 {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let cents: u64 = format!("{cents:0<2}").parse().ok()?;
    let fen = whole.checked_mul(100)?.checked_add(cents)?;
    (fen <= 10_000_000_000).then_some(fen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_the_rest() {
        for fen in [0, 1, 10, 99, 100, 101, 40_000, 10_000_000_000] {
            assert_eq!(parse_yuan(&yuan(fen)), Some(fen));
        }
        assert_eq!(parse_yuan("400"), Some(40_000));
        assert_eq!(parse_yuan("400.5"), Some(40_050));
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1.00",
            "+1",
            "1.005",
            " 1.00",
            "1e3",
            "100000000.01",
        ] {
            assert_eq!(parse_yuan(bad), None, "{bad}");
        }
    }
}
