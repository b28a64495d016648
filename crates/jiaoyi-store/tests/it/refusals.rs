//! What distributed PostgreSQL refuses, or asks of every shard, found by reading the SQL texts: no
//! database is needed. `plans.rs` asks a real one.

use crate::texts;
use jiaoyi_store::schema::{PLACEMENTS, Placement, statements_of};
use sqlparser::ast::{
    AlterTableOperation, AssignmentTarget, BinaryOperator, ColumnOption, CreateIndex, CreateTable,
    Expr, FromTable, FunctionArguments, InTarget, IndexColumn, ObjectName, ObjectType,
    OnConflictAction, OnInsert, Query, Select, SetExpr, Statement, TableConstraint, TableFactor,
    TableObject, TableWithJoins, UpdateTableFromKind, visit_expressions,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Statements that ask every shard, and what may wait so long: staff, institutions that read lists, jobs
/// that look for work, imports, verification. No payer waits for one (decision 0032), and none decides
/// about money.
const SCATTERS: &[&str] = &[
    // `verify` and the conformance of engines read whole tables.
    "*.scan",
    "*.scan_as_it_lies",
    "*.scan_buckets",
    "queries.count_facts",
    "queries.chain_heads",
    "queries.last_checkpoint",
    "queries.voucher_hosts",
    // Work that is due is looked for in all shards and done in one.
    "queries.attempts_to_ask",
    "queries.attempts_to_ask_in_lane",
    "queries.refunds_to_act",
    "queries.refunds_to_act_in_lane",
    "queries.refunds_for_staff",
    "queries.outbox_due",
    "queries.outbox_due_in_lane",
    "queries.vouchers_unsigned",
    "queries.unpaid_dues",
    "queries.collects_over",
    "queries.hooks_due",
    // What an institution was told, listed when it asks; an event lies where its cause lies.
    "queries.hook_events_of",
    "queries.hook_events_newest",
    // The day file of an institution, compared once a day.
    "queries.payments_of_day",
    "queries.count_open_cases",
    // At the start of the process.
    "queries.any_sealed",
    "queries.last_book_day",
    // Pages of an import that is being read.
    "queries.staged_runs",
    "queries.staged_rosters",
    "queries.staged_keys",
    "queries.staged_rows",
    "queries.unstage_pages",
];

/// Statements that only undistributed PostgreSQL runs; another stands beside each.
pub const PLAIN_ONLY: &[&str] = &[
    "*.insert_many",
    "roster.assert_many",
    "policy_pack.assert_many",
    "institution.assert_many",
    "institution_key.assert_many",
    "access_link.assert_many",
    "queries.nearest_document",
    "postgres.nearest_documents",
];

/// The mark of a copy that is under way: it stands in a table beside the schema, which comes and goes.
const MARK_OF_COPY: &[&str] = &["queries.copy_begin", "queries.copy_end"];

/// Functions whose result follows from what they are given.
const STEADY: &[&str] = &["count", "max", "coalesce", "substr"];

/// Whether a list of statements has this one.
pub fn listed(list: &[&str], file: &str, name: &str) -> bool {
    list.iter().any(|entry| match entry.split_once('.') {
        Some(("*", of)) => of == name,
        Some((of, entry)) => of == file && entry == name,
        None => false,
    })
}

/// Whether a statement may ask every shard; of a table of reference there is one only.
pub fn scatters(file: &str, name: &str) -> bool {
    placement(file) != Some(Placement::Reference) && listed(SCATTERS, file, name)
}

const ALL_SHARDS: &str = "asks every shard: no `bucket =` or `bucket = ANY` of a parameter";

fn placement(table: &str) -> Option<Placement> {
    let known = PLACEMENTS.iter().find(|(name, _)| *name == table);
    known.map(|(_, placement)| *placement)
}

fn is_sharded(table: &str) -> bool {
    placement(table) == Some(Placement::Sharded)
}

fn last(name: &ObjectName) -> String {
    let part = name.0.last().and_then(|part| part.as_ident());
    part.map(|part| part.value.clone()).unwrap_or_default()
}

/// Whether it names the column `bucket` of some table.
fn is_bucket(expression: &Expr) -> bool {
    match expression {
        Expr::Identifier(name) => name.value == "bucket",
        Expr::CompoundIdentifier(names) => names.last().is_some_and(|name| name.value == "bucket"),
        _ => false,
    }
}

/// Whether it names no column: a parameter or a number.
fn is_given(expression: &Expr) -> bool {
    visit_expressions(expression, |part| match part {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Subquery(_) => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })
    .is_continue()
}

/// The parts of a condition that must all hold.
fn conjuncts<'e>(condition: &'e Expr, parts: &mut Vec<&'e Expr>) {
    match condition {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            conjuncts(left, parts);
            conjuncts(right, parts);
        }
        Expr::Nested(inner) => conjuncts(inner, parts),
        other => parts.push(other),
    }
}

