//! `jiaoyi import roster FILE`: a roster of dues, with every row that has to be changed.

use crate::commands::open_platform;
use crate::config::Config;
use crate::exit::{Exit, note, print};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiaoyi_app::import::{ImportError, ImportReport, ImportRequest, Stage};
use jiaoyi_app::platform::Platform;
use jiaoyi_documents::roster::{
    CellError, Limits, result_csv, result_xlsx, template_csv, template_xlsx,
};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct ImportArgs {
    #[command(subcommand)]
    what: ImportWhat,
}

#[derive(Subcommand)]
enum ImportWhat {
    /// A roster of insured persons (xlsx or csv, UTF-8 or GBK).
    #[command(
        after_help = "Examples:\n  jiaoyi import roster 花园村.xlsx --region 330127 --year 2027\n  jiaoyi import roster --template 模板.xlsx"
    )]
    Roster(RosterArgs),
}

#[derive(Args)]
pub struct RosterArgs {
    /// The file.
    #[arg(required_unless_present = "template")]
    file: Option<PathBuf>,
    /// Write an empty template (.xlsx or .csv) and end.
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// The configuration file.
    #[arg(long, default_value = "jiaoyi.toml")]
    config: PathBuf,
    /// Region of rows that name none: six digits.
    #[arg(long)]
    region: Option<String>,
    /// Benefit year; the year after this one unless given.
    #[arg(long)]
    year: Option<i16>,
    /// Who issued the roster.
    #[arg(long, default_value = "cli")]
    source: String,
    /// The issuer's own serial of this roster; an older one than is known is refused.
    #[arg(long, default_value_t = 0)]
    serial: i64,
    /// A checker has confirmed that an older serial is meant.
    #[arg(long)]
    confirm_older: bool,
    /// Only read and check.
    #[arg(long)]
    dry_run: bool,
    /// Publish nothing when any row has to be changed.
    #[arg(long)]
    all_or_nothing: bool,
    /// Where the rows to be changed are written (.csv or .xlsx); beside the file unless given.
    #[arg(long, value_name = "FILE")]
    result: Option<PathBuf>,
    /// One line of JSON on stdout.
    #[arg(long)]
    json: bool,
}

/// Runs the import.
pub async fn run(args: ImportArgs) -> Result<(), Exit> {
    let ImportWhat::Roster(args) = args.what;
    if let Some(path) = &args.template {
        return write_template(path);
    }
    let Some(file) = args.file.clone() else {
        return Err(Exit::usage("name a roster file"));
    };
    // Before anything is opened or published: whether the files can be read and written.
    std::fs::File::open(&file)
        .and_then(|opened| opened.metadata())
        .and_then(|found| match found.is_dir() {
            true => Err(ErrorKind::IsADirectory.into()),
            false => Ok(()),
        })
        .map_err(|error| Exit::unread(&file, &error))?;
    if let Some(result) = &args.result
        && let Some(folder) = result.parent()
        && !folder.as_os_str().is_empty()
        && !folder.is_dir()
    {
        return Err(Exit::unwritten(result, &ErrorKind::NotFound.into()));
    }
    let config = Config::load(&args.config)?;
    if let Some(region) = &args.region
        && config.regions().get(region).is_none()
    {
        return Err(Exit::usage(format!(
            "--region {region}: in no table of regions; name six digits such as 330127"
        )));
    }
    let platform = open_platform(&config).await?;
    let request = ImportRequest {
        benefit_year: args.year.unwrap_or(platform.today().year() + 1),
        region: args.region.clone(),
        source: args.source.clone(),
        serial: args.serial,
        older_confirmed: args.confirm_older,
        dry_run: args.dry_run,
        all_or_nothing: args.all_or_nothing,
        limits: Limits {
            rows_max: config.import.rows_max,
            ..Limits::default()
        },
        path: file.clone(),
    };
    let done = import(&platform, &request, args.json).await;
    platform.store.close();
    let report = done?;
    finish(&args, &file, &report)
}

