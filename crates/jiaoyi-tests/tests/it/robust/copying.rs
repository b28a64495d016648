//! `jiaoyi copy` as an operator runs it: an installation with payments in it, moved from its file to a
//! server, cut off in the middle.

use super::browser::{Browser, client};
use super::chance::Chance;
use super::installation::Installation;
use super::payers::{Acts, Payer, World, order_of};
use super::people::{Form, Person, person};
use super::process::{Around, Running, command, run};
use crate::harness::fresh_server_database;
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::time::{Duration, Instant};

const PEOPLE: u32 = 12_000;
/// How many of them have paid.
const PAID: u32 = 3;

/// An installation with people, some of whom have paid; its portal does not run any more.
async fn grown() -> Result<Installation> {
    let installation = Installation::new("copying", None).await?;
    let people: Vec<Person> = (0..PEOPLE).map(|n| person(n, "990101")).collect();
    installation.import("roster.csv", Form::Utf8, people.iter().cloned())?;
    let client = client()?;
    let mut portal = installation.serve()?;
    let browser = Browser::new(&client, &installation.portal);
    installation.answers(&mut portal, &browser).await?;
    let Installation {
        folder,
        portal: address,
        sandbox,
        ..
    } = &installation;
    let world = World::of(folder, address, sandbox, &client)?;
    for number in 0..PAID {
        let chance = Chance::of(7, number.into());
        let mut payer = Payer::new(&world, Acts::Quick, chance);
        pay(&mut payer, &people[number as usize]).await?;
    }
    portal.kill()?;
    Ok(installation)
}

