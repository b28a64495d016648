//! Personal data stays where it belongs: names, document numbers and phone numbers that a test
//! planted are found nowhere in the database, its log, the logs of the processes, or an address.
//!
//! The scan is shown to see: it finds the same canaries in the roster files they came in, and the
//! masked name in the database.

use super::browser::{Addresses, Browser, client, site};
use super::chance::Chance;
use super::installation::{Installation, fill, now};
use super::people::{Form, Person, person, write_roster};
use super::process::command;
use anyhow::{Context, Result, bail, ensure};
use jiaoyi_crypto::keyring::Keyring;
use jiaoyi_domain::due::Due;
use jiaoyi_domain::person::{Document, DocumentKind};
use jiaoyi_domain::record::{Column, Record};
use jiaoyi_domain::roster::Document as DocumentRow;
use jiaoyi_store::Store;
use std::path::Path;
use std::time::Duration;

/// Names that no other text of ours contains.
const NAMES: [&str; 6] = ["瞿镱铥", "阚钬镝", "郗铽钆", "仉铕钐", "逄钷钕", "亓官镨铈"];

/// People whose data must not be found: paid, paid by a link, only looked up wrongly, …
fn canaries() -> Vec<Person> {
    (0u32..)
        .zip(NAMES)
        .map(|(n, name)| Person {
            name: name.to_owned(),
            phone: format!("186{}", 47_391_150 + n * 7),
            ..person(12_345 + n * 1_001, "990101")
        })
        .collect()
}

/// One way in which a canary could stand in a file.
struct Trace {
    of: String,
    bytes: Vec<u8>,
}

fn traces(people: &[Person]) -> Vec<Trace> {
    let mut traces = Vec::new();
    let mut add = |of: &str, how: &str, bytes: Vec<u8>| {
        traces.push(Trace {
            of: format!("{of} ({how})"),
            bytes,
        });
    };
    for person in people {
        let name = person.name.as_str();
        add(name, "UTF-8", name.as_bytes().to_vec());
        add(name, "GBK", encoding_rs::GBK.encode(name).0.into_owned());
        let encoded =
            percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        add(name, "address", encoded.to_string().into_bytes());
        let escaped: String = name
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect();
        add(name, "JSON", escaped.into_bytes());
        add(name, "Rust", name.escape_unicode().to_string().into_bytes());
        add(
            &person.id_number,
            "text",
            person.id_number.clone().into_bytes(),
        );
        add(&person.phone, "text", person.phone.clone().into_bytes());
    }
    traces
}

fn find(haystack: &[u8], trace: &Trace) -> bool {
    let first = trace.bytes.first().copied().unwrap_or_default();
    let mut from = 0;
    while let Some(place) = haystack[from..].iter().position(|byte| *byte == first) {
        if haystack[from + place..].starts_with(&trace.bytes) {
            return true;
        }
        from += place + 1;
    }
    false
}

/// What a run showed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub canaries: usize,
    pub traces: usize,
    pub files: usize,
    pub bytes: usize,
    /// Everything that was found: file and canary. Nothing, when all is well.
    pub found: Vec<String>,
}

/// Plants canaries everywhere a resident or an office puts data in, and looks for them.
pub async fn canary() -> Result<Outcome> {
    let installation = Installation::new("canary", Some("debug")).await?;
    let people = canaries();
    let (inside, outside) = people.split_at(4);
    import(&installation, inside, outside).await?;
    let link = notice_link(&installation, &inside[1]).await?;
    let addresses = Addresses::default();
    let client = client()?;
    let probe = Browser::new(&client, &installation.portal);
    let mut portal = installation.serve()?;
    installation.answers(&mut portal, &probe).await?;
    let mut walk = Walk {
        browser: probe.clone().noting(&addresses),
        chance: Chance::new(1),
    };
    walk.missed(inside, outside).await?;
    walk.pay(&inside[0]).await?;
    walk.by_link(&link, &inside[1]).await?;
    // A second device, and a payment that is left open.
    walk.browser = probe.clone().noting(&addresses);
    walk.look_up(&inside[2]).await?;
    walk.start("wechat_h5").await?;
    // Jobs work on: outbox, refreshes, checkpoints.
    tokio::time::sleep(Duration::from_secs(2)).await;
    std::fs::write(installation.folder.join("addresses.txt"), addresses.text())?;
    let outcome = scan(&installation, &people)?;
    portal.kill()?;
    let after = scan(&installation, &people)?;
    ensure!(
        after.found.is_empty() || !outcome.found.is_empty(),
        "{after:?}"
    );
    control(&installation.folder, inside)?;
    if outcome.found.is_empty() {
        installation.remove()?;
    }
    Ok(outcome)
}