/// Whether a part of a condition says which buckets are meant.
fn is_pin(part: &Expr) -> bool {
    match part {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } => is_bucket(left) && is_given(right),
        Expr::AnyOp {
            left,
            compare_op: BinaryOperator::Eq,
            right,
            ..
        } => is_bucket(left) && is_given(right),
        _ => false,
    }
}

/// Whether a part of a condition puts two tables together by their buckets.
fn is_beside(part: &Expr) -> bool {
    matches!(part, Expr::BinaryOp { left, op: BinaryOperator::Eq, right }
        if is_bucket(left) && is_bucket(right))
}

/// The sharded tables of a FROM, and the conditions of its joins.
fn sources<'t>(from: &'t [TableWithJoins], tables: &mut usize, parts: &mut Vec<&'t Expr>) {
    use sqlparser::ast::{JoinConstraint, JoinOperator};
    let mut take = |factor: &TableFactor| match factor {
        TableFactor::Table { name, .. } if is_sharded(&last(name)) => *tables += 1,
        _ => {}
    };
    for source in from {
        take(&source.relation);
        for join in &source.joins {
            take(&join.relation);
            if let JoinOperator::Join(JoinConstraint::On(on))
            | JoinOperator::Inner(JoinConstraint::On(on))
            | JoinOperator::Left(JoinConstraint::On(on))
            | JoinOperator::LeftOuter(JoinConstraint::On(on)) = &join.join_operator
            {
                conjuncts(on, parts);
            }
        }
    }
}

#[derive(Default)]
struct Reading {
    found: BTreeSet<&'static str>,
}

impl Reading {
    fn note(&mut self, what: &'static str) {
        self.found.insert(what);
    }

    fn functions<V: sqlparser::ast::Visit>(&mut self, of: &V) {
        let _ = visit_expressions(of, |part| {
            if let Expr::Function(function) = part {
                if !STEADY.contains(&last(&function.name).as_str()) {
                    self.note("calls a function that may be volatile");
                }
                if function.over.is_some() {
                    self.note("a window over all shards is pulled to the coordinator");
                }
                if let FunctionArguments::Subquery(_) = &function.args {
                    self.note(ALL_SHARDS);
                }
            }
            ControlFlow::<()>::Continue(())
        });
    }

    /// Sub-queries in expressions: beside their outer row, or pinned.
    fn subqueries(&mut self, expression: &Expr) {
        let _ = visit_expressions(expression, |part| {
            let query = match part {
                Expr::Subquery(query)
                | Expr::Exists {
                    subquery: query, ..
                } => Some(query),
                Expr::In {
                    target: InTarget::Subquery(query),
                    ..
                } => Some(query),
                _ => None,
            };
            if let Some(query) = query
                && let SetExpr::Select(select) = &*query.body
            {
                self.tables(&select.from, select.selection.as_ref(), true);
            }
            ControlFlow::<()>::Continue(())
        });
    }

    fn tables(&mut self, from: &[TableWithJoins], condition: Option<&Expr>, inner: bool) -> bool {
        let (mut sharded, mut parts) = (0, Vec::new());
        sources(from, &mut sharded, &mut parts);
        if let Some(condition) = condition {
            conjuncts(condition, &mut parts);
        }
        if sharded == 0 {
            return true;
        }
        let beside = parts.iter().filter(|part| is_beside(part)).count();
        let pinned = parts.iter().any(|part| is_pin(part));
        // A join with rows that are given has its equation of buckets too, so this may be lenient
        // with it; `plans.rs` is not.
        if sharded > 1 && beside + 1 < sharded {
            self.note("joins tables whose rows do not lie together");
        }
        if !(pinned || inner && beside > 0) {
            self.note(ALL_SHARDS);
        }
        pinned
    }

    fn select(&mut self, select: &Select) -> bool {
        if let Some(condition) = &select.selection {
            self.subqueries(condition);
        }
        self.tables(&select.from, select.selection.as_ref(), false)
    }