/// Imports with a progress bar on stderr: rate and time left, only on a terminal.
pub async fn import(
    platform: &Platform,
    request: &ImportRequest,
    quiet: bool,
) -> Result<ImportReport, Exit> {
    let target = if quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(1), target);
    let style =
        ProgressStyle::with_template("{msg} {wide_bar} {percent}% {per_sec} 剩余 left {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    let mut progress = |stage: Stage, done: u64, total: u64| {
        bar.set_message(match stage {
            Stage::Reading => "读取核对 checking",
            Stage::Publishing => "写入 writing",
        });
        bar.set_length(total);
        bar.set_position(done);
    };
    let done = platform.import_roster(request, &mut progress).await;
    bar.finish_and_clear();
    done.map_err(|error| match &error {
        ImportError::File(file) => Exit::invalid_rows(format!(
            "{}\n{}\n没有发布任何内容。Nothing was published.",
            file.message_zh(),
            file.message_en()
        )),
        ImportError::OlderSerial { .. } => Exit::conflict(format!(
            "{error}; if this file is really meant, let a second person confirm with --confirm-older"
        )),
        ImportError::Store(_) => Exit::unavailable(&error),
    })
}

fn write_template(path: &Path) -> Result<(), Exit> {
    let bytes = if path.extension().is_some_and(|end| end == "csv") {
        template_csv()
    } else {
        template_xlsx().map_err(Exit::unexpected)?
    };
    std::fs::write(path, bytes).map_err(|error| Exit::unwritten(path, &error))?;
    print(path.display());
    Ok(())
}

fn finish(args: &RosterArgs, file: &Path, report: &ImportReport) -> Result<(), Exit> {
    let result = write_result(args, file, report)?;
    if args.json {
        print(serde_json::json!({
            "roster": format!("{:?}", report.roster_id),
            "rows_read": report.rows_read,
            "rows_good": report.rows_good,
            "rows_bad": report.rows_bad,
            "warnings": report.warnings.len(),
            "appended": report.appended,
            "same": report.same,
            "paid": report.paid,
            "active": report.active,
            "known": report.known,
            "result": result.as_ref().map(|path| path.display().to_string()),
        }));
    } else {
        list(&report.problems, "要改 to be changed");
        list(&report.warnings, "要核对 to be looked at");
        if report.known {
            note("这个文件已经导入过，没有变化。This file is known; nothing was changed.");
        }
        let (active_zh, active_en) = if args.dry_run {
            ("只核对，没有写入", "checked only, nothing was written")
        } else if report.active {
            ("已生效", "in force")
        } else {
            ("未生效", "not in force")
        };
        print(format!(
            "共 {read} 行：可用 {good}，要改 {bad}；新增或变更 {appended}，未变 {same}，已缴 {paid}；{active_zh}\n\
             {read} rows: {good} good, {bad} to be changed; {appended} new or changed, \
             {same} unchanged, {paid} paid already; {active_en}",
            read = report.rows_read,
            good = report.rows_good,
            bad = report.rows_bad,
            appended = report.appended,
            same = report.same,
            paid = report.paid,
        ));
        if let Some(path) = &result {
            print(format!(
                "要改和要核对的行 rows to be changed or looked at: {}",
                path.display()
            ));
        }
    }
    if report.rows_good == 0 && !args.dry_run {
        return Err(Exit::invalid_rows(
            "没有一行可用，没有发布任何内容。There is no good row; nothing was published.",
        ));
    }
    if report.rows_bad > 0 {
        return Err(Exit::invalid_rows(format!(
            "要改的行数 rows to be changed: {}",
            report.rows_bad
        )));
    }
    Ok(())
}

/// The first rows of a list in both languages, and how many there are beyond.
fn list(rows: &[CellError], what: &str) {
    const SHOWN: usize = 20;
    for row in rows.iter().take(SHOWN) {
        note(format!(
            "{}\n  Row {}: {}",
            row.line_zh(),
            row.row,
            row.message_en
        ));
    }
    if rows.len() > SHOWN {
        note(format!("…… 还有 and {} more {what}", rows.len() - SHOWN));
    }
}

fn write_result(
    args: &RosterArgs,
    file: &Path,
    report: &ImportReport,
) -> Result<Option<PathBuf>, Exit> {
    let mut lines = [report.problems.as_slice(), &report.warnings].concat();
    lines.sort_by_key(|line| line.row);
    let (Some(columns), false) = (&report.columns, lines.is_empty()) else {
        return Ok(None);
    };
    let path = args
        .result
        .clone()
        .unwrap_or_else(|| file.with_extension("result.csv"));
    let bytes = if path.extension().is_some_and(|end| end == "xlsx") {
        result_xlsx(columns, &lines).map_err(Exit::unexpected)?
    } else {
        result_csv(columns, &lines).map_err(Exit::unexpected)?
    };
    std::fs::write(&path, bytes).map_err(|error| Exit::unwritten(&path, &error))?;
    Ok(Some(path))
}