/// Imports canaries as a good roster, as GBK, and in rows that are refused.
async fn import(installation: &Installation, inside: &[Person], outside: &[Person]) -> Result<()> {
    let folder = &installation.folder;
    let mut good = inside.to_vec();
    good.extend((0..50).map(|n| person(n, "990101")));
    installation.import("roster.csv", Form::Utf8, good.iter().cloned())?;
    write_roster(
        &folder.join("roster-gbk.csv"),
        Form::Gbk,
        inside.iter().cloned(),
    )?;
    // Rows with a mistake in each column, and a file without its header.
    let mut wrong = Vec::new();
    for person in outside {
        let digits = &person.id_number[..17];
        let last = if person.id_number.ends_with('1') {
            '2'
        } else {
            '1'
        };
        wrong.push(Person {
            id_number: format!("{digits}{last}"),
            ..person.clone()
        });
        wrong.push(Person {
            region: "110101".to_owned(),
            ..person.clone()
        });
        wrong.push(Person {
            phone: format!("{}0", person.phone),
            ..person.clone()
        });
    }
    write_roster(&folder.join("wrong.csv"), Form::Utf8, wrong.into_iter())?;
    let line = |person: &Person| format!("{},{}\r\n", person.name, person.id_number);
    let headless: String = people_lines(inside, line);
    std::fs::write(folder.join("headless.csv"), headless)?;
    for file in ["roster-gbk.csv", "wrong.csv", "headless.csv"] {
        // The second and third are refused, in whole or in part: that is what is to be seen.
        let output = command(&["import", "roster", file, "--result", "result.csv"])?
            .env("JIAOYI_LOG", "debug")
            .current_dir(folder)
            .output()?;
        std::fs::write(folder.join(format!("import-{file}.stdout")), &output.stdout)?;
        std::fs::write(folder.join(format!("import-{file}.stderr")), &output.stderr)?;
        ensure!(
            output.status.code().is_some_and(|code| code != 101),
            "import of {file}: {}",
            output.status
        );
    }
    Ok(())
}

fn people_lines(people: &[Person], line: impl Fn(&Person) -> String) -> String {
    people.iter().map(line).collect()
}

/// The signed link of a person's due, as a text message carries it.
async fn notice_link(installation: &Installation, person: &Person) -> Result<String> {
    let keys = std::fs::read_to_string(installation.folder.join("keys.toml"))?;
    let keyring = Keyring::parse(&keys)?;
    let mut chain = [0; 16];
    fill(&mut chain);
    let store = Store::open_file(&installation.folder.join("jiaoyi.db"), chain, now())?;
    let document = Document::parse(DocumentKind::IdCard, &person.id_number, now().date())?;
    let (kind, text) = (document.kind().code(), document.index_text());
    let key = (
        keyring.bucket_of(kind, &text),
        keyring.doc_hmac(kind, &text),
    );
    let row: Option<DocumentRow> = store.load(&key).await?;
    let row = row.context("the canary is not in the database")?;
    let given = [row.person_bucket.to_value(), row.person_id.to_value()];
    let dues: Vec<Due> = store.range("by_person", &given).await?;
    let due = dues.first().context("the canary has no due")?.key();
    store.close();
    // As `Platform::notice_token` signs it.
    let mut payload = vec![2u8];
    payload.extend_from_slice(&due.0.get().to_be_bytes());
    payload.extend_from_slice(&due.1.0);
    Ok(keyring.sign_link(&payload))
}

/// A payer's way through the pages and the wallet.
pub struct Walk {
    pub browser: Browser,
    pub chance: Chance,
}

impl Walk {
    async fn look_up(&mut self, person: &Person) -> Result<u16> {
        let key = self.chance.form_key();
        let fields = person.form(&key);
        self.browser.get("/pay/person?relation=other").await?;
        Ok(self.browser.post("/pay/person", &fields).await?.status)
    }

