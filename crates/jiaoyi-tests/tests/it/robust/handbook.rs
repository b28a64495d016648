//! The operator's handbook leads from an empty folder to a portal where somebody has paid, the
//! biller API's contract to a first signed payment: the commands are read out of the page and run
//! as they stand there, only on other ports.

use super::browser::{Browser, client};
use super::canary::Walk;
use super::chance::Chance;
use super::installation::free_port;
use super::people::Person;
use super::process::{Around, Running, program};
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const HANDBOOK: &str = include_str!("../../../../../docs/operate/README.md");
const CONTRACT: &str = include_str!("../../../../../docs/biller-api.md");

/// A block of commands of the page.
struct Block {
    text: String,
    /// It stands in a terminal of its own and runs until it is stopped.
    keeps_running: bool,
}

/// The shell blocks of the section with this title, in their order.
fn blocks(page: &str, title: &str) -> Result<Vec<Block>> {
    let (_, section) = page
        .split_once(&format!("\n## {title}\n"))
        .context("the section is gone")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    // Text and fenced blocks take turns.
    let fenced = section.split("\n```").skip(1).step_by(2);
    Ok(fenced
        .filter_map(|block| {
            let (language, text) = block.split_once('\n')?;
            language.starts_with("sh").then(|| Block {
                text: format!("{text}\n"),
                keeps_running: language == "sh terminal",
            })
        })
        .collect())
}

/// Runs a block to its end in a shell for which `jiaoyi` is the program under test.
fn run(folder: &Path, text: &str) -> Result<String> {
    let output = Command::new("sh")
        .args(["-eu", "-c"])
        .arg(format!("jiaoyi() {{ \"$PROGRAM\" \"$@\"; }}\n{text}"))
        .env("PROGRAM", program()?)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .context("run a block")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{text}\nended with {}\n{told}\n{said}",
        output.status
    );
    Ok(told)
}

/// Starts a block of one command that keeps running.
fn start(folder: &Path, text: &str) -> Result<Running> {
    let mut words = text.split_whitespace();
    ensure!(words.next() == Some("jiaoyi"), "{text}: another program");
    let words: Vec<&str> = words.collect();
    Running::start(
        folder,
        words.first().context("no command")?,
        &words,
        &Around::default(),
    )
}

/// Asks an address until what it shows is `wanted`.
async fn until(browser: &Browser, address: &str, wanted: impl Fn(u16, &str) -> bool) -> Result<()> {
    let begun = Instant::now();
    let mut seen = String::new();
    while begun.elapsed() < Duration::from_secs(30) {
        if let Ok(reply) = browser.clone().get(address).await {
            seen = reply.text();
            if wanted(reply.status, &seen) {
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("{address}: not what is wanted within 30 s, but {seen:?}")
}

/// The first person of the roster in the page.
fn first_person(folder: &Path) -> Result<Person> {
    let roster = std::fs::read_to_string(folder.join("roster.csv"))?;
    let row = roster.lines().nth(1).context("the roster is empty")?;
    match row.split(',').collect::<Vec<_>>()[..] {
        [name, id_number, region, _, phone] => Ok(Person {
            name: name.to_owned(),
            id_number: id_number.to_owned(),
            region: region.to_owned(),
            phone: phone.to_owned(),
        }),
        _ => bail!("{row}: another number of columns"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_empty_folder_to_a_payment_by_the_handbook() {
    let (portal, sandbox) = (free_port().unwrap(), free_port().unwrap());
    let page = HANDBOOK
        .replace("8080", &portal.to_string())
        .replace("9090", &sandbox.to_string());
    let blocks = blocks(&page, "From an empty folder").unwrap();
    let last = blocks.iter().rposition(|block| block.keeps_running);
    let (before, after) = blocks.split_at(last.expect("something keeps running") + 1);

    let folder = std::env::temp_dir().join(format!("jiaoyi-handbook-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let portal = format!("http://127.0.0.1:{portal}");
    let sandbox = format!("http://127.0.0.1:{sandbox}");
    let browser = Browser::new(&client().unwrap(), &portal);
    let mut running = Vec::new();
    for block in before {
        if block.keeps_running {
            running.push(start(&folder, &block.text).unwrap());
        } else {
            run(&folder, &block.text).unwrap();
        }
    }
    let answers = |status, _: &str| status == 200;
    until(&browser, &format!("{sandbox}/_sandbox/books"), answers)
        .await
        .unwrap();
    until(&browser, "/", answers).await.unwrap();

    let person = first_person(&folder).unwrap();
    let mut payer = Walk {
        browser: browser.clone(),
        chance: Chance::new(1),
    };
    payer.pay(&person).await.unwrap();
    let message = |_, messages: &str| messages.contains(&person.phone) && messages.contains("已缴");
    until(&browser, &format!("{sandbox}/_sandbox/sms.json"), message)
        .await
        .unwrap();

    assert!(!after.is_empty(), "the page ends without a proof");
    for block in after {
        run(&folder, &block.text).unwrap();
    }
    let proof = run(&folder, "jiaoyi verify --signatures --json").unwrap();
    assert!(proof.contains("\"ok\":true"), "{proof}");
    drop(running);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_empty_folder_to_a_signed_payment_in_ten_commands() {
    let port = free_port().unwrap();
    let page = CONTRACT.replace("8080", &port.to_string());
    let blocks = blocks(&page, "Ten commands").unwrap();
    let commands = blocks.iter().flat_map(|block| block.text.lines());
    assert!((1..=10).contains(&commands.filter(|line| !line.is_empty()).count()));
    let [demo, rest] = blocks.as_slice() else {
        panic!("{} blocks, not two", blocks.len());
    };
    assert!(demo.keeps_running && !rest.keeps_running);

    let folder = std::env::temp_dir().join(format!("jiaoyi-ten-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let portal = format!("http://127.0.0.1:{port}");
    let running = start(&folder, &demo.text).unwrap();
    let browser = Browser::new(&client().unwrap(), &portal);
    until(&browser, "/", |status, _| status == 200)
        .await
        .unwrap();
    // The examples themselves name the usual port.
    let there = format!("export BILLER_URL={portal}\n{}", rest.text);
    let told = run(&folder, &there).unwrap();
    for line in [
        r#"{"signature":"ok""#,
        r#"{"query_token":"#,
        r#""state":"ACCEPTED","receipt_no":"#,
    ] {
        assert_eq!(told.matches(line).count(), 1, "{line}: {told}");
    }

    // The payment stands: what was paid is not taken again, and the example says so.
    let again = format!("export BILLER_URL={portal}\nbash pay.sh");
    let told = run(&folder, &again).unwrap();
    assert!(told.contains(r#""reason":"ALREADY_PAID""#), "{told}");
    drop(running);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn blocks_are_read_in_their_order() {
    let page = "# A\n```sh\nno\n```\n## From an empty folder\nText.\n\n```sh\none\ntwo\n```\n\n\
                ```toml\nno\n```\n```sh terminal\nthree\n```\n## Next\n```sh\nno\n```\n";
    let blocks = blocks(page, "From an empty folder").unwrap();
    let read: Vec<_> = blocks
        .iter()
        .map(|block| (block.text.as_str(), block.keeps_running))
        .collect();
    assert_eq!(read, [("one\ntwo\n", false), ("three\n", true)]);
}
