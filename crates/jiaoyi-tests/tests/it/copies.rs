//! An installation moves from its file to PostgreSQL and back, with everything that was paid.

use crate::harness::{Channel, MINUTE, Payer, World, fresh_server_database};
use jiaoyi_domain::Instant;
use jiaoyi_store::Database;
use jiaoyi_store::copy::{Copied, copy};

/// Copies while nothing runs.
async fn copied(from: &Database, to: &Database, now: Instant) -> Copied {
    let (from, to) = (from.clone(), to.clone());
    let done = tokio::task::spawn_blocking(move || copy(&from, &to, now, &mut |_| {})).await;
    done.expect("it ends").expect("it is copied")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_moves_there_and_back() {
    let mut world = World::new().await;
    let people = world.people.clone();
    for (channel, person) in Channel::BOTH.into_iter().zip(&people) {
        let mut payer = Payer::new(&world);
        payer.pay(&world, person, channel).await.is("order.paid");
    }
    // One pays twice: a surplus and its refund move as well, and one payment is under way.
    let mut payer = Payer::new(&world);
    let wallet = payer
        .walk_to_wallet(&world, &people[2], Channel::Wechat)
        .await;
    world.turn(4 * MINUTE);
    let mut family = Payer::new(&world);
    family
        .pay(&world, &people[2], Channel::Alipay)
        .await
        .is("order.paid");
    payer.press(&wallet, "pay").await;
    let waiting = payer
        .walk_to_wallet(&world, &people[3], Channel::Wechat)
        .await;
    world.holds().await;

    world.stop().await;
    let (file, server) = (world.database(), fresh_server_database());
    let server: Database = server.parse().expect("a database");
    let there = copied(&file, &server, world.now()).await;
    assert!(there.is_equal(), "{there:#?}");
    let back = format!("sqlite:{}", world.file("back.db").display());
    let back: Database = back.parse().expect("a database");
    let back = copied(&server, &back, world.now()).await;
    assert!(back.is_equal(), "{back:#?}");
    for (out, home) in there.tables.iter().zip(&back.tables) {
        assert_eq!(out.source, home.target, "{}", out.table);
    }
    let facts = there.tables.iter().find(|table| table.table == "fact");
    assert_eq!(facts.map(|table| table.target.rows), Some(4));

    let Database::Postgres(url) = &server else {
        panic!("{server}: no server");
    };
    world.move_to(url).await;
    world.holds().await;
    payer.press(&waiting, "pay").await;
    payer.order(&waiting.order).await.is("order.paid");
    let mut another = Payer::new(&world);
    another
        .pay(&world, &people[4], Channel::Alipay)
        .await
        .is("order.paid");
    assert!(world.is_paid(&people[0]).await);
    world.settles().await;
}