    fn query(&mut self, query: &Query) {
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            self.note("a recursive query is refused");
        }
        let SetExpr::Select(select) = &*query.body else {
            self.note("is no plain SELECT");
            return;
        };
        let pinned = self.select(select);
        if query.locks.is_empty() {
            return;
        }
        let reference = |source: &TableWithJoins| {
            matches!(&source.relation, TableFactor::Table { name, .. }
                if placement(&last(name)) == Some(Placement::Reference))
        };
        if select.from.iter().any(reference) {
            self.note("locks a row of reference, and with it the whole table for others");
        } else if !pinned {
            self.note("locks rows across shards");
        }
    }

    fn set<'a>(&mut self, targets: impl Iterator<Item = &'a AssignmentTarget>) {
        for target in targets {
            if matches!(target, AssignmentTarget::ColumnName(name) if last(name) == "bucket") {
                self.note("changes the bucket of a row");
            }
        }
    }

    fn statement(&mut self, statement: &Statement) {
        self.functions(statement);
        match statement {
            Statement::Query(query) => self.query(query),
            Statement::Insert(insert) => {
                let TableObject::TableName(table) = &insert.table else {
                    return self.note("inserts into no table");
                };
                let has_bucket = insert.columns.iter().any(|name| last(name) == "bucket");
                if is_sharded(&last(table)) && !has_bucket {
                    self.note("inserts into a sharded table without a bucket");
                }
                match insert.source.as_ref().map(|source| &*source.body) {
                    Some(SetExpr::Values(values)) => {
                        let mut cells = values.rows.iter().flat_map(|row| row.iter());
                        if cells.any(|cell| matches!(cell, Expr::Subquery(_))) {
                            self.note("a sub-select inside VALUES");
                        }
                    }
                    _ => self.note("INSERT … SELECT is pulled to the coordinator"),
                }
                if let Some(OnInsert::OnConflict(on)) = &insert.on
                    && let OnConflictAction::DoUpdate(update) = &on.action
                {
                    self.set(update.assignments.iter().map(|one| &one.target));
                }
            }
            // A later version adds columns that may be empty: no row is touched.
            Statement::AlterTable(table) => {
                let adds = |operation: &AlterTableOperation| match operation {
                    AlterTableOperation::AddColumn { column_def, .. } => {
                        column_def.options.is_empty()
                    }
                    _ => false,
                };
                if !table.operations.iter().all(adds) {
                    self.note("changes a table otherwise than by a column that may be empty");
                }
            }
            Statement::Update(update) => {
                self.set(update.assignments.iter().map(|one| &one.target));
                let mut from = vec![update.table.clone()];
                if let Some(
                    UpdateTableFromKind::BeforeSet(more) | UpdateTableFromKind::AfterSet(more),
                ) = &update.from
                {
                    from.extend(more.clone());
                }
                if let Some(condition) = &update.selection {
                    self.subqueries(condition);
                }
                self.tables(&from, update.selection.as_ref(), false);
            }
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) =
                    &delete.from;
                self.tables(from, delete.selection.as_ref(), false);
            }
            Statement::CreateTable(table) => self.create_table(table),
            Statement::CreateIndex(index) => self.create_index(index),
            // What is read with it is read otherwise; nodes of the version before go on.
            Statement::Drop {
                object_type: ObjectType::Index,
                ..
            } => {}
            _ => self.note("is no statement that every engine knows"),
        }
    }

    fn create_table(&mut self, table: &CreateTable) {
        let name = last(&table.name);
        let sharded = match placement(&name) {
            None => return self.note("a table without a placement"),
            Some(placement) => placement == Placement::Sharded,
        };
        let of_bucket = |column: &IndexColumn| is_bucket(&column.column.expr);
        for column in &table.columns {
            let kind = column.data_type.to_string().to_lowercase();
            if kind.contains("serial") {
                self.note("numbers from a counter");
            }
            for option in &column.options {
                match &option.option {
                    ColumnOption::Default(_) => self.note("a default decides"),
                    ColumnOption::Generated { .. } => self.note("numbers from a counter"),
                    ColumnOption::Unique(_) | ColumnOption::PrimaryKey(_) if sharded => {
                        self.note("a unique key without the bucket");
                    }
                    ColumnOption::ForeignKey(_) if sharded => {
                        self.note("a foreign key without the bucket");
                    }
                    _ => {}
                }
            }
        }
        let mut leads_with_bucket = false;
        for constraint in &table.constraints {
            match constraint {
                TableConstraint::PrimaryKey(key) => {
                    leads_with_bucket = key.columns.first().is_some_and(of_bucket);
                }
                TableConstraint::Unique(key) if sharded && !key.columns.iter().any(of_bucket) => {
                    self.note("a unique key without the bucket");
                }
                TableConstraint::ForeignKey(key) if sharded => {
                    let first = key
                        .columns
                        .first()
                        .is_some_and(|name| name.value == "bucket");
                    if !first || !is_sharded(&last(&key.foreign_table)) {
                        self.note("a foreign key without the bucket");
                    }
                }
                TableConstraint::ForeignKey(_) | TableConstraint::Unique(_) => {}
                TableConstraint::Check(_) => {}
                _ => self.note("a constraint that no shard can hold by itself"),
            }
        }
        if leads_with_bucket != sharded {
            self.note("the primary key of a sharded table, and of no other, leads with the bucket");
        }
    }

    fn create_index(&mut self, index: &CreateIndex) {
        let of_bucket = |column: &IndexColumn| is_bucket(&column.column.expr);
        let sharded = is_sharded(&last(&index.table_name));
        if index.unique && sharded && !index.columns.iter().any(of_bucket) {
            self.note("a unique key without the bucket");
        }
    }
}

