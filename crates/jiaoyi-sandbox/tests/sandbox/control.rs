//! The control interface and the configuration.

use jiaoyi_sandbox::{SandboxConfig, SandboxError};
use serde_json::json;

use crate::wechat::{place, query, state};
use crate::world::{World, identities, unique};

#[tokio::test]
async fn books_list_every_transaction_and_reset_empties_them() {
    let world = World::start().await;
    let (paid, _) = place(&world, "native").await;
    let (open, _) = place(&world, "h5").await;
    let played = world.play("wechat", &paid).await.json();
    let entry = world.entry(&paid).await;
    assert_eq!(entry["transaction_id"], played["transaction_id"]);
    assert_eq!(
        (&entry["state"], &entry["amount_fen"], &entry["channel"]),
        (&json!("paid"), &json!(40000), &json!("wechat"))
    );
    assert_eq!(entry["paid_at_ms"], world.now_ms());
    assert_eq!(entry["notices"][0]["accepted"], true);
    assert_eq!(world.entry(&open).await["state"], "open");
    world.shift(10).await;
    assert_eq!(world.post("/_sandbox/reset", json!({})).await.status, 200);
    let books = world.get("/_sandbox/books").await.json();
    assert_eq!(
        (&books["transactions"], &books["now_ms"]),
        (&json!([]), &json!(crate::world::NOW_MS))
    );
    world.end().await;
}

#[tokio::test]
async fn wrong_commands_are_refused_and_faults_can_be_taken_back() {
    let world = World::start().await;
    for (path, body) in [
        ("pay", json!({ "channel": "bank", "out_trade_no": "X" })),
        (
            "pay",
            json!({ "channel": "wechat", "out_trade_no": "X", "extra": 1 }),
        ),
        (
            "fault",
            json!({ "channel": "wechat", "out_trade_no": "*", "at": "lunch", "do": "lose" }),
        ),
        (
            "fault",
            json!({ "channel": "wechat", "out_trade_no": "*", "at": "query", "do": "lose", "times": 0 }),
        ),
        ("clock", json!({ "offset": 1 })),
    ] {
        let told = world.post(&format!("/_sandbox/{path}"), body.clone()).await;
        assert_eq!(
            (told.status, told.code().as_str()),
            (400, "control.body"),
            "{path} {body}"
        );
    }
    let (number, _) = place(&world, "native").await;
    let mut script = json!({ "channel": "wechat", "out_trade_no": "*", "at": "query", "do": "error_before", "times": 3 });
    script["code"] = json!("FREQUENCY_LIMITED");
    let id = world.fault(script).await;
    let told = query(&world, &number).await;
    assert_eq!(
        (told.status, told.code().as_str()),
        (429, "FREQUENCY_LIMITED")
    );
    let path = format!("{}/_sandbox/fault/{id}", world.base);
    assert_eq!(world.send(world.http.delete(&path)).await.status, 200);
    assert_eq!(world.send(world.http.delete(&path)).await.status, 404);
    assert_eq!(state(&world, &number).await, "NOTPAY");
    world.end().await;
}

#[test]
fn a_wrong_configuration_is_told_by_file_and_key() {
    let proper = std::fs::read_to_string(identities().join("sandbox.toml")).unwrap();
    let load = |text: String| {
        let path = identities().join(format!("{}.toml", unique("bad")));
        std::fs::write(&path, text).unwrap();
        SandboxConfig::load(&path)
    };
    assert!(load(proper.clone()).is_ok());
    let unknown = load(proper.replace("seller_id", "seler_id")).unwrap_err();
    assert_eq!(unknown.code(), "sandbox.config");
    let text = unknown.to_string();
    assert!(
        text.contains("seler_id") && text.contains("seller_id"),
        "{text}"
    );
    for (from, to, key) in [
        ("apiv3_key = \"", "apiv3_key = \"x", "wechat.apiv3_key"),
        (
            "merchant_serial = \"5",
            "merchant_serial = \"6",
            "wechat.merchant_serial",
        ),
        ("PUB_KEY_ID_", "KEY_ID_", "wechat.public_key_id"),
        (
            "platform_cert = \"wechat_platform_cert.pem\"",
            "platform_cert = \"alipay_cert.pem\"",
            "wechat.platform_cert",
        ),
        ("alipay_cert = \"alipay_cert.pem\"", "", "alipay.app_cert"),
        (
            "next_cert = \"unionpay_next_cert.pem\"",
            "",
            "unionpay.next_key",
        ),
        (
            "next_cert = \"unionpay_next_cert.pem\"",
            "next_cert = \"unionpay_cert.pem\"",
            "unionpay.next_cert",
        ),
        (
            "platform_key = \"wechat_platform_key.pem\"",
            "platform_key = \"wechat_platform_cert.pem\"",
            "wechat.platform_key",
        ),
    ] {
        match load(proper.replace(from, to)) {
            Err(SandboxError::Setting { key: told, .. }) => assert_eq!(told, key),
            other => panic!("{from} -> {to}: {other:?}"),
        }
    }
    assert!(matches!(
        load(proper.replace("wechat_platform_key.pem", "nowhere.pem")),
        Err(SandboxError::Read { .. })
    ));
}

/// What the identities cannot express is refused, with the line and what is missing.
#[test]
fn a_change_of_keys_needs_a_second_key() {
    let proper = std::fs::read_to_string(identities().join("sandbox.toml")).unwrap();
    let faults = |channel: &str, leave_out: &[&str]| {
        let mut kept = proper.lines().collect::<Vec<_>>();
        kept.retain(|line| leave_out.iter().all(|name| !line.starts_with(name)));
        let [config, script] = [unique("own"), unique("faults")];
        let path = |name: String| identities().join(format!("{name}.toml"));
        let (config, script) = (path(config), path(script));
        std::fs::write(&config, kept.join("\n")).unwrap();
        let text = format!("[[rule]]\nchannel = \"{channel}\"\ndo = \"rotate_key\"\n");
        std::fs::write(&script, text).unwrap();
        let mut config = SandboxConfig::load(&config).unwrap();
        config
            .load_faults(&script)
            .map_err(|error| error.to_string())
    };
    assert_eq!(faults("unionpay", &[]), Ok(()));
    assert_eq!(faults("alipay", &[]), Ok(()));
    let told = faults("unionpay", &["next_"]).unwrap_err();
    assert!(
        told.contains("line 1, rule 1") && told.contains("next_key"),
        "{told}"
    );
    let told = faults("alipay", &["app_cert", "alipay_cert", "alipay_root_cert"]).unwrap_err();
    assert!(told.contains("without certificates"), "{told}");
}
