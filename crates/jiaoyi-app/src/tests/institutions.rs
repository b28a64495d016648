//! What staff do for institutions, and what institutions do for themselves through a link.

use super::desk::*;
use crate::biller::access::{
    AccessAction, AccessAnswer, AccessProblem, AccessView, Acted, OwnAction,
};
use crate::limits::Budgets;
use crate::verify::tests::institutions::institution;
use crate::verify::tests::world::counted;
use jiaoyi_crypto::calls::{CallScheme, CallSigner};
use jiaoyi_domain::Instant;
use jiaoyi_domain::decide::PutInstitution;
use jiaoyi_domain::institution::KeyScheme;
use jiaoyi_domain::time::DAY_MS;

#[tokio::test]
async fn links_are_listed_of_one_institution_while_they_open() {
    let desk = Desk::new("access", Budgets::default()).await;
    for inst_id in ["BANK01", "BANK02"] {
        let put = PutInstitution {
            institution: institution(inst_id, START),
            change: false,
        };
        desk.platform.submit(put).await.unwrap();
    }
    for (inst_id, days) in [("BANK01", 1), ("BANK01", 2), ("BANK02", 1)] {
        let link = desk.platform.make_access_link(inst_id, days).await;
        let link = link.unwrap();
        assert!(
            link.starts_with("https://pay.example.gov.cn/access/"),
            "{link}"
        );
    }
    for (after_ms, one, two) in [(0, 2, 1), (DAY_MS - 1, 2, 1), (1, 1, 0), (DAY_MS, 0, 0)] {
        desk.turn(after_ms);
        for (inst_id, count) in [("BANK01", one), ("BANK02", two), ("BANK03", 0)] {
            let links = desk.platform.access_links(inst_id).await.unwrap();
            assert!(links.iter().all(|link| link.inst_id == inst_id));
            assert_eq!(links.len(), count, "{inst_id} after {after_ms} more");
        }
    }
}

/// Two institutions, the second of them with real money, and a link for each; its token.
async fn two_links(name: &str) -> (Desk, [String; 2]) {
    let desk = Desk::new(name, Budgets::default()).await;
    let mut tokens = Vec::new();
    for (inst_id, live) in [("BANK01", false), ("BANK02", true)] {
        let mut institution = institution(inst_id, START);
        institution.live = live;
        institution.webhook = String::new();
        let put = PutInstitution {
            institution,
            change: false,
        };
        desk.platform.submit(put).await.unwrap();
        tokens.push(desk.link(inst_id).await);
    }
    (desk, tokens.try_into().unwrap())
}

impl Desk {
    /// The token of a new link for an institution.
    pub async fn link(&self, inst_id: &str) -> String {
        let link = self.platform.make_access_link(inst_id, 30).await.unwrap();
        let (_, token) = link.rsplit_once('/').unwrap();
        token.to_owned()
    }

    async fn shows(&self, device: u8, token: &str) -> AccessAnswer {
        let shown = self.platform.access_shown(&visitor(device), token).await;
        shown.unwrap()
    }

    pub async fn opens(&self, device: u8, token: &str) -> Acted {
        let (who, open) = (visitor(device), AccessAction::Open);
        let acted = self.platform.access_acted(&who, token, open).await;
        acted.unwrap()
    }

    async fn does(&self, device: u8, token: &str, action: OwnAction) -> Acted {
        let (who, action) = (visitor(device), AccessAction::Own(action));
        let acted = self.platform.access_acted(&who, token, action).await;
        acted.unwrap()
    }

    async fn hands_in(&self, token: &str, key_id: &str, pem: &str, from: &str) -> Acted {
        let action = OwnAction::AddKey {
            key_id: key_id.to_owned(),
            pem: pem.to_owned(),
            from: from.to_owned(),
        };
        self.does(1, token, action).await
    }

