//! Holds the tests that run the whole platform: `tests/it` drives it through its pages and the
//! sandbox, `browser` looks at the pages with a real browser, `witness` drives the sandbox with
//! other people's client libraries.