    /// Every kind of look-up that finds nobody.
    async fn missed(&mut self, inside: &[Person], outside: &[Person]) -> Result<()> {
        let known = &inside[0];
        let mut asked: Vec<Person> = outside.to_vec();
        for name in [&outside[0].name, &inside[1].name] {
            asked.push(Person {
                name: name.clone(),
                ..known.clone()
            });
        }
        for region in [
            "990201",
            "110101",
            "不在",
            known.name.as_str(),
            known.id_number.as_str(),
        ] {
            asked.push(Person {
                region: region.to_owned(),
                ..known.clone()
            });
        }
        // Fields in each other's place, and a number with a wrong last character.
        asked.push(Person {
            name: known.id_number.clone(),
            id_number: known.name.clone(),
            ..known.clone()
        });
        asked.push(Person {
            id_number: format!("{}X", &known.id_number[..17]),
            ..known.clone()
        });
        for person in &asked {
            let status = self.look_up(person).await?;
            ensure!(status == 200, "a look-up that misses answered {status}");
        }
        Ok(())
    }

    /// Starts paying for what was looked up; the wallet's address.
    async fn start(&mut self, method: &str) -> Result<String> {
        let check = self.browser.get("/pay/check").await?;
        let reference = check.field("bill_ref").context("no bill on the page")?;
        let key = self.chance.form_key();
        let fields = [
            ("bill_ref", reference.as_str()),
            ("form_key", key.as_str()),
            ("method", method),
            ("relation", "other"),
        ];
        self.browser.post("/pay/method", &fields).await?;
        self.browser.get("/pay/method").await?;
        let started = self.browser.post("/pay/start", &fields).await?;
        started
            .location
            .with_context(|| format!("the start answered {}", started.status))
    }

