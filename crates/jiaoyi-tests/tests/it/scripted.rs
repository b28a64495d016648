//! A day on which much goes wrong at the channels, by a script: at its end our books hold what
//! theirs do, movement by movement, and nothing is left open.

use crate::bills::{Movement, code_of, facts, known};
use crate::harness::{Channel, MINUTE, Payer, SECOND, World};
use jiaoyi_domain::Fen;
use jiaoyi_domain::fact::FactKind;
use serde_json::Value;

const SCRIPT: &str = r#"
seed = 7

[[rule]]
name = "lost"
at = "notify"
do = "lose"
every = 3

[[rule]]
name = "twice"
at = "notify"
do = "duplicate"
percent = 40

[[rule]]
name = "out of order"
at = "notify"
do = "reorder"
every = 4

[[rule]]
name = "unsure"
at = "query"
do = "error_before"
percent = 15

[[rule]]
name = "broken off"
at = "query"
do = "lose"
percent = 15

[[rule]]
name = "altered"
at = "query"
do = "corrupt"
percent = 15

[[rule]]
name = "given back in silence"
at = "refund"
do = "error_after"
every = 2

[[rule]]
name = "closed in silence"
at = "close"
do = "lose"
every = 2

[[rule]]
name = "a new key"
channel = "wechat"
do = "rotate_key"
from = "+3h"
until = "+6h"
"#;

/// What a channel's own books say moved, as [`known`] writes it of ours.
fn moved(ledger: &[Value], channel: Channel) -> Vec<Movement> {
    let own = ledger
        .iter()
        .filter(|line| line["channel"] == channel.code());
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let mut moved: Vec<Movement> = own
        .filter_map(|line| {
            let amount = Fen::new(line["amount_fen"].as_u64().expect("fen"));
            match line["kind"].as_str().expect("a kind") {
                "payment" => {
                    let at = line["at_ms"].as_i64().expect("a time") / 1_000 * 1_000;
                    let (no, id) = (text(line, "our_no"), text(line, "channel_no"));
                    Some((FactKind::Success, id, amount, no, at))
                }
                "refund" => {
                    assert_eq!(line["state"], "success", "{line}");
                    let no = text(line, "our_no");
                    Some((FactKind::Refund, no, amount, String::new(), 0))
                }
                _ => None,
            }
        })
        .collect();
    moved.sort();
    moved
}

#[tokio::test(flavor = "multi_thread")]
async fn a_troubled_day_ends_with_equal_books() {
    let mut world = World::new().await;
    world.trouble(SCRIPT).await;
    let people = world.people.clone();
    for (pair, channel) in people.chunks(2).zip(Channel::ALL) {
        let [first, second] = pair else {
            panic!("there are ten");
        };
        // One pays; for the other two pay, and one of the payments has to go back.
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, first, channel).await;
        payer.press(&wallet, "pay").await;
        let mut older = Payer::new(&world);
        let old = older.walk_to_wallet(&world, second, channel).await;
        world.turn(4 * MINUTE);
        let mut newer = Payer::new(&world);
        let new = newer.walk_to_wallet(&world, second, channel).await;
        newer.press(&new, "pay").await;
        older.press(&old, "pay").await;
        world.pass(20 * SECOND).await;
    }
    for _ in 0..2 {
        world.pass_a_day().await;
    }
    for (name, count) in world.struck().await {
        assert!(count > 0, "{name} never struck");
    }
    for person in people.iter().take(2 * Channel::ALL.len()) {
        assert!(world.is_paid(person).await, "{}", person.name);
    }
    let ledger = world.ledger().await;
    for channel in Channel::ALL {
        let theirs = moved(&ledger, channel);
        let ours = known(&facts(&world, code_of(channel)).await);
        assert_eq!(theirs, ours, "{channel:?}");
        let refunds = theirs.iter().filter(|line| line.0 == FactKind::Refund);
        assert_eq!(
            (theirs.len(), refunds.count()),
            (4, 1),
            "{channel:?}: {theirs:?}"
        );
    }
    world.settles().await;
}
