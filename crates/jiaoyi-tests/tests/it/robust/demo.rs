//! The demo as a program: one in a folder, and payers who come at once.

use super::installation::first_line;
use super::process::{Around, Running, command};
use std::process::Stdio;

/// Payers at once; each begins with the same unpaid person.
const PAYERS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payers_of_a_demo_do_not_disturb_each_other() {
    let folder = std::env::temp_dir().join(format!("jiaoyi-demo-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let start = ["demo", "--port", "0", "--json", "--data", "data"];
    let arguments = [start.as_slice(), &["--no-budgets"]].concat();
    let mut demo = Running::start(&folder, "demo", &arguments, &Around::default()).unwrap();
    let told = first_line(&folder.join("demo.stdout"), &mut demo).await;
    let told: serde_json::Value = serde_json::from_str(&told.unwrap()).unwrap();
    let portal = told["portal"].as_str().unwrap();

    // A second one would have channels of its own, which know nothing of this one's payments.
    let second = command(&start).unwrap().current_dir(&folder).output();
    let second = second.unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(7), "{said}");
    assert!(
        said.contains("data: a demo is running") && said.contains("--data"),
        "{said}"
    );

    let pay = ["demo", "pay", "--base-url", portal, "--json"];
    let payers: Vec<_> = (0..PAYERS)
        .map(|_| {
            let mut payer = command(&pay).unwrap();
            payer.stdout(Stdio::piped()).stderr(Stdio::piped());
            payer.spawn().unwrap()
        })
        .collect();
    let mut orders = std::collections::BTreeSet::new();
    for payer in payers {
        let output = payer.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        orders.insert(told["order"].as_str().unwrap().to_owned());
    }
    assert_eq!(orders.len(), PAYERS);
    demo.kill().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}
