//! Whether the channels answer, as our own calls saw it lately; kept in memory, for the payers' eyes.
//! No decision rests on it.

use jiaoyi_domain::Instant;
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::time::MINUTE_MS;
use std::sync::{Mutex, PoisonError};

/// So many calls in a row without a usable answer: the channel seems to be down.
const MISSES: u32 = 3;
/// After that long without a call nobody knows any more.
const FRESH_MS: i64 = 10 * MINUTE_MS;

/// Calls in a row that brought no usable answer, by channel, with the time of the last one.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Vec<(ChannelCode, u32, Instant)>>);

impl Health {
    /// Notes how a call went.
    pub(crate) fn note(&self, channel: ChannelCode, answered: bool, now: Instant) {
        let mut missed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = missed.iter().position(|(code, ..)| *code == channel);
        match (known, answered) {
            (Some(place), true) => {
                missed.swap_remove(place);
            }
            (None, true) => {}
            (Some(place), false) => {
                let (_, count, last) = &mut missed[place];
                *count = count.saturating_add(1);
                *last = now;
            }
            (None, false) => missed.push((channel, 1, now)),
        }
    }

    /// The channels that seem to be down.
    pub(crate) fn down(&self, now: Instant) -> Vec<ChannelCode> {
        let missed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_down = |count: u32, last: Instant| count >= MISSES && now.since_ms(last) < FRESH_MS;
        missed
            .iter()
            .filter(|(_, count, last)| is_down(*count, *last))
            .map(|(channel, ..)| *channel)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_misses_in_a_row_until_an_answer_or_ten_minutes() {
        let health = Health::default();
        let (wechat, alipay) = (ChannelCode::Wechat, ChannelCode::Alipay);
        let now = Instant(0);
        for (answered, down) in [
            (false, false),
            (false, false),
            (true, false),
            (false, false),
            (false, false),
            (false, true),
        ] {
            health.note(wechat, answered, now);
            health.note(alipay, true, now);
            assert_eq!(health.down(now), if down { vec![wechat] } else { vec![] });
        }
        assert_eq!(health.down(now.plus_ms(FRESH_MS)), []);
        health.note(wechat, true, now);
        assert_eq!(health.down(now), []);
    }
}
