//! Lanes: due work that needs the same party outside to answer, a channel or the sender of text
//! messages. One that hangs keeps its own lane waiting, and no other.
//!
//! Two things see to that. A pass leaves alone the lanes in which an earlier pass still works, so that
//! passes may overlap. And when so much is due that it does not fit into one read, each lane is read
//! for itself: what stands first in time is then that of the lane which gets nothing done.

use super::{AT_ONCE, WORK_MAX};
use crate::platform::Platform;
use futures_util::future::join_all;
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::front_end::FrontEnd;
use jiaoyi_domain::messages::Topic;
use jiaoyi_domain::record::Value;
use jiaoyi_store::StoreError;
use jiaoyi_store::engine::RawRows;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A kind of work with lanes: the name under which it is put off, and the queries that find it, both of
/// which tell the lane in the last column.
pub(super) struct Kind {
    pub name: &'static str,
    pub due: &'static str,
    pub due_in_lane: &'static str,
    /// Every lane that it may have.
    pub lanes: fn() -> Vec<&'static str>,
}

/// The channels that we call.
fn called() -> Vec<&'static str> {
    ChannelCode::ALL
        .into_iter()
        .map(ChannelCode::code)
        .collect()
}

/// Placing, closing and paying back at channels, text messages, and what else was to be sent.
pub(super) const MESSAGES: Kind = Kind {
    name: "relay",
    due: "outbox_due",
    due_in_lane: "outbox_due_in_lane",
    // What goes to no channel has its topic for a lane.
    lanes: || {
        [
            called(),
            Topic::ALL.iter().map(|topic| topic.code()).collect(),
        ]
        .concat()
    },
};

/// Questions what became of attempts.
pub(super) const QUESTIONS: Kind = Kind {
    name: "ask",
    due: "attempts_to_ask",
    due_in_lane: "attempts_to_ask_in_lane",
    lanes: called,
};

/// Refunds to be begun or asked about.
pub(super) const REFUNDS: Kind = Kind {
    name: "refund",
    due: "refunds_to_act",
    due_in_lane: "refunds_to_act_in_lane",
    // Institutions give back themselves what they took.
    lanes: || {
        [
            called(),
            FrontEnd::ALL.iter().map(|front| front.code()).collect(),
        ]
        .concat()
    },
};

/// The lanes in which a pass is at work, by kind.
#[derive(Debug, Default)]
pub(crate) struct Lanes(Mutex<BTreeSet<(&'static str, String)>>);

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<(&'static str, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to work in a lane until the turn is dropped; none while another works there.
    pub(super) fn enter(&self, kind: &'static str, lane: &str) -> Option<Turn<'_>> {
        let lane = (kind, lane.to_owned());
        // A turn that is made ends: one must not be made for a lane that is another's.
        let free = self.lock().insert(lane.clone());
        free.then(|| Turn { lanes: self, lane })
    }

    fn is_busy(&self, kind: &'static str, lane: &str) -> bool {
        self.lock().contains(&(kind, lane.to_owned()))
    }
}

/// Work in a lane.
pub(super) struct Turn<'l> {
    lanes: &'l Lanes,
    lane: (&'static str, String),
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.lanes.lock().remove(&self.lane);
    }
}

impl Platform {
    /// Reads what is due of a kind, by lane.
    async fn due_by_lane(&self, kind: &Kind) -> Result<BTreeMap<String, RawRows>, StoreError> {
        let rows = self.due(kind.name, kind.due, self.now(), None).await?;
        let is_full = rows.len() >= usize::from(WORK_MAX);
        let mut lanes: BTreeMap<String, RawRows> = BTreeMap::new();
        for row in rows {
            if let Some(Value::Text(lane)) = row.last() {
                lanes.entry(lane.clone()).or_default().push(row);
            }
        }
        if !is_full {
            return Ok(lanes);
        }
        for lane in (kind.lanes)() {
            let known = lanes.get(lane).map_or(0, Vec::len);
            if known >= AT_ONCE || self.lanes.is_busy(kind.name, lane) {
                continue;
            }
            let rows = self
                .due(kind.name, kind.due_in_lane, self.now(), Some(lane))
                .await?;
            if rows.len() > known {
                lanes.insert(lane.to_owned(), rows);
            }
        }
        Ok(lanes)
    }

    /// Does what is due of a kind, in all its lanes at once; how many pieces were done.
    pub(super) async fn in_lanes<T, F>(
        &self,
        kind: &Kind,
        read: impl Fn(&[Value]) -> Option<(String, T)>,
        act: impl Fn(T) -> F,
    ) -> Result<u32, StoreError>
    where
        F: Future<Output = Result<bool, StoreError>>,
    {
        let lanes = self.due_by_lane(kind).await?;
        let work = async |(lane, rows): (String, RawRows)| {
            let Some(_turn) = self.lanes.enter(kind.name, &lane) else {
                return Ok(0);
            };
            let items = rows.iter().filter_map(|row| read(row)).collect();
            self.each(kind.name, items, &act).await
        };
        let done = join_all(lanes.into_iter().map(work)).await;
        done.into_iter()
            .try_fold(0_u32, |sum, did| did.map(|did| sum.saturating_add(did)))
    }
}
