//! Forgeries that other rules would notice too: each must be named in the words for what was changed.

use super::forge::first;

/// A statement that changes something, and what has to be said of it.
type Forgery = (String, &'static str);

pub fn forgeries() -> Vec<Forgery> {
    [
        slots_in_words(),
        locks_in_words(),
        contents_in_words(),
        signed_in_words(),
    ]
    .concat()
}

/// Each thing in which a slot may differ from what it stands for, and how that is called.
fn slots_in_words() -> Vec<Forgery> {
    let paid = "kind = 'success' AND premium > 0";
    let premium = "kind = 'premium' AND txn_id IS NOT NULL";
    let fact = "its fact tells of another order or time";
    let price = "its price is not the one quoted";
    let line = "it is of another line than its slot";
    let voucher = "no slot names this voucher";
    vec![
        (first("fact", "order_id = zeroblob(16)", paid), fact),
        (first("fact", "paid_at = paid_at + 1", paid), fact),
        (first("slot", "own = own - 1", "own > 0"), price),
        (first("slot", "gross = gross + 1", "1"), price),
        (
            first("slot", "subsidies = 'fiscal=1'", "1"),
            "its subsidies are not the ones quoted",
        ),
        (
            first("slot", "benefit_first = '2027-01-02'", "1"),
            "its benefit period is not the one quoted",
        ),
        (
            first("slot", "benefit_last = '2027-12-30'", "1"),
            "its benefit period is not the one quoted",
        ),
        (
            first("slot", "end_reason = 'x'", "ended_at IS NULL"),
            "ended without a reason, or the reverse",
        ),
        (
            first("slot", "line_no = 9", "1"),
            "the line that filled it is not there",
        ),
        (first("transfer", "order_id = zeroblob(16)", premium), line),
        (first("transfer", "line_no = line_no + 1", premium), line),
        (
            first("transfer", "txn_id = 'x'", premium),
            "it names another fact than its slot",
        ),
        (first("voucher", "order_id = zeroblob(16)", "1"), voucher),
        (first("voucher", "line_no = line_no + 1", "1"), voucher),
        (
            first("voucher", "ended_at = 1", "state = 'valid'"),
            "its end differs",
        ),
        (
            first("slot", "benefit_year = 2028", "1"),
            "its due is not there or belongs to somebody else",
        ),
    ]
}

/// A due that is free names nothing of a lock, and one that is locked says all of it.
fn locks_in_words() -> Vec<Forgery> {
    let lock = [
        ("lock_order", "zeroblob(16)"),
        ("lock_order_bucket", "bucket"),
        ("lock_channel", "'wechat'"),
        ("lock_until", "1"),
    ];
    let free = lock.map(|(column, value)| {
        let sql = first("due", &format!("{column} = {value}"), "state = 'open'");
        (sql, "it is not locked and names a lock")
    });
    let whole = ["lock_holder", "lock_channel", "lock_at", "lock_until"].map(|column| {
        let sql = first("due", &format!("{column} = NULL"), "state = 'locked'");
        (sql, "it is locked and does not say by whom or how long")
    });
    let mut cases = [free, whole].concat();
    cases.extend(["lock_order", "lock_order_bucket"].map(|column| {
        let sql = first("due", &format!("{column} = NULL"), "state = 'locked'");
        (sql, "it is locked and names no order")
    }));
    cases.extend([
        (
            "UPDATE pay_order SET state = 'abandoned' WHERE order_id IN \
             (SELECT lock_order FROM due WHERE state = 'locked')"
                .to_owned(),
            "its lock belongs to an order that is not placed",
        ),
        (
            first("due", "revision_last = revision_last + 1", "1"),
            "its revisions are not 1 to its last",
        ),
        (
            "UPDATE revision SET revision_no = revision_no + 10".to_owned(),
            "its revisions are not 1 to its last",
        ),
    ]);
    cases
}

/// Each thing that a signature states, of a voucher that says it otherwise.
fn signed_in_words() -> Vec<Forgery> {
    let signed = "voucher_no IN (SELECT voucher_no FROM voucher_signature)";
    let content = |(field, value)| format!("content = json_set(content, '$.{field}', {value})");
    let mut sets = [
        ("benefit_year", "2028"),
        ("region", "'990102'"),
        ("name_masked", "'*'"),
        ("own_fen", "1"),
        ("channel", "'cash'"),
    ]
    .map(content)
    .to_vec();
    sets.push("issued_at = issued_at + 1".to_owned());
    let what = "it was made over another content than its voucher has";
    sets.iter()
        .map(|set| (first("voucher", set, signed), what))
        .collect()
}

/// Each thing that a voucher says, said otherwise.
fn contents_in_words() -> Vec<Forgery> {
    let period = "its period is not the slot's";
    let amounts = "its amounts are not those of the slot";
    let money = "its channel or transaction is not the slot's";
    let quoted = "its items or region are not those quoted";
    let order = "its order number or relation is not the order's";
    [
        ("own_fen", "1", amounts),
        ("gross_fen", "1", amounts),
        (
            "subsidies",
            "'fiscal=1'",
            "its subsidies are not those of the slot",
        ),
        ("period_first", "'2027-01-02'", period),
        ("period_last", "'2027-12-30'", period),
        ("benefit_year", "2028", period),
        ("paid_at_ms", "1", "its time of payment is not the slot's"),
        ("channel", "'cash'", money),
        ("channel_txn", "'x'", money),
        ("items", "'medical=1'", quoted),
        ("region", "'990102'", quoted),
        ("order_no", "'x'", order),
        ("relation", "'cousin'", order),
        (
            "document_masked",
            "'9902'",
            "its document is not the person's",
        ),
        ("name_masked", "'*'", "its name is not the person's"),
    ]
    .into_iter()
    .map(|(field, value, what)| {
        let set = format!("content = json_set(content, '$.{field}', {value})");
        (first("voucher", &set, "1"), what)
    })
    .collect()
}
