//! What no channel gives back is paid by staff, by bank transfer: the books, the page and `verify`
//! hear of it, and the channel's bill stays as true as it was.

use crate::harness::{Channel, HOUR, Payer, SECOND, Wallet, World};
use crate::robust::process;
use crate::surplus::paid_twice;
use crate::ways::{messages, with_phone};
use jiaoyi_app::channel_bills::{BillReport, FetchedBill};
use jiaoyi_domain::bank_transfer::Paid;
use jiaoyi_domain::bill::BillSort;
use jiaoyi_domain::books::{Transfer, TransferKind};
use jiaoyi_domain::channel::{ChannelCode, channel_day};
use jiaoyi_domain::decide::{Answer, RecordTransfer};
use jiaoyi_domain::messages::{Case, CaseState};
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::{Date, Instant};
use serde_json::{Value, json};

/// The payer's account takes nothing: the refund is for staff.
async fn for_staff(world: &World) -> (Payer, Wallet, Refund) {
    let more = json!({ "code": "ABNORMAL" });
    world
        .fault(Channel::Wechat, "refund", "contradict", more)
        .await;
    let (mut payer, wallet) = paid_twice(world, Channel::Wechat, Channel::Alipay).await;
    world.work().await;
    world.pass(3 * SECOND).await;
    world.pass(30 * SECOND).await;
    payer.order(&wallet.order).await.is("order.refund_manual");
    let refund = world.refunds().await.remove(0);
    (payer, wallet, refund)
}

async fn transfer(world: &World, refund: &Refund, paid_on: Date) -> Answer {
    let command = RecordTransfer {
        refund_no: refund.refund_no.clone(),
        paid: Paid::new("ICBC-1", paid_on, Some("0042"), "w1024").expect("it can be kept"),
    };
    world.platform.submit(command).await.expect("it is taken")
}

async fn bill(world: &World, day: Date) -> BillReport {
    let (channel, sort) = (ChannelCode::Wechat, BillSort::Trade);
    let kept = match world.platform.fetch_bill(channel, sort, day).await {
        Ok(FetchedBill::Now(kept)) => kept,
        other => panic!("no bill: {other:?}"),
    };
    world
        .platform
        .compare_bill(&kept, 9)
        .expect("it is compared")
}

/// The window at the channel is over, staff pay, and everybody hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_for_the_channel_is_paid_by_transfer() {
    let mut world = World::new().await;
    world.people[0] = with_phone(&world).await;
    let times = json!({ "times": 10_000 });
    let short = world
        .fault(Channel::Wechat, "refund", "contradict", times)
        .await;
    let (mut payer, wallet) = paid_twice(&world, Channel::Wechat, Channel::Alipay).await;
    world.work().await;
    world.pass(365 * 24 * HOUR + HOUR).await;
    world.pass(2 * HOUR).await;
    world.mend(short).await;
    let waiting = world.platform.refunds_for_staff().await.expect("it reads");
    let [only] = waiting.as_slice() else {
        panic!("{waiting:?}")
    };
    let refund = world.refunds().await.remove(0);
    assert_eq!(only.refund_no, refund.refund_no);
    assert_eq!(only.why, "refund_window_over");
    assert_eq!(only.amount, refund.amount);
    assert!(only.since > refund.created_at.plus_ms(365 * 24 * HOUR));

    let today = world.now().date();
    assert_eq!(transfer(&world, &refund, today).await, Answer::Done);
    assert_eq!(transfer(&world, &refund, today).await, Answer::Already);
    let left = world.platform.refunds_for_staff().await;
    assert_eq!(left.expect("it reads"), []);
    world.pass(3 * SECOND).await;
    let order = payer.order(&wallet.order).await;
    order.is("order.refunded").says("由银行转账退给您");
    order.says("0042");
    let told = messages(&world).await;
    let texts: Vec<String> = told.iter().map(ToString::to_string).collect();
    let by_bank = texts
        .iter()
        .filter(|text| text.contains("已由银行转账退还"));
    assert_eq!(by_bank.count(), 1, "{texts:?}");
    let cases: Vec<Case> = world.platform.store.all().await.expect("it reads");
    assert!(cases.iter().all(|case| case.state == CaseState::Closed));
    let rows: Vec<Transfer> = world.platform.store.all().await.expect("it reads");
    let paid: Vec<&Transfer> = rows
        .iter()
        .filter(|row| row.kind == TransferKind::BankTransfer)
        .collect();
    assert_eq!(paid.len(), 1);
    assert_eq!(paid[0].debit, "refund_payable:wechat");
    assert_eq!(paid[0].credit, format!("bank_transfer:{today}"));
    assert_eq!(world.trade(&wallet).await["refunded_fen"], json!(0));
    world.settles().await;
}

