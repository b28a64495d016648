//! Scenarios over the whole platform: real pages over real sockets, the sandbox as the channels, a
//! database (an embedded one unless `JIAOYI_TEST_ENGINE` says otherwise), one test clock. Each ends
//! with `verify`.

mod banks;
mod beside;
mod biller;
mod bills;
mod calendars;
mod calls;
#[path = "../../../jiaoyi-store/tests/it/cluster.rs"]
mod cluster;
mod copies;
mod front_ends;
mod guessing;
mod harness;
mod locks;
mod notices;
mod pay;
mod planted;
mod points;
mod poisoned;
mod proofs;
mod races;
mod restarts;
mod robust;
mod rosters;
mod scripted;
mod sim;
mod statuses;
mod surplus;
mod transfers;
mod troubled;
mod unionpay;
mod ways;
mod windows;
