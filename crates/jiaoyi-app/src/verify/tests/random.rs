//! Random histories: payers, channels and jobs act in any order, and the database stays true.

use super::run;
use super::world::{Someone, Started, TempFile, World};
use crate::verify::VerifyOptions;
use jiaoyi_domain::channel::{CloseOutcome, Method, RefundOutcome, SeenPayment};
use jiaoyi_domain::decide::{
    Answer, GiveUp, RecordClose, RecordUnpaid, StartPayment, Unpaid, order_from_text,
};
use jiaoyi_domain::fact::FactSource;
use jiaoyi_domain::refund::RefundState;
use jiaoyi_domain::time::{HOUR_MS, MINUTE_MS};
use jiaoyi_domain::{AttemptNo, Bucket};

const HISTORIES: u8 = 8;
const STEPS: usize = 70;

struct Walk {
    world: World,
    people: Vec<Someone>,
    started: Vec<Started>,
    told: Vec<SeenPayment>,
    log: Vec<String>,
}

impl Walk {
    fn below(&mut self, end: usize) -> usize {
        let byte: [u8; 1] = self.world.draw();
        usize::from(byte[0]) % end
    }

    fn some(&mut self) -> Option<Started> {
        if self.started.is_empty() {
            return None;
        }
        let place = self.below(self.started.len());
        Some(self.started[place].clone())
    }

    async fn begin(&mut self) {
        let count = 1 + self.below(3);
        let mut quotes = Vec::new();
        let first = self.below(self.people.len());
        for offset in 0..count {
            let due = self.people[(first + offset) % self.people.len()].due;
            quotes.push(self.world.quote(due).await);
        }
        // A due of 0 yuan is confirmed alone, never in a basket.
        quotes.retain(|quote| !quote.own.is_zero());
        if quotes.is_empty() {
            return;
        }
        let method = Method::ALL[self.below(Method::ALL.len())];
        let displace = self.below(2) == 0;
        let holder: [u8; 32] = self.world.draw();
        let command: StartPayment = self.world.start_command(quotes, method, displace, holder);
        let answer = self.world.try_run(command, None).await;
        self.log
            .push(format!("start {first}+{count} {method:?} {answer:?}"));
        if let Ok(Answer::Started {
            bucket,
            order,
            attempt,
            ..
        }) = answer
        {
            self.started.push(Started {
                order: (
                    Bucket::try_new(bucket).unwrap(),
                    order_from_text(&order).unwrap(),
                ),
                attempt: AttemptNo::parse(&attempt).unwrap(),
                holder,
            });
        }
    }

    async fn channel(&mut self, started: &Started) {
        let choice = self.below(8);
        let no = started.attempt.clone();
        self.log.push(format!("channel {choice} {no}"));
        match choice {
            0 | 1 => {
                let _ = self.world.try_created(&no, choice == 0).await;
            }
            2 | 3 => {
                let amount = self.world.amount(started).await;
                let amount = if choice == 3 { amount - 1 } else { amount };
                let seen = self.world.seen(started, amount);
                self.told.push(seen);
            }
            4 => {
                let outcome = [
                    CloseOutcome::Closed,
                    CloseOutcome::Paid,
                    CloseOutcome::NotFound,
                ][self.below(3)]
                .clone();
                let outbox = self.world.outbox(no.as_str(), no.bucket(), "close").await;
                let command = RecordClose {
                    attempt_no: no,
                    outbox,
                    outcome,
                };
                let _ = self.world.try_run(command, None).await;
            }
            _ => {
                let seen = [
                    Unpaid::NotPaid(None),
                    Unpaid::Closed,
                    Unpaid::NotFound,
                    Unpaid::NoAnswer,
                ];
                let seen = seen[self.below(4)];
                let command = RecordUnpaid {
                    attempt_no: no,
                    seen,
                };
                let _ = self.world.try_run(command, None).await;
            }
        }
    }

    async fn tell(&mut self) {
        if self.told.is_empty() {
            return;
        }
        let place = self.below(self.told.len());
        let seen = self.told[place].clone();
        let source = [FactSource::Notice, FactSource::Query][self.below(2)];
        let no = AttemptNo::parse(&seen.attempt_no).unwrap();
        let answer = self.world.try_tell(&seen, source).await;
        self.log
            .push(format!("tell {no} {} {source:?} {answer:?}", seen.amount));
    }