    /// What the holder of a link sees of himself.
    pub async fn view(&self, token: &str) -> AccessView {
        match self.shows(1, token).await {
            AccessAnswer::Open(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    /// The ids of the keys that are shown.
    async fn keys(&self, token: &str) -> Vec<String> {
        let keys = self.view(token).await.keys;
        keys.into_iter().map(|view| view.key.key_id).collect()
    }
}

fn public_pem(seed: u8) -> String {
    let drawn = CallSigner::draw(CallScheme::Sm2, &mut counted(seed));
    drawn.unwrap().public_pem()
}

fn problem(acted: &Acted) -> &AccessProblem {
    match acted {
        Acted::Refused(problem) => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_link_opens_where_it_was_opened_first() {
    let (desk, [token, _]) = two_links("link").await;
    let revoke = || OwnAction::RevokeKey {
        key_id: "k1".to_owned(),
    };
    assert!(matches!(desk.shows(1, &token).await, AccessAnswer::Ask { name } if name == "bank"));
    let early = desk.does(1, &token, revoke()).await;
    assert!(matches!(early, Acted::Shut), "nobody holds it: {early:?}");
    assert!(matches!(desk.opens(1, &token).await, Acted::Done));
    let view = desk.view(&token).await;
    assert_eq!(view.institution.inst_id, "BANK01");
    assert_eq!((view.now, view.until), (START, START.plus_ms(30 * DAY_MS)));
    assert!(matches!(
        desk.shows(2, &token).await,
        AccessAnswer::Elsewhere
    ));
    assert!(matches!(desk.opens(2, &token).await, Acted::Shut));
    assert!(matches!(desk.does(2, &token, revoke()).await, Acted::Shut));
    let own = desk.does(1, &token, revoke()).await;
    assert_eq!(problem(&own), &AccessProblem::NoKey);
    let strange = ["", "abc", &token[1..]];
    for token in strange {
        assert!(matches!(desk.shows(1, token).await, AccessAnswer::Gone));
        assert!(matches!(desk.opens(1, token).await, Acted::Shut));
    }
    desk.turn(30 * DAY_MS - 1);
    assert!(matches!(desk.shows(1, &token).await, AccessAnswer::Open(_)));
    desk.turn(1);
    assert!(matches!(desk.shows(1, &token).await, AccessAnswer::Gone));
    assert!(matches!(desk.does(1, &token, revoke()).await, Acted::Shut));
}

#[tokio::test]
async fn keys_are_handed_in_and_ended() {
    let (desk, [token, live]) = two_links("keys").await;
    desk.opens(1, &token).await;
    desk.opens(1, &live).await;
    let long = "k".repeat(31);
    let pem = public_pem(1);
    let secret = pem.replace("PUBLIC KEY", "PRIVATE KEY");
    for (key_id, pem, from, refused) in [
        ("", pem.as_str(), "", AccessProblem::KeyId),
        (&long, &pem, "", AccessProblem::KeyId),
        ("k1", &secret, "", AccessProblem::PrivateKey),
        ("k1", "abc", "", AccessProblem::Key),
        ("k1", &pem, "2026-11-17", AccessProblem::From),
        ("k1", &pem, "tomorrow", AccessProblem::From),
    ] {
        let acted = desk.hands_in(&token, key_id, pem, from).await;
        assert_eq!(problem(&acted), &refused, "{key_id} {from}");
    }
    let scheme = |inst_id: &str| desk.platform.desk.scheme_of(inst_id, desk.platform.now());
    assert_eq!(scheme("BANK01"), KeyScheme::Rsa, "there is none yet");
    let acted = desk.hands_in(&token, "k1", &pem, "2026-11-18").await;
    assert!(matches!(acted, Acted::Done), "{acted:?}");
    assert_eq!(scheme("BANK01"), KeyScheme::Sm2, "known at once");
    assert_eq!(
        scheme("BANK02"),
        KeyScheme::Rsa,
        "of the other there is none"
    );
    let again = desk.hands_in(&token, "k1", &public_pem(2), "").await;
    assert_eq!(problem(&again), &AccessProblem::KeyIdUsed);
    // The very key of somebody else is refused while it holds.
    let theirs = desk.hands_in(&live, "k1", &pem, "").await;
    assert_eq!(problem(&theirs), &AccessProblem::KeyOfAnother);
    let own = desk.hands_in(&live, "k1", &public_pem(3), "").await;
    assert!(
        matches!(own, Acted::Done),
        "an id of another is free: {own:?}"
    );
    let revoke = |key_id: &str| OwnAction::RevokeKey {
        key_id: key_id.to_owned(),
    };
    let unknown = desk.does(1, &token, revoke("k9")).await;
    assert_eq!(problem(&unknown), &AccessProblem::NoKey);
    let later = desk
        .hands_in(&token, "k2", &public_pem(4), "2026-11-19")
        .await;
    assert!(matches!(later, Acted::Done), "{later:?}");
    assert_eq!(desk.keys(&token).await, ["k2", "k1"], "the newest first");
    assert_eq!(desk.keys(&live).await, ["k1"]);
    assert!(matches!(
        desk.does(1, &token, revoke("k1")).await,
        Acted::Done
    ));
    assert_eq!(scheme("BANK01"), KeyScheme::Rsa, "k2 holds from tomorrow");
    let view = desk.view(&token).await;
    let tomorrow = Instant::start_of(START.date().tomorrow().unwrap());
    assert_eq!(view.keys[0].key.valid_from, tomorrow);
    assert_eq!(view.keys[1].key.valid_until, Some(START));
    let freed = desk.hands_in(&live, "k2", &pem, "").await;
    assert!(matches!(freed, Acted::Done), "it was ended: {freed:?}");
    let view = desk.view(&live).await;
    let waits = START.plus_ms(DAY_MS);
    let all_wait = view.keys.iter().all(|view| view.key.valid_from == waits);
    assert!(all_wait, "keys for real money: {view:?}");
}

/// Ten keys hold at most; one that was ended makes room.
#[tokio::test]
async fn an_institution_has_so_many_keys_at_once() {
    let (desk, [token, live]) = two_links("many").await;
    desk.opens(1, &token).await;
    desk.opens(1, &live).await;
    let draw = |n: usize| OwnAction::DrawKey {
        key_id: format!("k{n}"),
        scheme: KeyScheme::Sm2,
    };
    for n in 1..=10 {
        let acted = desk.does(1, &token, draw(n)).await;
        let Acted::Drawn {
            key_id,
            private,
            public_pem,
            ..
        } = acted
        else {
            panic!("{acted:?}");
        };
        assert_eq!(key_id, format!("k{n}"));
        assert!(!private.is_empty() && public_pem.contains("PUBLIC KEY"));
    }
    let most = AccessProblem::TooManyKeys { most: 10 };
    assert_eq!(problem(&desk.does(1, &token, draw(11)).await), &most);
    let key_id = "k1".to_owned();
    desk.does(1, &token, OwnAction::RevokeKey { key_id }).await;
    let acted = desk.does(1, &token, draw(11)).await;
    assert!(matches!(acted, Acted::Drawn { .. }), "{acted:?}");
    let acted = desk.does(1, &live, draw(1)).await;
    assert_eq!(problem(&acted), &AccessProblem::DrawnAtHome);
}

#[tokio::test]
async fn a_webhook_is_set_and_cleared_by_its_owner() {
    let (desk, [token, _]) = two_links("webhook").await;
    desk.opens(1, &token).await;
    let set = |url: &str| OwnAction::SetWebhook {
        url: url.to_owned(),
    };
    let replay = |event_id: &str| OwnAction::Replay {
        event_id: event_id.to_owned(),
    };
    let none = AccessProblem::NoWebhook;
    for action in [OwnAction::TestWebhook, replay("e1")] {
        assert_eq!(problem(&desk.does(1, &token, action).await), &none);
    }
    let refused = desk.does(1, &token, set("http://bank.example/x")).await;
    assert!(
        matches!(problem(&refused), AccessProblem::Url(_)),
        "{refused:?}"
    );
    // Nobody listens there.
    let acted = desk.does(1, &token, set(" http://127.0.0.1:9/x ")).await;
    assert!(matches!(acted, Acted::Done), "{acted:?}");
    let view = desk.view(&token).await;
    assert_eq!(view.institution.webhook, "http://127.0.0.1:9/x");
    let tried = desk.does(1, &token, OwnAction::TestWebhook).await;
    assert!(
        matches!(problem(&tried), AccessProblem::NotTaken(_)),
        "{tried:?}"
    );
    let unknown = desk.does(1, &token, replay("e1")).await;
    assert_eq!(problem(&unknown), &AccessProblem::NoEvent);
    let acted = desk.does(1, &token, set("")).await;
    assert!(matches!(acted, Acted::Done), "{acted:?}");
    assert_eq!(desk.view(&token).await.institution.webhook, "");
}
