//! What every scenario ends with: the proof over the database and the channels' own books.

use super::{MINUTE, World};
use jiaoyi_app::verify::{Given, Report, SignatureKeys, VerifyOptions, verify};
use jiaoyi_domain::audit::Event;
use jiaoyi_domain::books::Transfer;
use jiaoyi_domain::channel::{AttemptTerms, ChannelCode, CreateOutcome, Method};
use jiaoyi_domain::fact::Fact;
use jiaoyi_domain::messages::{Case, Inbox, Outbox};
use jiaoyi_domain::record::Record;
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::voucher::Voucher;
use jiaoyi_domain::{AttemptNo, Bucket, Fen, IdSource};

impl World {
    /// Verifies the database with every option; `settled` adds that nothing is left to be done.
    pub async fn report(&self, settled: bool) -> Report {
        self.platform.checkpoint().await.expect("chains are signed");
        let books = self.file("books.json");
        std::fs::write(&books, self.books().await.to_string()).expect("a file");
        let keyring = &self.platform.keyring;
        let vouchers = keyring.public_keys();
        let options = VerifyOptions {
            settled: settled.then(|| self.now()),
            signatures: Some(SignatureKeys {
                vouchers: &vouchers,
                audit: keyring.audit_public(),
            }),
            channel_books: Some(Given::File(books)),
            keyring: Some(keyring),
            ..VerifyOptions::default()
        };
        verify(&self.database(), &options, &mut |_, _| {}).expect("the database can be read")
    }

    /// Every rule holds now, also while things are under way.
    #[track_caller]
    pub fn holds(&self) -> impl Future<Output = ()> + '_ {
        let place = std::panic::Location::caller();
        async move {
            let report = self.report(false).await;
            assert!(report.ok(), "{place}: {:#?}", report.violations);
        }
    }

    /// A day passes, then every rule holds and nothing is left to be done; the end of a scenario.
    pub async fn settles(&mut self) {
        self.pass_a_day().await;
        let report = self.report(true).await;
        assert!(report.ok(), "{:#?}", report.violations);
        self.end().await;
    }
}

/// How many rows of each kind money and messages have.
pub type Rows = [usize; 8];

impl World {
    /// Counts the rows that a notice could write.
    pub async fn rows(&self) -> Rows {
        [
            self.count::<Inbox>().await,
            self.count::<Fact>().await,
            self.count::<Case>().await,
            self.count::<Transfer>().await,
            self.count::<Refund>().await,
            self.count::<Voucher>().await,
            self.count::<Event>().await,
            self.count::<Outbox>().await,
        ]
    }

    async fn count<R: Record>(&self) -> usize {
        let rows: Vec<R> = self.platform.store.all().await.expect("the store reads");
        rows.len()
    }

    /// Places an order at the channel under a number that is in no database of ours.
    pub async fn foreign_order(&self) -> AttemptNo {
        let no = AttemptNo::draw(Bucket::default(), &mut IdSource::new([9; 32], 0));
        let gateway = self.platform.gateway(ChannelCode::Wechat);
        let gateway = gateway.expect("the channel is set up");
        let now = self.now();
        let request = gateway.render(&AttemptTerms {
            no: no.clone(),
            method: Method::WechatH5,
            amount: Fen::new(100),
            description: "演示".to_owned(),
            started_at: now,
            expires_at: now.plus_ms(MINUTE * 10),
            notify_url: format!("{}/notify/wechat", self.portal),
            return_url: self.portal.clone(),
            payer_ip: "127.0.0.1".to_owned(),
            openid: None,
        });
        let nonce = "FOREIGN".repeat(4);
        let placed = gateway
            .create(Method::WechatH5, &no, &request, now, nonce)
            .await;
        assert!(matches!(placed, CreateOutcome::Ready(_)), "{placed:?}");
        no
    }
}