    async fn refund(&mut self, started: &Started) {
        let refunds = self.world.refunds(started).await;
        let Some(refund) = refunds.first().cloned() else {
            return;
        };
        let at = self.world.now;
        let words = [
            RefundOutcome::Processing,
            RefundOutcome::Done {
                amount: refund.amount,
                at,
            },
            RefundOutcome::Closed {
                code: "CLOSED".to_owned(),
            },
            RefundOutcome::Abnormal {
                code: "ABNORMAL".to_owned(),
            },
            RefundOutcome::ShortOfBalance,
            RefundOutcome::NotFound,
        ];
        let choice = self.below(words.len() + 5);
        if refund.state == RefundState::Manual && choice >= words.len() {
            let paid = self.world.transfer(&refund, "ICBC-1");
            let answer = self.world.try_run(paid, None).await;
            self.log
                .push(format!("transfer {} {answer:?}", refund.refund_no));
            return;
        }
        let answer = match words.get(choice) {
            Some(word) => {
                self.world
                    .refund_word(&refund.refund_no, word.clone())
                    .await
            }
            None => self.world.approve(&refund.refund_no).await,
        };
        self.log
            .push(format!("refund {choice} {} {answer:?}", refund.refund_no));
    }

    async fn step(&mut self) {
        let wait = [0, 5_000, 4 * MINUTE_MS, 16 * MINUTE_MS, HOUR_MS][self.below(5)];
        self.world.now = self.world.now.plus_ms(wait);
        let choice = self.below(12);
        if choice < 3 {
            return self.begin().await;
        }
        let Some(started) = self.some() else { return };
        match choice {
            3 | 4 => self.channel(&started).await,
            5..=7 => {
                self.channel(&started).await;
                self.tell().await;
            }
            8 | 9 => self.refund(&started).await,
            10 => {
                let command = GiveUp {
                    order: started.order,
                    holder: started.holder,
                };
                let answer = self.world.try_run(command, None).await;
                self.log
                    .push(format!("give up {:?} {answer:?}", started.order));
            }
            _ => {
                let method = Method::ALL[self.below(Method::ALL.len())];
                let command = self.world.switch_command(&started, method);
                let answer = self.world.try_run(command, None).await;
                self.log
                    .push(format!("switch {:?} {method:?} {answer:?}", started.order));
                if let Ok(Answer::Started { attempt, .. }) = answer {
                    let attempt = AttemptNo::parse(&attempt).unwrap();
                    self.started.push(Started { attempt, ..started });
                }
            }
        }
    }
}

async fn walk(seed: u8, file: &TempFile) -> Walk {
    let mut world = World::open_with(&file.0, seed);
    let mut rows = Vec::new();
    for number in 1..=6 {
        let own = [38_000, 8_000, 0][usize::try_from(number % 3).unwrap()];
        rows.push(world.row(number, own, 38_000 - own));
    }
    rows[3].bucket = rows[0].bucket;
    world.import(1, rows.clone()).await;
    let mut people = Vec::new();
    for row in &rows {
        people.push(world.someone(row).await);
    }
    let mut walk = Walk {
        world,
        people,
        started: Vec::new(),
        told: Vec::new(),
        log: Vec::new(),
    };
    for _ in 0..STEPS {
        walk.step().await;
    }
    walk
}

#[test]
fn random_histories_leave_a_true_database() {
    let (mut facts, mut refunds, mut transits) = (0, 0, 0);
    for seed in 0..HISTORIES {
        let file = TempFile::new("random");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let walk = runtime.block_on(walk(seed, &file));
        walk.world.store.close();
        let poisoned = walk.log.iter().filter(|line| line.contains("Poisoned"));
        assert_eq!(
            poisoned.collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "seed {seed}"
        );
        let report = run(&file.0, &VerifyOptions::default());
        assert_eq!(report.violations, [], "seed {seed}: {:#?}", walk.log);
        let count = |table: &str| report.checked.get(table).copied().unwrap_or(0);
        (facts, refunds) = (facts + count("fact"), refunds + count("refund"));
        let text = "SELECT count(*) FROM transfer WHERE kind = 'transit'";
        let connection = rusqlite::Connection::open(&file.0).unwrap();
        transits += connection
            .query_row(text, [], |row| row.get::<_, i64>(0))
            .unwrap();
    }
    // The walks went where money is.
    assert!(
        facts > 10 && refunds > 5 && transits > 0,
        "{facts} {refunds} {transits}"
    );
}