/// What is wrong with a text.
fn wrong(sql: &str) -> BTreeSet<&'static str> {
    let mut reading = Reading::default();
    match Parser::parse_sql(&PostgreSqlDialect {}, sql) {
        Ok(statements) => statements.iter().for_each(|one| reading.statement(one)),
        Err(error) => panic!("{error}: {sql}"),
    }
    reading.found
}

#[test]
fn no_statement_is_refused_or_asks_every_shard() {
    let mut mistakes = Vec::new();
    let mut used = BTreeSet::new();
    for text in texts::statements() {
        let (file, name) = (&text.file, &text.name);
        let mut found = wrong(&text.sql);
        let many = found.remove(ALL_SHARDS);
        let aside = listed(PLAIN_ONLY, file, name) || listed(MARK_OF_COPY, file, name);
        if many != scatters(file, name) && !aside {
            let says = if many { "is not" } else { "need not be" };
            mistakes.push(format!("{file}.{name} {says} listed in SCATTERS"));
        }
        if aside && !found.is_empty() {
            used.insert(format!("{file}.{name}"));
            continue;
        }
        mistakes.extend(found.iter().map(|what| format!("{file}.{name}: {what}")));
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    assert!(used.contains("roster.assert_many") && used.contains("due.insert_many"));
}

#[test]
fn the_schema_can_be_distributed() {
    let mut tables = BTreeSet::new();
    for (version, ddl) in texts::migrations() {
        let found = wrong(&ddl);
        assert!(found.is_empty(), "migration {version}: {found:?}");
        for text in statements_of(&ddl) {
            let parsed = Parser::parse_sql(&PostgreSqlDialect {}, text).unwrap();
            assert_eq!(parsed.len(), 1, "sent to workers one by one: {text}");
        }
        for statement in Parser::parse_sql(&PostgreSqlDialect {}, &ddl).unwrap() {
            if let Statement::CreateTable(table) = statement {
                tables.insert(last(&table.name));
            }
        }
    }
    let placed: BTreeSet<String> = PLACEMENTS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(tables, placed, "every table is placed, and nothing else");
    assert_eq!(placed.len(), PLACEMENTS.len(), "and placed once");
}

#[test]
fn every_rule_finds_its_example() {
    let key = "primary key (bucket, fact_id)";
    for (sql, what) in [
        (
            "ALTER TABLE fact ADD COLUMN note text NOT NULL",
            "changes a table otherwise than by a column that may be empty",
        ),
        ("SELECT at FROM fact WHERE txn_id = $1", ALL_SHARDS),
        (
            "SELECT at FROM fact WHERE bucket = $1 OR txn_id = $2",
            ALL_SHARDS,
        ),
        ("SELECT at FROM fact WHERE bucket >= $1", ALL_SHARDS),
        (
            "UPDATE fact AS t SET amount = k.amount FROM unnest($1::bigint[], $2::bigint[]) \
             AS k (bucket, amount) WHERE t.bucket = k.bucket",
            ALL_SHARDS,
        ),
        ("DELETE FROM fact WHERE txn_id = $1", ALL_SHARDS),
        (
            "SELECT at FROM fact WHERE bucket = $1 AND at = (SELECT max(at) FROM link)",
            ALL_SHARDS,
        ),
        (
            "SELECT f.at FROM fact f JOIN refund r ON r.txn_id = f.txn_id WHERE f.bucket = $1",
            "joins tables whose rows do not lie together",
        ),
        (
            "SELECT at FROM fact WHERE txn_id = $1 FOR UPDATE",
            "locks rows across shards",
        ),
        (
            "SELECT state FROM roster WHERE roster_id = $1 FOR SHARE",
            "locks a row of reference, and with it the whole table for others",
        ),
        (
            "UPDATE fact SET seen_at = now() WHERE bucket = $1",
            "calls a function that may be volatile",
        ),
        (
            "UPDATE fact SET amount = $2 WHERE bucket = $1 AND random() < 1",
            "calls a function that may be volatile",
        ),
        (
            "INSERT INTO fact (bucket, at) VALUES ($1, nextval('numbers'))",
            "calls a function that may be volatile",
        ),
        (
            "INSERT INTO fact (bucket, at) VALUES ($1, (SELECT max(at) FROM roster))",
            "a sub-select inside VALUES",
        ),
        (
            "INSERT INTO fact (bucket, at) SELECT k.bucket, k.at FROM unnest($1::bigint[], \
             $2::bigint[]) AS k (bucket, at)",
            "INSERT … SELECT is pulled to the coordinator",
        ),
        (
            "INSERT INTO fact (at) VALUES ($1)",
            "inserts into a sharded table without a bucket",
        ),
        (
            "UPDATE fact SET bucket = $2 WHERE bucket = $1",
            "changes the bucket of a row",
        ),
        (
            "INSERT INTO fact (bucket, at) VALUES ($1, $2) ON CONFLICT (bucket, at) DO UPDATE SET \
             bucket = excluded.bucket",
            "changes the bucket of a row",
        ),
        (
            "SELECT max(at) OVER (ORDER BY at) FROM fact WHERE bucket = $1",
            "a window over all shards is pulled to the coordinator",
        ),
        (
            "WITH RECURSIVE r AS (SELECT 1) SELECT at FROM fact WHERE bucket = $1",
            "a recursive query is refused",
        ),
        (
            "SELECT at FROM fact WHERE bucket = $1 UNION SELECT at FROM link WHERE bucket = $1",
            "is no plain SELECT",
        ),
        (
            "create table stray (bucket bigint)",
            "a table without a placement",
        ),
        (
            "create table fact (bucket bigint, fact_id bigserial, primary key (bucket, fact_id))",
            "numbers from a counter",
        ),
        (
            "create table fact (bucket bigint, fact_id bigint generated always as identity, \
             primary key (bucket, fact_id))",
            "numbers from a counter",
        ),
        (
            "create table fact (bucket bigint, fact_id bigint, at bigint default 0, \
             primary key (bucket, fact_id))",
            "a default decides",
        ),
        (
            "create table fact (fact_id bytea, primary key (fact_id))",
            "the primary key of a sharded table, and of no other, leads with the bucket",
        ),
        (
            "create table roster (bucket bigint, primary key (bucket))",
            "the primary key of a sharded table, and of no other, leads with the bucket",
        ),
        (
            &format!("create table fact (bucket bigint, fact_id bytea, unique (fact_id), {key})"),
            "a unique key without the bucket",
        ),
        (
            &format!("create table fact (bucket bigint, fact_id bytea unique, {key})"),
            "a unique key without the bucket",
        ),
        (
            "create unique index fact_of_number on fact (txn_id)",
            "a unique key without the bucket",
        ),
        (
            &format!(
                "create table fact (bucket bigint, fact_id bytea, {key}, \
                 foreign key (fact_id) references link (hash))"
            ),
            "a foreign key without the bucket",
        ),
        (
            &format!(
                "create table fact (bucket bigint, fact_id bytea references roster (roster_id), \
                 {key})"
            ),
            "a foreign key without the bucket",
        ),
        (
            "create trigger t before insert on fact for each row execute function f()",
            "is no statement that every engine knows",
        ),
        (
            "create sequence numbers",
            "is no statement that every engine knows",
        ),
        ("LISTEN news", "is no statement that every engine knows"),
    ] {
        let found = wrong(sql);
        assert!(found.contains(what), "{sql}\nfound: {found:?}");
    }
    // And finds nothing where nothing is.
    for sql in [
        "SELECT at FROM fact WHERE bucket = $1 AND at > $2 ORDER BY at FOR UPDATE SKIP LOCKED",
        "SELECT state FROM roster WHERE roster_id = $1",
        "UPDATE fact SET amount = $2 WHERE bucket = ANY($1::bigint[]) AND version = $3",
    ] {
        assert_eq!(wrong(sql), BTreeSet::new(), "{sql}");
    }
}
