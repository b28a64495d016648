//! The static files: the style sheet, the two small scripts that lead to a wallet, and what makes the
//! portal installable.
//!
//! Their names carry a hash of their content, so browsers may keep them for a year.

use crate::locale::Lang;
use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::io::Write as _;
use std::sync::LazyLock;

/// A static file with its compressed form.
#[derive(Debug)]
pub struct Asset {
    /// Absolute path on the host.
    pub path: String,
    pub content_type: &'static str,
    pub plain: Vec<u8>,
    pub gzip: Vec<u8>,
}

/// The style sheet.
pub static CSS: LazyLock<Asset> = LazyLock::new(|| {
    asset(
        "app",
        "css",
        "text/css; charset=utf-8",
        &squeeze(include_str!("../assets/app.css")),
    )
});

/// The script that calls WeChat's bridge; used by one page, which works without it.
pub static BRIDGE: LazyLock<Asset> = LazyLock::new(|| {
    let source = include_str!("../assets/bridge.js");
    asset("bridge", "js", "text/javascript; charset=utf-8", source)
});

/// The script that sends the form to a cashier; used by one page, which works without it.
pub static FORWARD: LazyLock<Asset> = LazyLock::new(|| {
    let source = include_str!("../assets/forward.js");
    asset("forward", "js", "text/javascript; charset=utf-8", source)
});

/// The sign of the installed portal, inside the part that no launcher cuts off.
pub static ICON: LazyLock<Asset> = LazyLock::new(|| {
    let source = include_str!("../assets/icon.svg");
    asset("icon", "svg", "image/svg+xml", source)
});

/// What a browser reads to install the portal as an app. No service worker: nothing of it works
/// without the network, and an old page must never stand in for the state of money.
pub static MANIFEST: LazyLock<Asset> = LazyLock::new(|| {
    let name = Lang::Zh.text("site.name");
    let text = serde_json::json!({
        "id": "/",
        "name": name,
        "short_name": name,
        "description": Lang::Zh.text("site.description"),
        "lang": Lang::Zh.tag(),
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#f4f6f8",
        "theme_color": "#0b5cad",
        "icons": [{
            "src": ICON.path,
            "type": ICON.content_type,
            "sizes": "any",
            "purpose": "any",
        }],
    });
    let kind = "application/manifest+json";
    asset("app", "webmanifest", kind, &text.to_string())
});

/// The file served under `path`.
#[must_use]
pub fn find(path: &str) -> Option<&'static Asset> {
    let files: [&'static Asset; 5] = [&CSS, &BRIDGE, &FORWARD, &ICON, &MANIFEST];
    files.into_iter().find(|asset| asset.path == path)
}

fn asset(name: &str, ending: &str, content_type: &'static str, text: &str) -> Asset {
    let hash = HEXLOWER.encode(&Sha256::digest(text.as_bytes())[..5]);
    Asset {
        path: format!("/assets/{name}-{hash}.{ending}"),
        content_type,
        plain: text.as_bytes().to_vec(),
        gzip: gzip(text.as_bytes(), Compression::best()),
    }
}

/// `bytes` compressed for `Content-Encoding: gzip`; no time stamp, so the same bytes every time.
#[must_use]
pub fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // Writing to memory cannot fail; were it to, an empty body would be seen at once.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

/// Removes comments, line ends and indentation: readable here, short on the wire.
fn squeeze(css: &str) -> String {
    let mut text = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, after)) = rest.split_once("/*") {
        text.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.lines().map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_and_the_script_keep_their_budgets() {
        assert!(
            CSS.gzip.len() <= 8 * 1024,
            "{} bytes of CSS",
            CSS.gzip.len()
        );
        assert!(
            BRIDGE.plain.len() <= 3 * 1024,
            "{} bytes of script",
            BRIDGE.plain.len()
        );
        assert!(
            std::str::from_utf8(&CSS.plain)
                .unwrap()
                .contains("@media print")
        );
        assert!(find(&CSS.path).is_some() && find("/assets/app.css").is_none());
    }

    #[test]
    fn squeezing_leaves_rules_alone() {
        assert_eq!(
            squeeze("/* why */\na {\n  b: c d;\n}\n/* x */ e{f:g}"),
            "a {b: c d;}e{f:g}"
        );
    }
}
