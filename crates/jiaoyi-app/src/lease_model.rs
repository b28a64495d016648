//! Relays of several nodes and one message, every interleaving that a random scheduler finds: run by
//! `cargo xtask test model`. The decisions are the real ones; the store is one row under a lock that
//! takes a change only against the version it was decided on.

use crate::sync::{Arc, AtomicUsize, Mutex, Ordering};
use jiaoyi_domain::decide::{Answer, Command, Context, FinishOutbox, LeaseOutbox, Refusal};
use jiaoyi_domain::messages::{Outbox, OutboxId, OutboxState, Topic};
use jiaoyi_domain::needs::Need;
use jiaoyi_domain::record::Record;
use jiaoyi_domain::working_set::WorkingSet;
use jiaoyi_domain::{Bucket, IdSource, Instant};
use shuttle::thread;

const LEASE_MS: i64 = 10;

fn message() -> Outbox {
    Outbox {
        bucket: Bucket::default(),
        subject: "JA".to_owned(),
        outbox_id: OutboxId([1; 16]),
        topic: Topic::Close,
        state: OutboxState::Waiting,
        created_at: Instant(0),
        next_at: Instant(0),
        tries: 0,
        lease: 0,
        lease_until: None,
        done_at: None,
        version: 1,
    }
}

struct World {
    row: Mutex<Outbox>,
    now: AtomicUsize,
    /// Whether a lease is only what a reader saw, not what a commit proved: the planted fault.
    careless: bool,
}

impl World {
    fn now(&self) -> Instant {
        Instant(i64::try_from(self.now.load(Ordering::SeqCst)).unwrap())
    }

    /// Decides on what is read, and commits when the row is still that; again until it is.
    fn run(&self, command: &dyn Command) -> Result<Answer, Refusal> {
        loop {
            let read = self.row.lock().unwrap().clone();
            thread::yield_now();
            let mut ws = WorkingSet::default();
            let need = Need::key::<Outbox>(&read.key());
            ws.absorb(&need, vec![read.values()]).unwrap();
            let mut ctx = Context {
                at: self.now(),
                ids: IdSource::new([0; 32], 0),
                book_day: Instant(0).date(),
                issuer: "x".into(),
            };
            let answer = command.decide(&mut ws, &mut ctx)?;
            let written = ws.outbox.get(&read.key()).cloned().unwrap();
            let mut row = self.row.lock().unwrap();
            if self.careless || row.version == read.version {
                *row = written;
                row.version = read.version + 1;
                return Ok(answer);
            }
        }
    }
}

/// What one relay did: whether it still held the lease when it had sent, and how it ended.
fn relay(world: &World, holders: &Mutex<Vec<(u32, Instant)>>) {
    let key = message().key();
    let lease = LeaseOutbox {
        key: key.clone(),
        for_ms: LEASE_MS,
    };
    let Ok(Answer::Leased { token }) = world.run(&lease) else {
        return;
    };
    let until = world.row.lock().unwrap().lease_until;
    {
        let mut holders = holders.lock().unwrap();
        let taken = holders.iter().any(|(other, _)| *other == token);
        assert!(!taken, "two hold one lease");
        holders.push((token, until.unwrap_or_default()));
    }
    thread::yield_now();
    let done = FinishOutbox {
        key,
        token,
        done: true,
    };
    let ended = world.run(&done);
    let newest = holders
        .lock()
        .unwrap()
        .iter()
        .map(|(token, _)| *token)
        .max();
    if ended == Ok(Answer::Done) {
        assert!(newest >= Some(token));
    }
}

fn play(careless: bool) {
    let world = Arc::new(World {
        row: Mutex::new(message()),
        now: AtomicUsize::new(0),
        careless,
    });
    let holders = Arc::new(Mutex::new(Vec::new()));
    let relays: Vec<_> = (0..3)
        .map(|_| {
            let (world, holders) = (Arc::clone(&world), Arc::clone(&holders));
            thread::spawn(move || relay(&world, &holders))
        })
        .collect();
    let clock = {
        let world = Arc::clone(&world);
        thread::spawn(move || {
            for _ in 0..2 {
                world.now.fetch_add(11, Ordering::SeqCst);
                thread::yield_now();
            }
        })
    };
    for relay in relays {
        relay.join().unwrap();
    }
    clock.join().unwrap();
    let row = world.row.lock().unwrap();
    let holders = holders.lock().unwrap();
    // Without a lease that ran out only one has sent; the last who sent has ended it.
    assert_eq!(row.state, OutboxState::Done);
    assert_eq!(row.lease, u32::try_from(holders.len()).unwrap());
}

#[test]
fn a_lease_has_one_holder_and_who_lost_it_cannot_end_it() {
    shuttle::check_random(|| play(false), 3_000);
    shuttle::check_pct(|| play(false), 3_000, 3);
}

#[test]
fn a_lease_taken_on_sight_is_found() {
    let found = std::panic::catch_unwind(|| shuttle::check_random(|| play(true), 3_000));
    assert!(found.is_err());
}
