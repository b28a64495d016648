//! `jiaoyi copy`: moves an installation's data into another database, or compares two.

use crate::commands::database_of;
use crate::edge;
use crate::exit::{Exit, note, print};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiaoyi_store::Database;
use jiaoyi_store::copy::{Compared, Copied, CopyError, Progress, Tally, compare, copy};
use std::fmt::Write as _;
use std::io::IsTerminal;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  jiaoyi copy --from sqlite:data/jiaoyi.db --to postgres://jiaoyi@127.0.0.1/jiaoyi\n  jiaoyi copy --from sqlite:data/jiaoyi.db --to postgres://jiaoyi@127.0.0.1/jiaoyi --compare --json"
)]
pub struct CopyArgs {
    /// The database to be copied: sqlite:FILE or postgres://USER@HOST/NAME. It is only read; stop
    /// everything that writes into it first.
    #[arg(long)]
    from: String,
    /// An empty database, or the one into which the same copy was cut off.
    #[arg(long)]
    to: String,
    /// Copy nothing; say whether both hold the same.
    #[arg(long)]
    compare: bool,
    /// One line of JSON on stdout.
    #[arg(long)]
    json: bool,
}

/// Exit 0 when both sides hold the same at the end, 1 when they do not, 2 usage, 3 no such folder, 5
/// when the target holds other data or the source is in use or not whole, 7 database not reachable.
pub async fn run(args: CopyArgs) -> Result<(), Exit> {
    let (from, to) = (database_of(&args.from)?, database_of(&args.to)?);
    if is_same(&from, &to) {
        return Err(Exit::usage("--from and --to are the same database"));
    }
    for database in [Some(&from), args.compare.then_some(&to)]
        .into_iter()
        .flatten()
    {
        if let Database::Sqlite(path) = database
            && !path.exists()
        {
            return Err(Exit::unavailable(format!(
                "{database}: there is no database"
            )));
        }
    }
    let shown = Shown::new(args.json);
    let (of_copy, only_compare) = ((from.clone(), to.clone()), args.compare);
    // A database is driven by a thread that may block.
    let done = tokio::task::spawn_blocking(move || {
        let (from, to) = of_copy;
        let mut progress = |progress| shown.tell(progress);
        let done = if only_compare {
            compare(&from, &to, &mut progress).map(|tables| Copied {
                tables,
                ..Copied::default()
            })
        } else {
            copy(&from, &to, edge::system_now(), &mut progress)
        };
        shown.end();
        done
    });
    let copied = done.await.map_err(Exit::unexpected)?.map_err(exit_of)?;
    if args.json {
        print(json_of(&copied, &from, &to));
    } else {
        tell(&copied, args.compare);
    }
    if copied.is_equal() {
        Ok(())
    } else {
        Err(Exit::no())
    }
}

fn exit_of(error: CopyError) -> Exit {
    match error {
        CopyError::Open(_) | CopyError::Store { .. } => Exit::unavailable(error),
        CopyError::TargetHoldsData(_)
        | CopyError::OtherCopy { .. }
        | CopyError::SourceOutdated { .. }
        | CopyError::SourceUnfinished { .. }
        | CopyError::ImportOpen { .. }
        | CopyError::SourceChanged { .. } => Exit::conflict(error),
    }
}

fn is_same(from: &Database, to: &Database) -> bool {
    match (from, to) {
        (Database::Sqlite(from), Database::Sqlite(to)) => {
            let (from, to) = (from.canonicalize(), to.canonicalize());
            from.is_ok_and(|from| to.is_ok_and(|to| from == to))
        }
        (from, to) => from == to,
    }
}

/// How it goes on: a bar on a terminal, a line a table elsewhere, nothing beside JSON.
struct Shown {
    bar: Option<ProgressBar>,
    lines: bool,
}

impl Shown {
    fn new(json: bool) -> Shown {
        let terminal = std::io::stderr().is_terminal();
        let bar = (terminal && !json).then(|| {
            let bar = ProgressBar::new(1);
            let style = ProgressStyle::with_template("{msg} {wide_bar} {percent}% {elapsed}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar
        });
        Shown {
            lines: !terminal && !json,
            bar,
        }
    }

    fn tell(&self, progress: Progress) {
        let Progress {
            comparing,
            table,
            tables: (done, of),
            rows,
        } = progress;
        let word = if comparing { "compare" } else { "copy" };
        if let Some(bar) = &self.bar {
            let half = if comparing { of } else { 0 };
            bar.set_length(u64::try_from(of * 2).unwrap_or(u64::MAX));
            bar.set_position(u64::try_from(half + done).unwrap_or(0));
            bar.set_message(format!("{word} {table}: {rows} rows"));
        } else if self.lines {
            note(format!(
                "{word} {table}: {rows} rows ({done} of {of} tables)"
            ));
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn tell(copied: &Copied, only_compare: bool) {
    for table in &copied.tables {
        if !table.is_equal() {
            print(format!("{} differs: {}", table.table, difference(table)));
        }
    }
    let rows: u64 = copied.tables.iter().map(|table| table.source.rows).sum();
    let differ = copied.tables.iter().filter(|table| !table.is_equal());
    let verdict = match differ.count() {
        0 => "all of them equal".to_owned(),
        count => format!("{count} of them not equal"),
    };
    let done = match (only_compare, copied.resumed) {
        (true, _) => String::new(),
        (false, false) => format!("{} rows copied; ", copied.rows),
        (false, true) => format!("went on with a copy, {} rows more; ", copied.rows),
    };
    let tables = copied.tables.len();
    note(format!(
        "{done}{tables} tables with {rows} rows compared, {verdict}"
    ));
}

fn difference(table: &Compared) -> String {
    let Compared { source, target, .. } = table;
    if source.rows != target.rows {
        return format!(
            "{} rows in the source, {} in the target",
            source.rows, target.rows
        );
    }
    let sums = source.amounts.iter().zip(target.amounts.values());
    let unequal = sums
        .into_iter()
        .find(|((_, source), target)| source != target);
    match unequal {
        Some(((column, source), target)) => {
            format!("{column} sums to {source} fen in the source, {target} in the target")
        }
        None => format!(
            "the same {} rows by number, but not by what is in them",
            source.rows
        ),
    }
}

fn json_of(copied: &Copied, from: &Database, to: &Database) -> serde_json::Value {
    let tables: Vec<_> = copied
        .tables
        .iter()
        .map(|table| {
            serde_json::json!({
                "table": table.table,
                "equal": table.is_equal(),
                "source": tally_json(&table.source),
                "target": tally_json(&table.target),
            })
        })
        .collect();
    serde_json::json!({
        "ok": copied.is_equal(),
        "from": from.to_string(),
        "to": to.to_string(),
        "resumed": copied.resumed,
        "rows_copied": copied.rows,
        "tables": tables,
    })
}

fn tally_json(tally: &Tally) -> serde_json::Value {
    let digest = tally.digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    // As text: a sum may be larger than what every reader of JSON takes.
    let sums = tally.amounts.iter();
    let sums: serde_json::Map<_, _> = sums
        .map(|(column, sum)| ((*column).to_owned(), sum.to_string().into()))
        .collect();
    serde_json::json!({"rows": tally.rows, "amounts_fen": sums, "digest": digest})
}
