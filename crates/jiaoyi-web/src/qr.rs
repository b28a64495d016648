//! QR codes as inline SVG: one path, always black on white, with a quiet zone of four modules.

use fast_qr::ECL;
use fast_qr::qr::QRBuilder;
use maud::{Markup, html};
use std::fmt::Write as _;

/// Modules of white that every scanner needs around the code.
const QUIET: usize = 4;

/// The QR code of `text`; `None` when the text is too long for any code.
#[must_use]
pub fn svg(text: &str, label: &str) -> Option<Markup> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
    let size = code.size;
    let mut path = String::new();
    for y in 0..size {
        let row = &code[y];
        let mut x = 0;
        while x < size {
            let run = row[x..size]
                .iter()
                .take_while(|module| module.value())
                .count();
            if run > 0 {
                // Writing to a string cannot fail.
                let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
            }
            x += run.max(1);
        }
    }
    let side = size + 2 * QUIET;
    Some(html! {
        svg.qr viewBox=(format!("0 0 {side} {side}")) role="img" aria-label=(label)
            shape-rendering="crispEdges" {
            path d=(path) {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_finder_patterns_and_a_quiet_zone() {
        let svg = svg("HTTPS://EXAMPLE.ORG/Q/ABC", "code")
            .unwrap()
            .into_string();
        assert!(svg.contains("M4 4h7v1h-7z"), "{svg}");
        assert!(!svg.contains("M0 ") && !svg.contains("M3 "));
        assert!(super::svg(&"A".repeat(5000), "too long").is_none());
    }
}
