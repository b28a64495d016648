//! Texts that somebody has read and accepted: `scenes/`.

/// Compares a text with the accepted one, line by line; with `JIAOYI_TEST_ACCEPT=1` accepts it.
pub fn accepted(name: &str, text: &str) {
    let path = format!("{}/scenes/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("JIAOYI_TEST_ACCEPT").is_some() {
        std::fs::write(&path, text).expect("the scene is written");
    }
    let wanted = std::fs::read_to_string(&path).expect("the scene is there");
    let mut lines = wanted.lines();
    for (number, line) in (1..).zip(text.lines()) {
        assert_eq!(Some(line), lines.next(), "{path}:{number}");
    }
    assert_eq!(lines.next(), None, "{path} goes on");
}