/// Sent to the channel and paid by staff on one day: the bill of that day does not know it, and that
/// is no difference.
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_none_of_the_channels_business() {
    let mut world = World::new().await;
    let (_, _, refund) = for_staff(&world).await;
    let today = world.now().date();
    assert_eq!(transfer(&world, &refund, today).await, Answer::Done);
    world.pass_a_day().await;
    let report = bill(&world, channel_day(refund.channel, refund.created_at)).await;
    assert_eq!(
        (report.differences, report.ours.refunds),
        (0, 0),
        "{report:?}"
    );
    world.settles().await;
}

/// The officer's own way: the program beside the portal that runs.
#[tokio::test(flavor = "multi_thread")]
async fn an_officer_records_it_while_the_portal_runs() {
    let mut world = World::new().await;
    let (mut payer, wallet, refund) = for_staff(&world).await;
    let folder = world.file("");
    let channels = crate::harness::identities().join("channels.toml");
    let config = format!(
        "database_url = \"{}\"\npublic_url = \"{}\"\nissuer = \"演示\"\nkeys = \"keys.toml\"\n\
         channels = \"{}\"\ndemo = true\n",
        std::fs::read_to_string(world.file("database.txt")).expect("it is named"),
        world.portal,
        channels.display()
    );
    std::fs::write(folder.join("jiaoyi.toml"), config).expect("a file");
    let number = refund.refund_no.as_str();
    let paid_on = refund.created_at.date().to_string();
    let run = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = process::command(&words).expect("the program");
        let output = command.current_dir(&folder).output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), told, said)
    };
    let (code, told, said) = run("refund list");
    assert_eq!(code, Some(0), "{said}");
    assert!(told.starts_with(&format!("{number}\tJO")), "{told}");
    assert!(told.contains("\twechat\t400.00\t"), "{told}");
    let right = format!("refund transferred {number} --reference ICBC-1 --by w1024 --json");
    for (line, code, words) in [
        (
            format!("{right} --paid-on 2020-01-01"),
            2,
            "the day on the bank's statement",
        ),
        (
            format!("{right} --paid-on 2999-01-01"),
            2,
            "the day on the bank's statement",
        ),
        (
            format!("{right} --paid-on {paid_on} --account-tail 62220"),
            2,
            "last 4 digits",
        ),
        (
            right.replace("ICBC-1", "13800138000") + " --paid-on " + &paid_on,
            2,
            "nothing of the payer",
        ),
        (
            right.replace(number, "JR1") + " --paid-on " + &paid_on,
            2,
            "no refund number",
        ),
    ] {
        let (found, _, said) = run(&line);
        assert_eq!(found, Some(code), "{line}: {said}");
        assert!(said.contains(words), "{line}: {said}");
    }
    let right = format!("{right} --paid-on {paid_on}");
    let (code, told, said) = run(&right);
    assert_eq!(code, Some(0), "{said}");
    let recorded: Value = serde_json::from_str(&told).expect("one line of JSON");
    assert_eq!(recorded["reference"], "ICBC-1");
    assert_eq!(recorded["amount_fen"], refund.amount.get());
    assert_eq!(
        run(&right),
        (
            Some(0),
            told,
            said.replace("已登记 recorded", "早已登记 recorded before")
        )
    );
    let (code, _, said) = run(&right.replace("ICBC-1", "ICBC-2"));
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("under ICBC-1"), "{said}");
    let (code, told, _) = run("refund list --json");
    assert_eq!((code, &*told), (Some(0), "[]\n"));
    // The program's clock is the machine's.
    let at = recorded["recorded_at"].as_str().and_then(Instant::parse);
    let at = at.expect("a time").plus_ms(SECOND);
    world.turn(at.since_ms(world.now()).max(0));
    world.pass(3 * SECOND).await;
    let order = payer.order(&wallet.order).await;
    order.is("order.refunded").says("由银行转账退给您");
    world.settles().await;
}
