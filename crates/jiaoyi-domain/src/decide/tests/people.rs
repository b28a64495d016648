//! Who plays in the scenes: insured people, a county's roster, payers, a renderer.

use super::scene::{START, Scene};
use crate::attempt::Attempt;
use crate::channel::{AttemptTerms, CreateOutcome, Handover, Method, RefundTerms, SeenPayment};
use crate::decide::*;
use crate::due::{DueId, OrderId, RevisionKind, RosterId, Scheme};
use crate::fact::FactSource;
use crate::id::{AttemptNo, Bucket};
use crate::money::Fen;
use crate::order::{AfterClose, Difference, PayOrder};
use crate::record::Record;
use crate::roster::{Document, Person, Roster, RosterState};
use crate::time::{Date, HOUR_MS, Instant};
use std::sync::Arc;

pub const YEAR: i16 = 2027;

/// Says in text what it was given.
struct Telling;

impl Renderer for Telling {
    fn notify_url(&self) -> String {
        "notify".to_owned()
    }
    fn return_url(&self, bucket: Bucket, order: OrderId) -> String {
        format!("{}/{order:?}", bucket.get())
    }
    fn description(&self) -> String {
        "premium".to_owned()
    }
    fn attempt(&self, terms: &AttemptTerms, nonce: [u8; 12]) -> Vec<u8> {
        let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let AttemptTerms {
            no,
            method,
            amount,
            description,
            started_at,
            expires_at,
            notify_url,
            return_url,
            payer_ip,
            openid,
        } = terms;
        format!(
            "pay {no} {method:?} {amount} {description} from {started_at} until {expires_at} {notify_url} {return_url} \
             {payer_ip} {openid:?} nonce={nonce}"
        )
        .into_bytes()
    }
    fn refund(&self, terms: &RefundTerms) -> Vec<u8> {
        let RefundTerms {
            no,
            attempt_no,
            txn_id,
            paid_at,
            asked_at,
            retried,
            amount,
            total,
            reason,
            notify_url,
        } = terms;
        format!(
            "refund {no} of {attempt_no} {txn_id} paid {paid_at} asked {asked_at} again={retried} \
             {amount} of {total} {reason} {notify_url}"
        )
        .into_bytes()
    }
}

pub fn renderer() -> Arc<dyn Renderer> {
    Arc::new(Telling)
}

pub fn bucket(number: u16) -> Bucket {
    Bucket::try_new(number).unwrap()
}

pub fn roster(number: u8, serial: i64, at: Instant) -> Roster {
    Roster {
        roster_id: [number; 16],
        state: RosterState::Staging,
        region: "990101".to_owned(),
        benefit_year: YEAR,
        source: "county".to_owned(),
        serial,
        file_hash: [number; 32],
        rows_read: 0,
        rows_good: 0,
        rows_bad: 0,
        rows_published: 0,
        created_at: at,
        activated_at: None,
        version: 1,
    }
}

/// A row of person `number`, who lives in the bucket of that number and owes 300 yuan.
pub fn row(number: u8) -> SliceRow {
    SliceRow {
        bucket: bucket(u16::from(number)),
        doc_hmac: [number; 32],
        document_kind: "id_card".to_owned(),
        number_sealed: vec![number; 5],
        document_masked: format!("99{number}"),
        name_sealed: vec![number; 6],
        name_hmac: [number; 32],
        name_masked: format!("name{number}"),
        birthday_hmac: Some([number; 32]),
        phone_sealed: None,
        benefit_year: YEAR,
        kind: RevisionKind::Price,
        void_cause: None,
        region: "990101".to_owned(),
        category: "resident".to_owned(),
        tier: "one".to_owned(),
        aids: "dibao".to_owned(),
        items: "medical=100000;care=10000".to_owned(),
        subsidies: "fiscal=70000;dibao=10000".to_owned(),
        own: Fen::from_yuan(300),
        gross: Fen::from_yuan(1100),
        late_own: None,
        policy_version: "p1".to_owned(),
    }
}

/// The same person in a later roster, for ten yuan more.
pub fn dearer(number: u8) -> SliceRow {
    SliceRow {
        own: Fen::from_yuan(310),
        gross: Fen::from_yuan(1110),
        items: "medical=101000;care=10000".to_owned(),
        ..row(number)
    }
}

/// Brings rows as a roster that counts.
pub fn publish(scene: &mut Scene, number: u8, rows: Vec<SliceRow>) {
    let count = i64::try_from(rows.len()).unwrap();
    let roster_id = RosterId([number; 16]);
    let commands: [Box<dyn Command>; 4] = [
        Box::new(OpenRoster {
            roster: roster(number, i64::from(number), scene.at),
            older_confirmed: false,
        }),
        Box::new(StagedToPublishing {
            roster_id,
            rows_read: count,
            rows_good: count,
            rows_bad: 0,
        }),
        Box::new(PublishSlice { roster_id, rows }),
        Box::new(ActivateRoster {
            roster_id,
            rows_published: count,
            older_confirmed: false,
        }),
    ];
    for command in commands {
        scene.run("a roster", command.as_ref()).unwrap();
    }
}

/// The people of these rows, with dues that can be paid.
pub fn insured(rows: Vec<SliceRow>) -> Scene {
    let mut scene = Scene::new();
    scene.quietly(|scene| publish(scene, 1, rows));
    scene
}

