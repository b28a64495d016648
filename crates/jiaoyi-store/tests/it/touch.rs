//! A command of the tests: counts tries on notice links, after a look at rows it only reads.

use jiaoyi_domain::decide::{Answer, Command, Context, Refusal};
use jiaoyi_domain::due::DueId;
use jiaoyi_domain::needs::Needs;
use jiaoyi_domain::record::Record;
use jiaoyi_domain::roster::NoticeLink;
use jiaoyi_domain::working_set::WorkingSet;
use jiaoyi_domain::{Bucket, Instant};
use jiaoyi_store::{CallKey, Envelope};
use std::sync::atomic::{AtomicU8, Ordering};

pub type Key = (Bucket, DueId);

pub fn key(bucket: u16, number: u8) -> Key {
    (Bucket::try_new(bucket).unwrap(), DueId([number; 16]))
}

#[derive(Default)]
pub struct Touch {
    pub counts: Vec<Key>,
    /// Must not be shut; asserted.
    pub reads: Option<Key>,
    pub shuts: Option<Key>,
    /// Panics while it says what it needs.
    pub panics_asking: bool,
    /// Panics while it decides.
    pub panics: bool,
    /// A row that is there: inserted once more without having been asked for.
    pub breaks: Option<Key>,
    /// Called between loading and writing.
    pub meanwhile: Option<Box<dyn Fn() + Send + Sync>>,
}

fn empty(key: &Key) -> NoticeLink {
    NoticeLink {
        bucket: key.0,
        due_id: key.1,
        tries: 0,
        shut: false,
        devices: Vec::new(),
        changed_at: Instant(0),
        version: 1,
    }
}

impl Command for Touch {
    fn kind(&self) -> &'static str {
        "touch"
    }

    fn actor(&self) -> String {
        "test".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        assert!(!self.panics_asking, "as asked");
        let keys = self.counts.iter().chain(&self.reads).chain(&self.shuts);
        needs.keys::<NoticeLink>(keys);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        assert!(!self.panics, "as asked");
        if let Some(meanwhile) = &self.meanwhile {
            meanwhile();
        }
        if let Some(read) = &self.reads {
            if ws.notice_link.get(read).is_some_and(|row| row.shut) {
                return Err(Refusal::WindowClosed);
            }
            ws.notice_link.assert_unchanged(read);
        }
        for key in &self.counts {
            let mut row = ws.notice_link.get(key).cloned().unwrap_or(empty(key));
            row.tries += 1;
            row.changed_at = ctx.at;
            ws.notice_link.put(row);
        }
        if let Some(key) = &self.breaks {
            ws.notice_link.put(empty(key));
        }
        if let Some(key) = &self.shuts {
            let mut row = ws.notice_link.get(key).cloned().unwrap_or(empty(key));
            row.shut = true;
            ws.notice_link.put(row);
        }
        Ok(Answer::Done)
    }
}

pub fn envelope(command: Touch, call: Option<CallKey>) -> Envelope {
    static SEED: AtomicU8 = AtomicU8::new(0);
    Envelope {
        command: Box::new(command),
        at: Instant(1_767_000_000_000),
        seed: [SEED.fetch_add(1, Ordering::SeqCst); 32],
        issuer: "test".into(),
        key: call,
    }
}

pub fn count(keys: &[Key]) -> Envelope {
    let counts = keys.to_vec();
    envelope(
        Touch {
            counts,
            ..Touch::default()
        },
        None,
    )
}

pub fn call(bucket: u16, key: u8, body: u8) -> CallKey {
    CallKey {
        bucket: Bucket::try_new(bucket).unwrap(),
        key_hash: [key; 32],
        body_hash: [body; 32],
    }
}

pub async fn tries(store: &jiaoyi_store::Store, key: &Key) -> u32 {
    let row: Option<NoticeLink> = store.load(key).await.unwrap();
    assert!(row.as_ref().is_none_or(|row| row.key() == *key));
    row.map_or(0, |row| row.tries)
}