/// Pays for a person and waits for the voucher.
async fn pay(payer: &mut Payer, person: &Person) -> Result<()> {
    let address = payer.start(person, "alipay_wap").await?;
    let address = address.context("nothing leads to a wallet")?;
    let order = order_of(&address).context("the wallet's address does not lead back")?;
    let wallet = payer.wallet(&address).await?;
    payer.press(&wallet, "pay").await?;
    for _ in 0..100 {
        if let Some(voucher) = payer.shown(&order).await? {
            return payer.told_paid(&wallet.attempt, &voucher).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bail!("no voucher is shown")
}

/// What a command said on both its outputs, and its exit code.
fn said(folder: &Path, arguments: &[&str]) -> Result<(Option<i32>, String, String)> {
    let output = command(arguments)?.current_dir(folder).output()?;
    let [out, err] = [output.stdout, output.stderr].map(String::from_utf8);
    Ok((output.status.code(), out?, err?))
}

/// Starts a copy and kills it when the table of people has begun; the lines of its progress.
async fn cut_off(folder: &Path, words: &[&str]) -> Result<Vec<String>> {
    let mut copy = Running::start(folder, "copy", words, &Around::default())?;
    let begun = Instant::now();
    loop {
        let told = std::fs::read_to_string(folder.join("copy.stderr"))?;
        if told.contains("copy person: ") {
            copy.kill()?;
            return Ok(told.lines().map(str::to_owned).collect());
        }
        ensure!(copy.ended()?.is_none(), "it ended by itself:\n{told}");
        ensure!(begun.elapsed() < Duration::from_secs(60), "{told}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What `--json` says of a table on one side.
fn tally<'a>(told: &'a serde_json::Value, table: &str, side: &str) -> &'a serde_json::Value {
    let tables = told["tables"].as_array().expect("tables");
    let table = tables.iter().find(|row| row["table"] == table);
    &table.expect("the table")[side]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_to_a_server_goes_on_where_it_was_killed() {
    let installation = grown().await.unwrap();
    let folder = installation.folder.as_path();
    let url = fresh_server_database();
    let copy = ["copy", "--from", "sqlite:jiaoyi.db", "--to", &url];

    let lines = cut_off(folder, &copy).await.unwrap();
    let form = |line: &String| {
        let rest = line.strip_prefix("copy ").unwrap_or_default();
        rest.contains(" rows (") && rest.ends_with(" tables)")
    };
    assert!(lines.iter().all(form), "{lines:#?}");
    // Nobody takes half of it for the whole, and nothing else goes into it.
    let (code, _, why) = said(folder, &["verify", "--database", &url]).unwrap();
    assert_eq!(code, Some(7), "{why}");
    assert!(why.contains("jiaoyi copy"), "{why}");
    run(folder, &["migrate", "--database", "sqlite:other.db"]).unwrap();
    let other = ["copy", "--from", "sqlite:other.db", "--to", &url];
    let (code, _, why) = said(folder, &other).unwrap();
    assert_eq!(code, Some(5), "{why}");
    assert!(why.contains("holds an unfinished copy of"), "{why}");
    assert!(why.contains("name an empty database"), "{why}");

    let again = [copy.as_slice(), &["--json"]].concat();
    let (code, told, progress) = said(folder, &again).unwrap();
    assert_eq!((code, progress.as_str()), (Some(0), ""), "{told}");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&told["ok"], &told["resumed"]),
        (&true.into(), &true.into())
    );
    for (table, rows) in [("person", PEOPLE), ("fact", PAID), ("voucher", PAID)] {
        let source = tally(&told, table, "source");
        assert_eq!(source, tally(&told, table, "target"));
        assert_eq!(source["rows"], rows, "{source}");
        assert_eq!(source["digest"].as_str().map(str::len), Some(64));
    }
    let taken = &tally(&told, "fact", "target")["amounts_fen"]["amount"];
    let taken: u64 = taken.as_str().unwrap().parse().unwrap();
    assert!(
        taken > 0 && taken.is_multiple_of(u64::from(PAID)),
        "{taken}"
    );
    let rows = told["rows_copied"].as_u64().unwrap();
    let tables = told["tables"].as_array().unwrap().iter();
    let all: u64 = tables
        .map(|table| table["source"]["rows"].as_u64().unwrap())
        .sum();
    assert!(0 < rows && rows < all, "{rows} of {all} rows came later");

    // The same once more would mix two installations.
    let (code, _, why) = said(folder, &copy).unwrap();
    assert_eq!(code, Some(5), "{why}");
    assert!(
        why.contains("holds data already; name a database that is empty"),
        "{why}"
    );
    let compare = [copy.as_slice(), &["--compare"]].concat();
    let (code, out, progress) = said(folder, &compare).unwrap();
    assert_eq!((code, out.as_str()), (Some(0), ""), "{progress}");
    let last = progress.lines().last().unwrap();
    assert!(
        last.ends_with(&format!(" with {all} rows compared, all of them equal")),
        "{last}"
    );
    assert!(progress.starts_with("compare "), "{progress}");
    let checked = ["verify", "--database", &url, "--journal", "journal.ndjson"];
    let checked = [&checked[..], &["--signatures", "--keys", "keys.toml"]].concat();
    run(folder, &checked).context("verify the copy").unwrap();
    installation.remove().unwrap();
}

/// A server that lets nobody in is an error that says what to look at.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_to_a_wrong_address_says_what_to_do() {
    let folder = std::env::temp_dir().join(format!("jiaoyi-copy-wrong-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    run(&folder, &["migrate", "--database", "sqlite:a.db"]).unwrap();
    let url = fresh_server_database();
    let (server, name) = url.rsplit_once('/').unwrap();
    let host = server.rsplit_once('@').unwrap().1;
    for (to, code, words) in [
        (
            "mysql://root@localhost/x".to_owned(),
            2,
            "a database is named as",
        ),
        (format!("{server}/nowhere"), 7, "make it: CREATE DATABASE"),
        (
            format!("postgres://nobody@{host}/{name}"),
            7,
            "look at the role",
        ),
        (
            "postgres://jiaoyi@127.0.0.1:9/x".to_owned(),
            7,
            "is this its address",
        ),
        (
            "postgres://jiaoyi@db.example/x".to_owned(),
            2,
            "sslmode=verify-full",
        ),
    ] {
        let words_of_copy = ["copy", "--from", "sqlite:a.db", "--to", &to];
        let (found, _, why) = said(&folder, &words_of_copy).unwrap();
        assert!(
            found == Some(code) && why.contains(words),
            "{to}: {found:?} {why}"
        );
    }
    std::fs::remove_dir_all(folder).unwrap();
}
