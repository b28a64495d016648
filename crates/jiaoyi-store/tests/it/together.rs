//! Many who read at once are answered as one alone would be.

use crate::cluster::Cluster;
use futures_util::future::join_all;
use jiaoyi_domain::Instant;
use jiaoyi_domain::order::DeviceOrder;
use jiaoyi_domain::record::{Record, Value};
use jiaoyi_store::Store;
use tokio_postgres::NoTls;

const NOW: Instant = Instant(1_767_000_000_000);

/// Devices, each with as many orders as its number modulo five; the last is not there.
const DEVICES: u8 = 60;

const ROWS: &str = "
INSERT INTO device_order (bucket, device, order_bucket, order_id, added_at)
SELECT d % 7, decode(lpad(to_hex(d), 64, '0'), 'hex'), 9 - o, decode(lpad(to_hex(o), 32, '0'), 'hex'), d
FROM generate_series(0, 59) AS d, generate_series(1, 4) AS o
WHERE o <= d % 5;
INSERT INTO document (bucket, doc_hmac, person_bucket, person_id, kind, number_sealed, added_at)
SELECT d % 3, decode(lpad(to_hex(d * 16), 64, '0'), 'hex'), d, '\\x01', 'id_card', '\\x02', 1
FROM generate_series(0, 59) AS d";

fn bytes(number: u8, length: usize) -> Value {
    let mut bytes = vec![0; length];
    bytes[length - 1] = number;
    Value::Bytes(bytes)
}

/// What a device's orders are, as the rows above say.
fn orders(device: u8) -> Vec<(i64, Vec<u8>)> {
    let count = if device < DEVICES { device % 5 } else { 0 };
    // In the order of their keys: the buckets fall as the numbers rise.
    let order = |number: u8| match bytes(number, 16) {
        Value::Bytes(id) => (i64::from(9 - number), id),
        other => panic!("{other:?}"),
    };
    (1..=count).rev().map(order).collect()
}

async fn filled() -> Store {
    let name = Cluster::get().database();
    let database = Cluster::get().url(&name, &name).parse().unwrap();
    let store = Store::open(&database, [8; 16], NOW).unwrap();
    let url = Cluster::get().superuser(&name);
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(ROWS).await.unwrap();
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn each_who_reads_gets_his_rows_in_their_order() {
    let store = filled().await;
    // Several ask for the same, one for what is not there.
    let devices: Vec<u8> = (0..=DEVICES).chain(0..20).chain(10..15).collect();
    let lists = devices.iter().map(|device| {
        let given = [Value::Int(i64::from(device % 7)), bytes(*device, 32)];
        let store = &store;
        async move {
            store
                .range::<DeviceOrder>("by_device", &given)
                .await
                .unwrap()
        }
    });
    let nearest = devices.iter().map(|device| {
        // Just above the one of this number: found is the next of its bucket.
        let mut hash = vec![0; 32];
        hash[30..].copy_from_slice(&(u16::from(*device) * 16 + 1).to_be_bytes());
        let given = [Value::Int(i64::from(device % 3)), Value::Bytes(hash)];
        let store = &store;
        async move { store.query("nearest_document", &given).await.unwrap() }
    });
    let (lists, nearest) = tokio::join!(join_all(lists), join_all(nearest));
    for (place, device) in devices.iter().enumerate() {
        let found = lists[place].iter().map(Record::values);
        let found: Vec<(i64, Vec<u8>)> = found
            .map(|row| match (&row[1], &row[2], &row[3]) {
                (of, Value::Int(bucket), Value::Bytes(id)) if *of == bytes(*device, 32) => {
                    (*bucket, id.clone())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(found, orders(*device), "device {device}");

        let next = i64::from(*device) + 3;
        let (of_bucket, last) = (i64::from(*device % 3), next >= i64::from(DEVICES));
        let found = nearest[place]
            .first()
            .map(|row| (row[0].clone(), row[2].clone()));
        let expected = match (last, of_bucket) {
            (false, _) => Some((Value::Int(of_bucket), Value::Int(next))),
            // The first of the bucket after it; none after the last bucket.
            (true, 2) => None,
            (true, bucket) => Some((Value::Int(bucket + 1), Value::Int(bucket + 1))),
        };
        assert_eq!(found, expected, "device {device}");
    }
}

/// Whoever goes away while he waits takes nobody's answer with him.
#[tokio::test(flavor = "multi_thread")]
async fn who_goes_away_leaves_the_others_their_answers() {
    let store = filled().await;
    for round in 0..30_u8 {
        let asks = |device: u8| {
            let store = store.clone();
            tokio::spawn(async move {
                let given = [Value::Int(i64::from(device % 7)), bytes(device, 32)];
                store
                    .range::<DeviceOrder>("by_device", &given)
                    .await
                    .unwrap()
                    .len()
            })
        };
        let waiting: Vec<_> = (0..DEVICES).map(asks).collect();
        for (device, asked) in (0..DEVICES).zip(waiting) {
            if device % 3 == round % 3 {
                asked.abort();
            } else {
                assert_eq!(asked.await.unwrap(), orders(device).len());
            }
        }
    }
}
