//! Wrong on purpose: every command answers a mistake with its exit code, as docs/operate lists
//! them, and says what to do.

use super::process::{command, run};
use anyhow::{Context, Result, ensure};
use std::net::TcpListener;
use std::path::Path;

/// What a line of arguments must be answered with.
type Case<'a> = (&'a str, i32, &'a str);

/// Compares what the program answers to each line with code and words; all differences at once.
fn compare(folder: &Path, cases: &[Case]) -> Result<()> {
    let mut wrong = Vec::new();
    for (line, code, words) in cases {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let output = command(&arguments)?.current_dir(folder).output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let found = output.status.code().context("it was killed")?;
        if found != *code || !said.contains(words) {
            wrong.push(format!(
                "jiaoyi {line}\n  {found}, not {code} {words:?}:\n{said}"
            ));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// A trial in a folder of its own, with files to be wrong about.
fn with_folder(name: &str, check: impl FnOnce(&Path) -> Result<()>) {
    let folder = std::env::temp_dir().join(format!("jiaoyi-{name}-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("folder")).unwrap();
    let make = || -> Result<()> {
        run(&folder, &["keys", "new", "keys.toml"])?;
        let identities = ["sandbox", "--port", "9", "--make-identities", "channels"];
        run(&folder, &identities)?;
        let config = "database_url = \"sqlite:jiaoyi.db\"\nlisten = \"127.0.0.1:0\"\n\
                      public_url = \"http://127.0.0.1:9\"\nissuer = \"演示\"\nkeys = \"keys.toml\"\n\
                      channels = \"channels/channels.toml\"\ndemo = true\n\
                      wallet_hosts = [\"http://127.0.0.1:9\"]\n";
        let write = |file: &str, text: &str| std::fs::write(folder.join(file), text);
        write("jiaoyi.toml", config)?;
        write("real.toml", &config.replace("demo = true\n", ""))?;
        write("far.toml", &config.replace("sqlite:", "sqlite:none/"))?;
        write("keyless.toml", &config.replace("keys.toml", "none.toml"))?;
        write("deaf.toml", &config.replace("127.0.0.1:0", "nowhere"))?;
        write("slip.toml", &config.replace("public_url", "public_ulr"))?;
        write("empty", "")?;
        write("text", "some words\n")?;
        for (file, right, wrong) in [
            ("sandbox.toml", "merchant_serial", "merchant_serail"),
            ("channels.toml", "gateway_url", "gatway_url"),
        ] {
            let text = std::fs::read_to_string(folder.join("channels").join(file))?;
            write(
                &format!("channels/slip-{file}"),
                &text.replace(right, wrong),
            )?;
        }
        let slip = config.replace("/channels.toml", "/slip-channels.toml");
        write("slip-channels.toml", &slip)?;
        Ok(())
    };
    make().and_then(|()| check(&folder)).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn making_an_installation_overwrites_nothing() {
    with_folder("making", |folder| {
        let keys = std::fs::read(folder.join("keys.toml"))?;
        compare(
            folder,
            &[
                ("keys new", 2, "<FILE>"),
                ("keys new keys.toml", 5, "never overwritten"),
                ("keys new none/keys.toml", 3, "make it first"),
                ("keys new folder", 5, "name another"),
                ("keys new chinese.toml --sm", 0, "apart from the database"),
                (
                    "sandbox --make-identities channels --port 9",
                    5,
                    "never overwritten",
                ),
                ("sandbox --make-identities other --port 0", 2, "choose one"),
                (
                    "sandbox --make-identities text --port 9",
                    2,
                    "a file is in the place",
                ),
                ("sandbox --make-identities other --port much", 2, "--port"),
                ("policy demo text", 2, "a file is in the place"),
                ("policy demo policies", 0, "demo-990100-"),
                ("policy demo policies", 5, "never overwritten"),
                ("import roster --template none/a.xlsx", 3, "make it first"),
                ("import roster --template folder", 2, "name a file"),
            ],
        )?;
        ensure!(std::fs::read(folder.join("keys.toml"))? == keys, "changed");
        #[cfg(unix)]
        for file in ["keys.toml", "chinese.toml"] {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(folder.join(file))?.permissions().mode();
            ensure!(mode & 0o777 == 0o600, "{file}: {mode:o}");
        }
        Ok(())
    });
}

#[test]
fn an_installation_that_is_not_right_does_not_start() {
    with_folder("starting", |folder| {
        let taken = TcpListener::bind("127.0.0.1:0")?;
        let port = taken.local_addr()?.port();
        let config = std::fs::read_to_string(folder.join("jiaoyi.toml"))?;
        let config = config.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
        std::fs::write(folder.join("taken.toml"), config)?;
        let demo = format!("demo --data taken --port {port}");
        let sandbox = format!("sandbox --config channels/sandbox.toml --port {port}");
        compare(
            folder,
            &[
                ("", 2, "Usage"),
                ("serev", 2, "serve"),
                ("serve --confg x", 2, "--config"),
                ("serve --config none.toml", 3, "no such file"),
                ("serve --config folder", 2, "name a file"),
                ("serve --config empty", 2, "database_url"),
                ("serve --config text", 2, "text: "),
                ("serve --config slip.toml", 2, "did you mean `public_url`?"),
                (
                    "serve --config slip-channels.toml",
                    2,
                    "did you mean `gateway_url`?",
                ),
                ("serve --config far.toml", 3, "make it first"),
                (
                    "serve --config keyless.toml",
                    3,
                    "none.toml: there is no such file",
                ),
                ("serve --config deaf.toml", 2, "127.0.0.1:8080"),
                (
                    "serve --config taken.toml",
                    7,
                    "choose another with `listen`",
                ),
                ("sandbox --config none.toml", 3, "no such file"),
                ("sandbox --config folder", 2, "name a file"),
                ("sandbox --config empty", 2, "wechat"),
                (
                    "sandbox --config channels/slip-sandbox.toml",
                    2,
                    "did you mean `merchant_serial`?",
                ),
                (&sandbox, 7, "choose another with --port"),
                (&demo, 7, "choose another with --port"),
                ("demo --data text", 2, "a file is in the place"),
                ("demo --today soon", 2, "--today"),
                (
                    "demo --database mysql:x --data demo --port 0",
                    2,
                    "sqlite:FILE",
                ),
                ("doctor", 0, "fine for a trial, not for production"),
                ("doctor --config real.toml", 1, "is not https"),
                ("doctor --config keyless.toml", 1, "jiaoyi keys new"),
                ("doctor --config none.toml", 3, "no such file"),
            ],
        )
    });
}

#[test]
fn commands_over_data_say_what_they_cannot_read() {
    with_folder("reading", |folder| {
        let roster = "姓名,身份证号,参保地,人员类别,手机号\n王桂兰,1,990101,resident,13910000001\n";
        std::fs::write(folder.join("wrong.csv"), roster)?;
        let right = roster.replace(",1,", ",990101195803120211,");
        std::fs::write(folder.join("right.csv"), right)?;
        run(folder, &["policy", "demo", "policies"])?;
        let policies = std::fs::read_dir(folder.join("policies"))?;
        for file in policies.collect::<std::io::Result<Vec<_>>>()? {
            let text = std::fs::read_to_string(file.path())?;
            let name = file.file_name();
            if name.to_string_lossy().starts_with("demo-990100-") {
                std::fs::write(folder.join("good.toml"), &text)?;
                std::fs::write(
                    folder.join("unknown.toml"),
                    text.replace("990100", "123456"),
                )?;
            }
        }
        let unknown = "unknown.toml:2: region: 123456 is in no table of regions";
        compare(
            folder,
            &[
                ("policy check", 2, "<FILES>"),
                ("policy check none.toml", 3, "no such file"),
                ("policy check folder", 2, "name a file"),
                ("policy check empty", 4, "empty:1"),
                ("policy check text", 4, "text:1: not TOML: "),
                ("policy check unknown.toml", 4, unknown),
                ("policy check good.toml", 0, "good: 1"),
                ("policy show", 2, "--examples"),
                ("policy show good.toml", 0, "缴费期 levy windows"),
                ("policy show --examples", 0, "not payable"),
                ("policy import unknown.toml", 4, unknown),
                (
                    "policy import good.toml --config real.toml",
                    4,
                    "990100 is in no table",
                ),
                (
                    "policy import good.toml --config none.toml",
                    3,
                    "no such file",
                ),
                ("policy import good.toml", 0, "imported"),
                ("import", 2, "roster"),
                ("import roster", 2, "<FILE>"),
                ("import roster none.csv", 3, "no such file"),
                ("import roster folder", 2, "name a file"),
                ("import roster empty", 4, "The file is empty"),
                ("import roster text", 4, "is missing"),
                ("import roster wrong.csv", 4, "  Row 2: "),
                (
                    "import roster wrong.csv",
                    4,
                    "1 rows: 0 good, 1 to be changed",
                ),
                ("import roster wrong.csv --dry-run", 4, "checked only"),
                ("import roster right.csv --dry-run", 0, "checked only"),
                ("import roster right.csv", 0, "1 new or changed"),
                (
                    "import roster right.csv --dry-run",
                    0,
                    "checked only, nothing was written",
                ),
                ("import roster wrong.csv --year soon", 2, "--year"),
                ("import roster wrong.csv --region 123456", 2, "six digits"),
                (
                    "import roster wrong.csv --result none/a.csv",
                    3,
                    "make it first",
                ),
                ("verify --database x.db", 2, "sqlite:FILE"),
                (
                    "verify --database sqlite:none.db",
                    7,
                    "there is no database",
                ),
                ("verify --database sqlite:empty", 7, "no tables of ours"),
                (
                    "verify --database sqlite:text",
                    7,
                    "text: this is no database",
                ),
                (
                    "verify --database sqlite:folder",
                    7,
                    "folder: this is a folder",
                ),
                (
                    "verify --database postgres://nobody:secret@127.0.0.1:9/x",
                    7,
                    "postgres://nobody@127.0.0.1:9/x: error connecting to server: Connection \
                     refused (os error 111); is this its address",
                ),
                ("verify --at noon", 2, "2026-11-22T10:00:00+08:00"),
                ("verify --keys none.toml", 2, "none.toml"),
                ("verify --journal none.ndjson", 3, "no such file"),
                ("verify --channel-books none.json", 3, "no such file"),
                ("verify", 0, "0 violations"),
                ("migrate", 2, "--database"),
                ("migrate --database sqlite:none/a.db", 3, "make it first"),
                (
                    "migrate --database sqlite:text --plan",
                    7,
                    "text: this is no database",
                ),
                (
                    "migrate --database sqlite:jiaoyi.db --plan",
                    0,
                    "0 migrations missing",
                ),
                ("copy --from sqlite:jiaoyi.db", 2, "--to"),
                (
                    "copy --from sqlite:jiaoyi.db --to sqlite:./jiaoyi.db",
                    2,
                    "the same database",
                ),
                (
                    "copy --from sqlite:none.db --to sqlite:b.db",
                    7,
                    "there is no database",
                ),
                (
                    "copy --from sqlite:text --to sqlite:b.db",
                    7,
                    "text: this is no database",
                ),
                (
                    "copy --from sqlite:jiaoyi.db --to sqlite:none/b.db",
                    3,
                    "make it first",
                ),
                (
                    "copy --from sqlite:jiaoyi.db --to postgres://nobody:secret@127.0.0.1:9/x",
                    7,
                    "postgres://nobody@127.0.0.1:9/x: error connecting to server: ",
                ),
                (
                    "copy --from sqlite:jiaoyi.db --to sqlite:copy.db",
                    0,
                    "all of them equal",
                ),
                (
                    "copy --from sqlite:jiaoyi.db --to sqlite:copy.db",
                    5,
                    "holds data already",
                ),
                (
                    "copy --from sqlite:jiaoyi.db --to sqlite:copy.db --compare --json",
                    0,
                    "\"ok\":true",
                ),
                ("verify --database sqlite:copy.db", 0, "0 violations"),
                ("voucher verify text", 2, "--keys"),
                ("voucher verify --keys none.json text", 3, "no such file"),
                ("voucher verify --keys text text", 2, "/verify/keys"),
            ],
        )
    });
}

/// With other keys a known person would become a new one and could pay once more.
#[test]
fn a_key_file_of_another_database_is_refused() {
    with_folder("other-keys", |folder| {
        let made = run(folder, &["policy", "demo", "policies"])?;
        let words = ["policy", "import"].into_iter().chain(made.lines());
        run(folder, &words.collect::<Vec<_>>())?;
        let one = super::people::person(1, "990101");
        let people = std::iter::once(one);
        let (file, form) = ("one.csv", super::people::Form::Utf8);
        super::people::write_roster(&folder.join(file), form, people)?;
        run(folder, &["import", "roster", file])?;
        run(folder, &["keys", "new", "other.toml"])?;
        let config = std::fs::read_to_string(folder.join("jiaoyi.toml"))?;
        let config = config.replace("keys.toml", "other.toml");
        std::fs::write(folder.join("other-keys.toml"), config)?;
        let words = "other.toml: these are not the keys that the database was filled with";
        compare(
            folder,
            &[
                ("serve --config other-keys.toml", 5, words),
                ("import roster one.csv --config other-keys.toml", 5, words),
                ("doctor --config other-keys.toml", 1, words),
                ("import roster one.csv", 0, "nothing was changed"),
            ],
        )
    });
}
