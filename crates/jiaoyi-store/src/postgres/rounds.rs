//! Reading by key, whoever asks: what was asked while a connection was busy is its next round. The
//! statements of a round are sent together, and rows of one table that several ask for are read by
//! one of them. So a page that reads alone waits for nobody, and under load a read costs a fraction
//! of a journey.

use super::door::Door;
use super::lane::{bound, range_many, set};
use super::session::{Session, refs};
use super::values::{Bound, read_rows};
use crate::engine::RawRows;
use crate::error::StoreError;
use crate::schema::all_tables;
use futures_util::future::join_all;
use jiaoyi_domain::record::{Record, TableSpec, Value};
use jiaoyi_domain::roster::Document;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Connections.
const COUNT: usize = 1;
/// Most questions of a round.
const ROUND_MAX: usize = 128;

/// Queries that read a few rows by an index, as a read by key does.
const BY_INDEX: &[&str] = &["order_of_number", "outbox_of_subject"];

/// Such queries with a statement for several questions at once, which says at which place in the
/// arrays each of its rows was asked for; and the columns that are given.
const NUMBERED: &[(&str, &str, &TableSpec, &[&str])] = &[(
    "nearest_document",
    "nearest_documents",
    Document::SPEC,
    &["bucket", "doc_hmac"],
)];

/// How a question is asked together with others.
struct Form {
    table: &'static TableSpec,
    /// The columns that are given.
    given: Vec<&'static str>,
    /// The statement for several at once.
    many: (&'static str, &'static str),
    /// Whether rows begin with the place of their question; otherwise with their key.
    numbered: bool,
}

/// The forms by file and name of the statement for one question.
static FORMS: LazyLock<BTreeMap<(&'static str, &'static str), Form>> = LazyLock::new(|| {
    let of_keys = |table: &'static TableSpec, given: &[&'static str], many| Form {
        table,
        given: given.to_vec(),
        many: (table.name, many),
        numbered: false,
    };
    let mut forms = BTreeMap::new();
    for table in all_tables() {
        let key = table.columns[..table.key_len].iter();
        let key: Vec<&str> = key.map(|column| column.name).collect();
        forms.insert((table.name, "load"), of_keys(table, &key, "load_many"));
        for (range, given) in table.ranges {
            forms.insert(
                (table.name, *range),
                of_keys(table, given, range_many(range)),
            );
        }
    }
    for (name, many, table, given) in NUMBERED {
        let form = Form {
            table,
            given: given.to_vec(),
            many: ("postgres", many),
            numbered: true,
        };
        forms.insert(("queries", *name), form);
    }
    forms
});

type Answer = Result<RawRows, StoreError>;

/// A question that waits.
struct Ask {
    file: &'static str,
    name: &'static str,
    given: Vec<Value>,
    reply: oneshot::Sender<Answer>,
}

/// What the connections share.
#[derive(Default)]
struct Shared {
    asked: VecDeque<Ask>,
    free: Vec<Session>,
    /// How many rounds are under way.
    under_way: usize,
}

/// Connections that read in rounds.
pub(super) struct Rounds {
    door: Arc<Door>,
    shared: Mutex<Shared>,
}

impl Rounds {
    pub(super) fn new(door: Arc<Door>) -> Arc<Rounds> {
        Arc::new(Rounds {
            door,
            shared: Mutex::default(),
        })
    }

    /// Whether a statement reads so little that others may wait for it.
    pub(super) fn takes(file: &str, name: &str) -> bool {
        FORMS.contains_key(&(file, name)) || file == "queries" && BY_INDEX.contains(&name)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the connections go that nobody uses.
    pub(super) fn let_go(&self) {
        self.shared().free.clear();
    }

    /// Runs a reading statement.
    pub(super) async fn read(
        self: Arc<Rounds>,
        file: &'static str,
        name: &'static str,
        given: Vec<Value>,
    ) -> Answer {
        let (reply, answer) = oneshot::channel();
        let ask = Ask {
            file,
            name,
            given,
            reply,
        };
        let begins = {
            let mut shared = self.shared();
            shared.asked.push_back(ask);
            let begins = shared.under_way < COUNT;
            shared.under_way += usize::from(begins);
            begins
        };
        if begins {
            tokio::spawn(self.go_round());
        }
        answer.await.map_err(|_| StoreError::Unavailable {
            why: "the read was given up".to_owned(),
        })?
    }

    /// Rounds, until nobody asks.
    async fn go_round(self: Arc<Rounds>) {
        let mut under_way = UnderWay(Some(&self));
        loop {
            // Whoever can go on goes first: perhaps they ask as well.
            tokio::task::yield_now().await;
            let Some(asks) = self.next_round() else {
                under_way.0 = None;
                return;
            };
            let session = self.session().await;
            match session {
                Ok(mut session) => {
                    answer(&mut session, asks).await;
                    self.shared().free.push(session);
                }
                Err(error) => refuse(asks, &error),
            }
        }
    }

    /// What is asked next; when nobody asks, one round less is under way.
    fn next_round(&self) -> Option<Vec<Ask>> {
        let mut shared = self.shared();
        // Who has gone away asks no more.
        shared.asked.retain(|ask| !ask.reply.is_closed());
        let count = shared.asked.len().min(ROUND_MAX);
        if count == 0 {
            shared.under_way -= 1;
            return None;
        }
        Some(shared.asked.drain(..count).collect())
    }

    /// A connection that lives, as far as is known; others that are free and lost are let go.
    async fn session(&self) -> Result<Session, StoreError> {
        let free = {
            let mut shared = self.shared();
            shared.free.retain(|session| !session.client.is_closed());
            shared.free.pop()
        };
        if let Some(session) = free {
            return Ok(session);
        }
        let mut session = self.door.open_to_read().await?;
        session.set_plans(false).await?;
        Ok(session)
    }
}

/// A task that goes rounds, unless nobody asks any more. However it ends, even with its runtime: the
/// next question begins another one.
struct UnderWay<'r>(Option<&'r Rounds>);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(rounds) = self.0 {
            let mut shared = rounds.shared();
            shared.under_way -= 1;
            // Nobody may be left to answer them.
            shared.asked.clear();
        }
    }
}

