//! Bank transfers that were forged, moved or removed, with the chain made to fit: what is said of
//! them, one forgery after another.

use super::forge::audit_anew;
use super::world::TempFile;
use super::{VerifyOptions, books_of, build, file_query, run};
use crate::verify::Given;
use rusqlite::Connection;

/// What it is called where the channel paid out what staff had paid, and did not say so.
#[test]
fn what_a_channel_paid_beside_staff_is_named() {
    let (file, _, _) = build("beside");
    let by_staff = "SELECT channel_no FROM refund r JOIN bank_transfer USING (refund_no) \
                    WHERE NOT EXISTS (SELECT 1 FROM fact WHERE txn_id = r.channel_no)";
    let number = file_query(&file.0, by_staff);
    let mut told = books_of(&file.0);
    let paid = told["transactions"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .flat_map(|row| row["refunds"].as_array_mut().into_iter().flatten())
        .find(|refund| refund["out_refund_no"] == number.as_str());
    paid.unwrap()["state"] = "success".into();
    let books = TempFile::new("beside.json");
    std::fs::write(&books.0, told.to_string()).unwrap();
    let options = VerifyOptions {
        channel_books: Some(Given::File(books.0.clone())),
        ..VerifyOptions::default()
    };
    let report = run(&file.0, &options);
    let said: Vec<&str> = report.violations.iter().map(|row| &*row.what).collect();
    assert_eq!(
        said,
        ["it is paid by bank transfer here and success at the channel"]
    );
}

/// Each forgery, and what it must be called.
const FORGERIES: &[(&str, &str)] = &[
    (
        "DELETE FROM bank_transfer",
        "done differs from what paid it out: a fact or a bank transfer",
    ),
    (
        "UPDATE refund SET state = 'manual', done_at = NULL WHERE refund_no IN \
         (SELECT refund_no FROM bank_transfer)",
        "done differs from what paid it out: a fact or a bank transfer",
    ),
    (
        "UPDATE bank_transfer SET bucket = \
         (SELECT bucket FROM slot WHERE bucket NOT IN (SELECT bucket FROM bank_transfer) LIMIT 1)",
        "the refund that it pays is not there",
    ),
    (
        "UPDATE bank_transfer SET amount = amount + 1",
        "its order or its amount is not the refund's",
    ),
    (
        "UPDATE bank_transfer SET order_id = zeroblob(16)",
        "its order or its amount is not the refund's",
    ),
    (
        "UPDATE bank_transfer SET paid_on = '2026-01-01'",
        "the refund is not done on its day",
    ),
    (
        "UPDATE refund SET done_at = done_at + 86400000 WHERE refund_no IN \
         (SELECT refund_no FROM bank_transfer)",
        "the refund is not done on its day",
    ),
    (
        "UPDATE bank_transfer SET reference = '转账'",
        "its reference, its account or its officer could not have been taken so",
    ),
    (
        "UPDATE bank_transfer SET account_tail = '6222020000'",
        "its reference, its account or its officer could not have been taken so",
    ),
    (
        "UPDATE bank_transfer SET recorded_by = ''",
        "its reference, its account or its officer could not have been taken so",
    ),
    (
        "UPDATE bank_transfer SET at = at - 864000000",
        "it was recorded before it was paid",
    ),
    (
        "DELETE FROM transfer WHERE kind = 'bank_transfer'",
        "the books do not say it was paid by bank transfer so",
    ),
    (
        "UPDATE transfer SET amount = amount + 1 WHERE kind = 'bank_transfer'",
        "the books do not say it was paid by bank transfer so",
    ),
    (
        "UPDATE transfer SET credit = 'bank_transfer:2026-01-01' WHERE kind = 'bank_transfer'",
        "the books have it on another day",
    ),
    (
        "UPDATE transfer SET credit = 'clearing:wechat:2026-11-22' WHERE kind = 'bank_transfer'",
        "its accounts do not fit its kind",
    ),
    (
        "UPDATE transfer SET kind = 'refund_done' WHERE kind = 'bank_transfer'",
        "its accounts do not fit its kind",
    ),
    (
        "UPDATE exception_case SET state = 'open' WHERE kind = 'refund_manual'",
        "its case still asks staff to pay",
    ),
    (
        "DELETE FROM exception_case WHERE kind = 'returned_twice'",
        "the channel paid it out as well, and there is no case",
    ),
    (
        "DELETE FROM outbox WHERE topic = 'sms_refund' AND subject IN \
         (SELECT refund_no FROM bank_transfer)",
        "nobody was told that it is done",
    ),
];

#[test]
fn a_forged_or_removed_transfer_is_named() {
    let (file, world, _) = build("transfers");
    let mut silent = Vec::new();
    for (sql, what) in FORGERIES {
        let copy = TempFile::copy_of(&file.0);
        let connection = Connection::open(&copy.0).unwrap();
        if connection.execute(sql, []).unwrap() == 0 {
            silent.push(format!("{sql}: changed nothing"));
        }
        audit_anew(&connection);
        drop(connection);
        let options = VerifyOptions {
            keyring: Some(&world.keyring),
            ..VerifyOptions::default()
        };
        let said = run(&copy.0, &options).violations;
        if !said.iter().any(|row| row.what == *what) {
            silent.push(format!("{sql}: {what} is not in {said:?}"));
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}
