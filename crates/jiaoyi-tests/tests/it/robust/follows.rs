//! What a running portal takes in without being started again: announcements and policies.

use super::browser::{Browser, client};
use super::installation::Installation;
use super::people::{Form, person};
use super::process::run;
use std::time::{Duration, Instant};

const NEWS: &str = r#"[[announcement]]
on = "2026-01-01"
title_zh = "第一条公告"
title_en = "The first announcement"
body_zh = "正文"
body_en = "Text"
"#;

async fn shown(browser: &Browser, path: &str, words: &str) -> bool {
    let mut browser = browser.clone();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        if browser.get(path).await.unwrap().text().contains(words) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_taken_in_by_a_running_portal() {
    let installation = Installation::new("follows", None).await.unwrap();
    let folder = installation.folder.clone();
    let config = folder.join("jiaoyi.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let named = format!("announcements = \"news.toml\"\n{text}");
    std::fs::write(&config, named).unwrap();
    std::fs::write(folder.join("news.toml"), NEWS).unwrap();
    let one = person(1, "990101");
    let people = std::iter::once(one.clone());
    installation
        .import("roster.csv", Form::Utf8, people.clone())
        .unwrap();
    let mut portal = installation.serve().unwrap();
    let mut browser = Browser::new(&client().unwrap(), &installation.portal);
    installation.answers(&mut portal, &browser).await.unwrap();

    assert!(shown(&browser, "/", "第一条公告").await);
    // What does not read leaves the last good one.
    std::fs::write(folder.join("news.toml"), "announcement = 3").unwrap();
    let doctor = run(&folder, &["doctor"]).unwrap_err();
    assert!(
        format!("{doctor:#}").contains("announcements"),
        "{doctor:#}"
    );
    assert!(shown(&browser, "/notices", "第一条公告").await);
    let second = NEWS.replace("第一条", "第二条");
    std::fs::write(folder.join("news.toml"), second).unwrap();
    assert!(shown(&browser, "/notices", "第二条公告").await);

    // The window closes while the bill is on the screen.
    let key = "00".repeat(16);
    let fields = one.form(&key);
    browser.post("/pay/person", &fields).await.unwrap();
    assert!(shown(&browser, "/pay/check", "/pay/method").await);
    let pack_of = |region: &str| {
        let packs = std::fs::read_dir(folder.join("policies")).unwrap();
        let mut packs = packs.map(|file| file.unwrap().path());
        let name = |path: &std::path::PathBuf| path.display().to_string().contains(region);
        packs.find(name).expect("a pack of the demo")
    };
    let closed = std::fs::read_to_string(pack_of("990300")).unwrap();
    std::fs::write(pack_of("990100"), closed.replace("990300", "990100")).unwrap();
    let pack = pack_of("990100").display().to_string();
    run(&folder, &["policy", "import", &pack]).unwrap();
    assert!(shown(&browser, "/pay/check", "缴费期到").await);
    portal.kill().unwrap();
    installation.remove().unwrap();
}