    /// Pays at the wallet and opens everything that a payer can open afterwards.
    async fn wallet(&mut self, address: &str) -> Result<()> {
        let page = self.browser.follow(address).await?.text();
        let action = page
            .split("action=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let action = action.context("no form of the wallet")?;
        let action = format!("{}{action}", site(address));
        let back = self.browser.post(&action, &[("do", "pay")]).await?;
        let back = back.location.context("the wallet does not lead back")?;
        let order = back
            .split("/o/")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        let order = order.context("no order in the way back")?.to_owned();
        self.browser.follow(&back).await?;
        for _ in 0..40 {
            let page = self.browser.get(&format!("/o/{order}")).await?.text();
            let link = page
                .split("href=\"/v/")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            if let Some(link) = link {
                return self
                    .voucher(&format!("/v/{}", link.replace("&amp;", "&")))
                    .await;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        bail!("no voucher within ten seconds")
    }

    async fn voucher(&mut self, path: &str) -> Result<()> {
        let page = self.browser.get(path).await?.text();
        let number = path
            .trim_start_matches("/v/")
            .split('?')
            .next()
            .unwrap_or_default();
        let marked = page.split("data-check-code=\"").nth(1);
        let code = marked
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default();
        let files: Vec<String> = page
            .split("href=\"")
            .filter_map(|rest| rest.split('"').next())
            .filter(|link| link.starts_with("/v/"))
            .map(|link| link.replace("&amp;", "&"))
            .collect();
        ensure!(!files.is_empty(), "the voucher's page links to no file");
        for file in files {
            self.browser.get(&file).await?;
        }
        let fields = [("number", number), ("check_code", code), ("code", code)];
        self.browser.post("/verify/result", &fields).await?;
        self.browser.get("/records").await?;
        Ok(())
    }

    /// Looks a person up, pays, and opens the voucher.
    pub async fn pay(&mut self, person: &Person) -> Result<()> {
        let status = self.look_up(person).await?;
        ensure!(status == 303, "the look-up answered {status}");
        let address = self.start("alipay_wap").await?;
        self.wallet(&address).await
    }

    /// Opens a notice link, answers wrongly and then rightly, and pays.
    async fn by_link(&mut self, token: &str, person: &Person) -> Result<()> {
        let path = format!("/k/{token}");
        self.browser.get(&path).await?;
        let (month, day) = (&person.id_number[10..12], &person.id_number[12..14]);
        let (month, day) = (month.trim_start_matches('0'), day.trim_start_matches('0'));
        self.browser
            .post(&path, &[("month", "2"), ("day", "30")])
            .await?;
        self.browser
            .post(&path, &[("month", month), ("day", day)])
            .await?;
        let page = self.browser.get(&path).await?;
        let reference = page.field("bill_ref").context("no bill behind the link")?;
        let key = self.chance.form_key();
        let fields = [
            ("bill_ref", reference.as_str()),
            ("form_key", key.as_str()),
            ("method", "wechat_h5"),
            ("relation", "unstated"),
        ];
        let started = self.browser.post("/pay/start", &fields).await?;
        let address = started.location.context("the start led nowhere")?;
        self.wallet(&address).await
    }
}

/// Files in which nothing may be found: all but those that the test itself wrote data into.
fn scanned(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let own = [
        "roster.csv",
        "roster-gbk.csv",
        "wrong.csv",
        "headless.csv",
        "result.csv",
    ];
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_file() && !own.contains(&name) {
            files.push(path);
        }
    }
    Ok(files)
}

fn scan(installation: &Installation, people: &[Person]) -> Result<Outcome> {
    let traces = traces(people);
    let mut outcome = Outcome {
        canaries: people.len() * 3,
        traces: traces.len(),
        ..Outcome::default()
    };
    let files = scanned(&installation.folder)?;
    for wanted in [
        "jiaoyi.db",
        "jiaoyi.db-wal",
        "serve.stderr",
        "sandbox.stderr",
        "addresses.txt",
    ] {
        let there = files.iter().any(|path| path.ends_with(wanted));
        ensure!(there, "{wanted} is not among the files that are scanned");
    }
    for path in files {
        let bytes = std::fs::read(&path)?;
        outcome.files += 1;
        outcome.bytes += bytes.len();
        for trace in traces.iter().filter(|trace| find(&bytes, trace)) {
            outcome
                .found
                .push(format!("{}: {}", path.display(), trace.of));
        }
    }
    Ok(outcome)
}

/// The scan sees what is there.
fn control(folder: &Path, inside: &[Person]) -> Result<()> {
    let traces = traces(inside);
    let here = |file: &str, how: &str| -> Result<usize> {
        let bytes = std::fs::read(folder.join(file))?;
        let wanted = traces.iter().filter(|trace| trace.of.ends_with(how));
        Ok(wanted.filter(|trace| find(&bytes, trace)).count())
    };
    ensure!(
        here("roster.csv", "(UTF-8)")? == inside.len(),
        "UTF-8 names are not seen"
    );
    ensure!(
        here("roster-gbk.csv", "(GBK)")? == inside.len(),
        "GBK names are not seen"
    );
    ensure!(
        here("roster.csv", "(text)")? == inside.len() * 2,
        "numbers are not seen"
    );
    let mut database = std::fs::read(folder.join("jiaoyi.db"))?;
    database.extend(std::fs::read(folder.join("jiaoyi.db-wal")).unwrap_or_default());
    let masked = Trace {
        of: "masked".to_owned(),
        bytes: "瞿*铥".as_bytes().to_vec(),
    };
    ensure!(
        find(&database, &masked),
        "the masked name is not seen in the database"
    );
    let log = std::fs::read(folder.join("serve.stderr"))?;
    let served = Trace {
        of: "log".to_owned(),
        bytes: b"/pay/start".to_vec(),
    };
    ensure!(
        find(&log, &served),
        "the log does not name the routes served"
    );
    Ok(())
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} canaries, {} traces, {} files, {} bytes",
            self.canaries, self.traces, self.files, self.bytes
        )?;
        write!(f, "found: {:?}", self.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn planted_names_and_numbers_are_found_nowhere() {
        let outcome = canary().await.unwrap();
        assert!(outcome.found.is_empty(), "{outcome}");
    }

    #[test]
    fn the_scan_finds_a_trace_anywhere() {
        let trace = Trace {
            of: String::new(),
            bytes: b"aab".to_vec(),
        };
        assert!(find(b"xxaaab", &trace));
        assert!(!find(b"aaaa", &trace));
    }
}
