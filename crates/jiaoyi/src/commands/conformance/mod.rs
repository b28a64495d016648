//! `jiaoyi conformance`: plays an institution against a platform, case by case, and writes a report.
//!
//! It knows of the platform what `docs/biller-api.md` says and nothing else, and signs with the
//! sandbox's code, not with the platform's. What a case pays it reverses, so that a handful of people
//! is enough and the bills are open again afterwards.

mod calls;
mod cases;
mod expect;
mod kit;
mod report;

use crate::exit::{Exit, note, print};
use clap::{Args, ValueEnum};
use kit::{Kit, Terms};
use report::{Done, Report};
use std::path::PathBuf;

/// In which form calls are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// UTF-8.
    Json,
    /// GBK.
    Xml,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  jiaoyi conformance --base-url http://127.0.0.1:8080 --inst BANK01 --key bank-k1.pem\n  jiaoyi conformance --list\n  jiaoyi conformance --base-url https://test.example --inst BANK01 --key k1.pem --people people.csv --only pay"
)]
pub struct ConformanceArgs {
    /// Where the platform answers; a test installation or a demo.
    #[arg(long, required_unless_present = "list")]
    base_url: Option<String>,
    /// Your institution.
    #[arg(long, required_unless_present = "list")]
    inst: Option<String>,
    /// Your private key: PKCS#8 PEM, RSA or SM2.
    #[arg(long, required_unless_present = "list")]
    key: Option<PathBuf>,
    /// The name of the key.
    #[arg(long, default_value = "k1")]
    key_id: String,
    /// People who owe something: lines `id_type,id_no,name,pooling_region`; those of the demo unless
    /// given.
    #[arg(long)]
    people: Option<PathBuf>,
    /// The channel that is named; one of yours.
    #[arg(long, default_value = "A7")]
    channel: String,
    /// In which form calls are made: JSON in UTF-8, or XML in GBK.
    #[arg(long, value_enum, default_value = "json")]
    profile: Profile,
    /// The Beijing time at which your accounting day ends.
    #[arg(long, default_value = "24:00")]
    cut_over: String,
    /// Only cases whose name begins like this.
    #[arg(long)]
    only: Option<String>,
    /// Where `conformance.html` and `junit.xml` are written.
    #[arg(long, default_value = "conformance")]
    report: PathBuf,
    /// Print the cases and do nothing.
    #[arg(long)]
    list: bool,
    /// One line of JSON on stdout at the end.
    #[arg(long)]
    json: bool,
}

/// Runs the cases; exit 1 when one of them failed.
pub async fn run(args: ConformanceArgs) -> Result<(), Exit> {
    let only = args.only.as_deref().unwrap_or_default();
    let cases: Vec<_> = cases::all()
        .filter(|case| case.name.starts_with(only))
        .filter(|case| case.only.is_none_or(|form| form == args.profile))
        .collect();
    if cases.is_empty() {
        return Err(Exit::usage(format!(
            "--only {only}: no case begins like this; --list shows them all"
        )));
    }
    if args.list {
        for case in &cases {
            print(format!("{:<32} {}", case.name, case.what));
        }
        return Ok(());
    }
    let (Some(base), Some(inst), Some(key)) = (&args.base_url, &args.inst, &args.key) else {
        return Err(Exit::usage("--base-url, --inst and --key are needed"));
    };
    let terms = Terms {
        inst_id: inst.clone(),
        key_id: args.key_id.clone(),
        channel: args.channel.clone(),
        profile: args.profile,
        cut_over: kit::minutes(&args.cut_over)
            .ok_or_else(|| Exit::usage("--cut-over: give a time such as 23:00"))?,
    };
    let kit = Kit::open(base, key, args.people.as_deref(), terms).await?;
    let mut report = Report::of(&kit);
    for (number, case) in (1..).zip(&cases) {
        let begun = std::time::Instant::now();
        let outcome = (case.run)(&kit).await;
        let outcome = match (outcome, kit.tidy_up().await) {
            (Err(why), _) | (Ok(()), Err(why)) => Err(why),
            (Ok(()), Ok(())) => Ok(()),
        };
        let word = if outcome.is_ok() { "ok  " } else { "FAIL" };
        note(format!("{number:>3}/{} {word} {}", cases.len(), case.name));
        if let Err(why) = &outcome {
            note(format!("        {}: {why}", case.what));
        }
        report.add(Done {
            name: case.name,
            what: case.what,
            outcome,
            seconds: begun.elapsed().as_secs_f64(),
            spoken: kit.take_spoken(),
        });
    }
    report.write(&args.report)?;
    let failed = report.failed();
    let shown = args.report.join("conformance.html");
    if args.json {
        print(serde_json::json!({
            "cases": cases.len(), "failed": failed, "report": shown.display().to_string(),
        }));
    } else {
        let passed = cases.len() - failed;
        print(format!(
            "{passed} of {} cases passed: {}",
            cases.len(),
            shown.display()
        ));
    }
    if failed > 0 { Err(Exit::no()) } else { Ok(()) }
}