/// The due of person `number`.
pub fn due(scene: &Scene, number: u8) -> DueKey {
    let documents: Vec<Document> = scene.store.all();
    let of = documents.iter().find(|row| row.doc_hmac == [number; 32]);
    let document = of.expect("a known person");
    let id = DueId::of(document.person_id, Scheme::ResidentMedical, YEAR);
    (document.person_bucket, id, 1)
}

pub fn person(scene: &Scene, number: u8) -> Person {
    let people: Vec<Person> = scene.store.all();
    let of = people.into_iter().find(|row| row.name_hmac == [number; 32]);
    of.expect("a known person")
}

/// What person `number` pays now; the window ends in three hours.
pub fn quote(scene: &Scene, number: u8) -> Quote {
    let row = row(number);
    Quote {
        due: due(scene, number),
        revision_no: 1,
        own: row.own,
        gross: row.gross,
        items: row.items,
        subsidies: row.subsidies,
        policy_version: row.policy_version,
        region: row.region,
        phase: "in_window".to_owned(),
        window_until: scene.at.plus_ms(3 * HOUR_MS),
        after_close: AfterClose::Surplus,
        difference_rule: Difference::Keep,
        benefit_first: Date::constant(2027, 1, 1),
        benefit_first_next: Date::constant(2027, 2, 1),
        benefit_last: Date::constant(2027, 12, 31),
    }
}

/// A payer by the number of the device.
pub fn start(scene: &Scene, payer: u8, people: &[u8]) -> StartPayment {
    StartPayment {
        quotes: people.iter().map(|number| quote(scene, *number)).collect(),
        method: Method::WechatNative,
        merchant: "mch".to_owned(),
        app: "app".to_owned(),
        holder: [payer; 32],
        holder_bucket: bucket(200),
        relation: "self".to_owned(),
        payer_ip: "192.0.2.1".to_owned(),
        openid: None,
        displace: false,
        renderer: renderer(),
    }
}

/// The attempt that was made last, of an order that was placed last.
pub fn last_attempt(scene: &Scene) -> Attempt {
    let attempts: Vec<Attempt> = scene.store.all();
    let newest = attempts
        .into_iter()
        .max_by_key(|row| (row.created_at, row.seq));
    newest.expect("an attempt")
}

pub fn attempt(scene: &Scene, no: &AttemptNo) -> Attempt {
    let attempts: Vec<Attempt> = scene.store.all();
    let of = attempts.into_iter().find(|row| row.attempt_no == *no);
    of.expect("the attempt")
}

pub fn last_order(scene: &Scene) -> PayOrder {
    let orders: Vec<PayOrder> = scene.store.all();
    let newest = orders.into_iter().max_by_key(|row| row.created_at);
    newest.expect("an order")
}

/// A payer starts to pay for people, and the channel hands out a code.
pub fn offered(scene: &mut Scene, payer: u8, people: &[u8]) -> Attempt {
    let command = start(scene, payer, people);
    offered_for(scene, &command)
}

/// As [`offered`], on terms of the scene's own.
pub fn offered_for(scene: &mut Scene, command: &StartPayment) -> Attempt {
    let answer = scene.run("a payer starts", command);
    assert!(matches!(answer, Ok(Answer::Started { .. })), "{answer:?}");
    let no = last_attempt(scene).attempt_no;
    scene.run("the channel hands out", &created(&no)).unwrap();
    attempt(scene, &no)
}

pub fn created(no: &AttemptNo) -> RecordCreated {
    RecordCreated {
        attempt_no: no.clone(),
        outbox: None,
        outcome: CreateOutcome::Ready(Handover::Qr("qr".to_owned())),
        handover_sealed: Some(b"sealed qr".to_vec()),
    }
}

/// A success as the channel tells it, a second after it.
pub fn seen(scene: &Scene, attempt: &Attempt) -> SeenPayment {
    SeenPayment {
        attempt_no: attempt.attempt_no.to_string(),
        txn_id: format!("txn{}.{}", attempt.created_at.since_ms(START), attempt.seq),
        amount: attempt.amount,
        currency: "CNY".to_owned(),
        paid_at: scene.at.plus_ms(-1_000),
        merchant: attempt.merchant.clone(),
        app: attempt.app.clone(),
        refunded: false,
    }
}

pub fn by_query(scene: &Scene, attempt: &Attempt) -> RecordPayment {
    RecordPayment {
        attempt_no: attempt.attempt_no.clone(),
        seen: seen(scene, attempt),
        source: FactSource::Query,
        notice: None,
    }
}

pub fn by_notice(scene: &Scene, attempt: &Attempt, id: &str) -> RecordPayment {
    RecordPayment {
        source: FactSource::Notice,
        notice: Some(notice(id)),
        ..by_query(scene, attempt)
    }
}

pub fn notice(id: &str) -> NoticeMessage {
    NoticeMessage {
        channel: "wechat".to_owned(),
        notice_id: id.to_owned(),
        body_sealed: b"sealed body".to_vec(),
    }
}

/// The key of the newest outbox row about a number.
pub fn outbox(scene: &Scene, subject: &str) -> <Outbox as Record>::Key {
    let rows: Vec<Outbox> = scene.store.all();
    let of = rows.iter().filter(|row| row.subject == subject);
    let newest = of.max_by_key(|row| (row.created_at, row.topic.number()));
    newest.expect("a message").key()
}
