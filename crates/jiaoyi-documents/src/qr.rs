//! QR codes: modules, and an inline SVG for pages.

use fast_qr::{ECL, QRBuilder};

/// Empty modules around a code, as ISO/IEC 18004 asks.
pub const QUIET_ZONE: usize = 4;

/// Why a text gave no QR code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QrError {
    /// More than fits the largest QR code.
    #[error("make a QR code: the text of {0} bytes is too long")]
    TooLong(usize),
}

impl QrError {
    /// Stable across releases.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            QrError::TooLong(_) => "qr.too_long",
        }
    }
}

/// A square of dark and light modules without its quiet zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QrModules {
    /// Modules a side.
    pub side: usize,
    dark: Vec<bool>,
}

impl QrModules {
    /// Whether the module in this column and row is dark.
    #[must_use]
    pub fn is_dark(&self, column: usize, row: usize) -> bool {
        column < self.side && self.dark.get(row * self.side + column).copied() == Some(true)
    }

    /// Dark modules as horizontal runs: column, row, length.
    pub fn runs(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        (0..self.side).flat_map(move |row| {
            let mut column = 0;
            std::iter::from_fn(move || {
                while column < self.side && !self.is_dark(column, row) {
                    column += 1;
                }
                let start = column;
                while self.is_dark(column, row) {
                    column += 1;
                }
                (column > start).then_some((start, row, column - start))
            })
        })
    }
}

/// The QR code of a text with error correction M (15 %). A text of capitals, digits and `/:.-` takes
/// the alphanumeric mode, 5.5 bits a character.
///
/// # Errors
///
/// [`QrError::TooLong`].
pub fn qr_modules(text: &str) -> Result<QrModules, QrError> {
    let code = QRBuilder::new(text)
        .ecl(ECL::M)
        .build()
        .map_err(|_| QrError::TooLong(text.len()))?;
    let dark = (0..code.size).flat_map(|row| code[row].iter().take(code.size));
    Ok(QrModules {
        side: code.size,
        dark: dark.map(|module| module.value()).collect(),
    })
}

/// The QR code of a text as an SVG element: one path, black on white, four modules of quiet zone.
///
/// The element has no size and no text of its own: the page gives it both.
///
/// # Errors
///
/// [`QrError::TooLong`].
pub fn qr_svg(text: &str) -> Result<String, QrError> {
    let code = qr_modules(text)?;
    let side = code.side + 2 * QUIET_ZONE;
    let mut path = String::new();
    let mut at = (0, 0);
    for (column, row, length) in code.runs() {
        // Relative moves from the start of the run before: short numbers compress well.
        let (x, y) = (column + QUIET_ZONE, row + QUIET_ZONE);
        let step = if path.is_empty() {
            format!("M{x} {y}")
        } else {
            let dx = i64::try_from(x).unwrap_or(0) - i64::try_from(at.0).unwrap_or(0);
            format!("m{dx} {}", y - at.1)
        };
        path.push_str(&format!("{step}h{length}v1h-{length}z"));
        at = (x, y);
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/>\
         <path d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_and_digits_take_the_short_mode() {
        let text = format!("HTTPS://PAY.EXAMPLE:8443/Q/{}", "A7".repeat(160));
        let short = qr_modules(&text).unwrap().side;
        let long = qr_modules(&text.to_lowercase()).unwrap().side;
        // 347 characters: alphanumeric fits version 11 (61 modules), bytes need version 14 (73).
        assert_eq!((short, long), (61, 73));
    }

    #[test]
    fn runs_and_svg_cover_exactly_the_dark_modules() {
        let code = qr_modules("HTTPS://PAY.EXAMPLE/Q/ABC").unwrap();
        let mut seen = vec![false; code.side * code.side];
        for (column, row, length) in code.runs() {
            for column in column..column + length {
                assert!(!seen[row * code.side + column]);
                seen[row * code.side + column] = true;
            }
        }
        assert_eq!(seen, code.dark);
        // Every code has the three finder patterns and the one fixed dark module.
        for (column, row) in [(0, 0), (6, 6), (code.side - 1, 0), (0, code.side - 1)] {
            assert!(code.is_dark(column, row));
        }
        assert!(!code.is_dark(7, 7) && !code.is_dark(code.side, 0));
        assert_eq!(painted(&qr_svg("HTTPS://PAY.EXAMPLE/Q/ABC").unwrap()), code);
    }

    /// The modules that the second path of our SVG paints, read as a browser would.
    fn painted(svg: &str) -> QrModules {
        let number = |text: &str| text.parse::<i64>().unwrap();
        let side = svg.split("viewBox=\"0 0 ").nth(1).unwrap();
        let side = usize::try_from(number(side.split(' ').next().unwrap())).unwrap();
        let inner = side - 2 * QUIET_ZONE;
        let mut dark = vec![false; inner * inner];
        let path = svg.split("<path d=\"").nth(1).unwrap();
        let (mut x, mut y) = (0, 0);
        for run in path
            .split('"')
            .next()
            .unwrap()
            .trim_end_matches('z')
            .split('z')
        {
            let (step, rest) = run.split_once('h').unwrap();
            let (dx, dy) = step[1..].split_once(' ').unwrap();
            (x, y) = (x + number(dx), y + number(dy));
            let (length, back) = rest.split_once("v1h-").unwrap();
            assert_eq!(length, back);
            for column in x..x + number(length) {
                let at = |place: i64| usize::try_from(place).unwrap() - QUIET_ZONE;
                dark[at(y) * inner + at(column)] = true;
            }
        }
        QrModules { side: inner, dark }
    }

    #[test]
    fn too_long_a_text_is_an_error() {
        assert_eq!(qr_modules(&"x".repeat(3_000)), Err(QrError::TooLong(3_000)));
    }
}
