//! The edge of the process: the one place where time and randomness are taken from the system.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use jiaoyi_app::platform::{Clock, Random};
use jiaoyi_domain::time::DAY_MS;
use jiaoyi_domain::{Date, Instant};
use std::sync::Arc;

/// Milliseconds since 1970-01-01 UTC, from the system.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge: everything else gets time as an input"
)]
pub fn system_now() -> Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Instant(since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }))
}

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| system_now().0)
}

/// The system's clock, shifted by whole days so that today in Beijing is `today`.
pub fn clock_on(today: Option<Date>) -> Clock {
    let shift = today.map_or(0, |today| {
        let days = today.duration_since(system_now().date()).as_secs() / (DAY_MS / 1000);
        days * DAY_MS
    });
    Arc::new(move || system_now().0 + shift)
}

/// Randomness from the operating system.
///
/// # Panics
///
/// When the operating system has none: no key or token may be made then.
pub fn random() -> Random {
    let source = SystemRandom::new();
    Arc::new(move |bytes| {
        source
            .fill(bytes)
            .expect("the operating system gives random bytes")
    })
}

/// Fresh random bytes.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    random()(&mut bytes);
    bytes
}

/// Reads a system font from one of the usual folders, for characters outside the committed cut.
pub fn fonts() -> jiaoyi_documents::Fonts {
    jiaoyi_documents::Fonts::new(Box::new(|path| std::fs::read(path).ok()))
}
