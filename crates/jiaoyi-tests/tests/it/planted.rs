//! Bugs that can be planted are in no build that did not ask for them.

#[cfg(not(feature = "planted"))]
#[test]
fn the_program_has_no_trace_of_planted_bugs() {
    let program = crate::robust::process::program().expect("the program is built");
    let bytes = std::fs::read(program).expect("the program reads");
    let holds = |word: &str| {
        let mut texts = bytes.utf8_chunks();
        texts.any(|text| text.valid().contains(word))
    };
    assert!(holds("jiaoyi voucher"), "the search finds what is there");
    for word in ["JIAOYI_PLANTED", "ack-before-commit"] {
        assert!(!holds(word), "{word}");
    }
}