fn refuse(asks: Vec<Ask>, error: &StoreError) {
    let why = match error {
        StoreError::Unavailable { why } => why.clone(),
        other => other.to_string(),
    };
    for ask in asks {
        let why = why.clone();
        let _ = ask.reply.send(Err(StoreError::Unavailable { why }));
    }
}

/// Sends the statements of a round together, and gives each who asked his rows.
async fn answer(session: &mut Session, asks: Vec<Ask>) {
    let mut alike: BTreeMap<(&str, &str), Vec<Ask>> = BTreeMap::new();
    let mut alone = Vec::new();
    for ask in asks {
        match FORMS.get_key_value(&(ask.file, ask.name)) {
            Some((form, _)) => alike.entry(*form).or_default().push(ask),
            None => alone.push(ask),
        }
    }
    let mut together = Vec::new();
    for (form, mut asks) in alike {
        match (FORMS.get(&form), asks.len()) {
            (Some(form), 2..) => {
                asks.sort_by(|one, other| one.given.cmp(&other.given));
                together.push((form, asks));
            }
            _ => alone.append(&mut asks),
        }
    }
    let mut statements = Vec::with_capacity(together.len() + alone.len());
    let named = together.iter().map(|(form, _)| form.many);
    for (file, name) in named.chain(alone.iter().map(|ask| (ask.file, ask.name))) {
        statements.push(session.prepare(file, name).await);
    }
    let sets: Vec<_> = together
        .iter()
        .map(|(form, asks)| {
            let keys = keys(asks);
            set(form.table, form.many.1, &form.given, &keys, None, false)
        })
        .collect();
    let singles: Vec<Vec<Bound<'_>>> = alone
        .iter()
        .map(|ask| ask.given.iter().map(Bound).collect())
        .collect();
    let given = sets
        .iter()
        .map(bound)
        .chain(singles.iter().map(|of| refs(of)));
    let client = &session.client;
    let asked = statements
        .into_iter()
        .zip(given)
        .map(|(statement, given)| async move { client.query(&statement?, &given).await });
    let mut found = join_all(asked).await.into_iter();
    drop((sets, singles));
    for ((form, asks), found) in together.into_iter().zip(found.by_ref()) {
        let rows = found.map_err(StoreError::from);
        match rows.and_then(|rows| read_rows(&rows)) {
            Ok(rows) => deal(form, asks, rows),
            Err(error) => refuse(asks, &error),
        }
    }
    for (ask, found) in alone.into_iter().zip(found) {
        let rows = found.map_err(StoreError::from);
        let _ = ask.reply.send(rows.and_then(|rows| read_rows(&rows)));
    }
}

/// What is asked for, each once; the questions are sorted by it.
fn keys(asks: &[Ask]) -> Vec<&[Value]> {
    let mut keys: Vec<&[Value]> = asks.iter().map(|ask| ask.given.as_slice()).collect();
    keys.dedup();
    keys
}

/// Gives each his rows, in the order of their keys.
fn deal(form: &Form, asks: Vec<Ask>, mut rows: RawRows) {
    let keys = keys(&asks);
    let mut shares = vec![RawRows::new(); keys.len()];
    if form.numbered {
        for mut row in rows {
            let place = match row.first() {
                Some(Value::Int(place)) => usize::try_from(*place).unwrap_or(0),
                _ => 0,
            };
            if let Some(share) = place.checked_sub(1).and_then(|place| shares.get_mut(place)) {
                share.push(row.split_off(1));
            }
        }
    } else {
        let key_len = form.table.key_len;
        rows.sort_by(|one, other| one[..key_len].cmp(&other[..key_len]));
        let given = form.given.iter().filter_map(|name| form.table.place(name));
        let given: Vec<usize> = given.collect();
        for row in rows {
            let given = given.iter().map(|place| &row[*place]);
            if let Ok(place) = keys.binary_search_by(|key| key.iter().cmp(given.clone())) {
                shares[place].push(row);
            }
        }
    }
    let mut shares = shares.into_iter();
    let mut asks = asks.into_iter().peekable();
    while let Some(ask) = asks.next() {
        let share = shares.next().unwrap_or_default();
        // Who asks for the same stands beside him.
        while let Some(same) = asks.next_if(|next| next.given == ask.given) {
            let _ = same.reply.send(Ok(share.clone()));
        }
        let _ = ask.reply.send(Ok(share));
    }
}
