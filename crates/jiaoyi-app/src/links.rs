//! Notice links: one signed link for one person's due, opened by month and day of birth once a
//! device.

use crate::bills::BillRef;
use crate::platform::{LINK_DUE, Platform};
use crate::portal::{LinkAnswer, Visitor};
use jiaoyi_domain::Bucket;
use jiaoyi_domain::decide::{Answer, AnswerLink, DueKey};
use jiaoyi_domain::due::{Due, DueId};
use jiaoyi_domain::policy::Phase;
use jiaoyi_domain::roster::{NoticeLink, Person};
use jiaoyi_store::StoreError;

/// Wrong answers that shut a link.
const TRIES_MAX: u32 = 5;

/// Month and day in the form in which their keyed hash is made.
#[must_use]
pub fn birthday_text(month: u8, day: u8) -> String {
    format!("birthday:{month:02}-{day:02}")
}

impl Platform {
    /// The token of a due's notice link, for text messages and paper slips.
    #[must_use]
    pub fn notice_token(&self, due: &DueKey) -> String {
        let mut payload = vec![LINK_DUE];
        payload.extend_from_slice(&due.0.get().to_be_bytes());
        payload.extend_from_slice(&due.1.0);
        self.keyring.sign_link(&payload)
    }

    fn read_notice_token(&self, token: &str) -> Option<(Bucket, DueId)> {
        let payload = self.keyring.read_link(token).ok()?;
        let (kind, rest) = payload.split_first()?;
        if *kind != LINK_DUE || rest.len() != 18 {
            return None;
        }
        let bucket = Bucket::try_new(u16::from_be_bytes(rest[..2].try_into().ok()?))?;
        Some((bucket, DueId(rest[2..].try_into().ok()?)))
    }

    async fn newest(&self, bucket: Bucket, due_id: DueId) -> Result<Option<Due>, StoreError> {
        let mut newest = None;
        for generation in 1.. {
            match self.store.load(&(bucket, due_id, generation)).await? {
                Some(due) => newest = Some(due),
                None => break,
            }
        }
        Ok(newest)
    }

    async fn link_person(&self, due: &Due) -> Result<Option<Person>, StoreError> {
        self.store.load(&(due.bucket, due.person_id)).await
    }

    async fn link_bill(
        &self,
        visitor: &Visitor,
        due: Due,
        person: &Person,
    ) -> Result<LinkAnswer, StoreError> {
        let key = (due.bucket, due.due_id, due.generation);
        let view = self.store.view().await?;
        let Some(priced) = self.priced(&view, due, self.now(), None).await? else {
            return Ok(LinkAnswer::Gone);
        };
        let reference = BillRef::new(
            &key,
            self.now(),
            visitor,
            person.name_masked.clone(),
            person.document_masked.clone(),
            priced.revision.region.clone(),
        );
        let bill = self.bill_view(&view, visitor, &priced, &reference).await?;
        Ok(LinkAnswer::Bill(Box::new(bill)))
    }

    /// Opens a notice link; see [`crate::portal::Portal::open_link`].
    pub(crate) async fn link_opened(
        &self,
        visitor: &Visitor,
        token: &str,
    ) -> Result<LinkAnswer, StoreError> {
        let Some((bucket, due_id)) = self.read_notice_token(token) else {
            return Ok(LinkAnswer::Gone);
        };
        let Some(due) = self.newest(bucket, due_id).await? else {
            return Ok(LinkAnswer::Gone);
        };
        let Some(person) = self.link_person(&due).await? else {
            return Ok(LinkAnswer::Gone);
        };
        if self.is_over(&due).await? {
            return Ok(LinkAnswer::Gone);
        }
        let link: Option<NoticeLink> = self.store.load(&(bucket, due_id)).await?;
        if link.as_ref().is_some_and(|link| link.shut) {
            return Ok(LinkAnswer::Shut);
        }
        let known = link.as_ref().is_some_and(|link| {
            link.devices
                .chunks(32)
                .any(|device| device == visitor.device)
        });
        // A person whose document tells no birthday cannot be asked for it, and a link alone opens
        // nothing: such a person is looked up by name and document.
        if person.birthday_hmac.is_none() {
            return Ok(LinkAnswer::Gone);
        }
        if known {
            return self.link_bill(visitor, due, &person).await;
        }
        let used = link.map_or(0, |link| link.tries);
        Ok(LinkAnswer::AskBirthday {
            name_masked: person.name_masked,
            wrong: false,
            tries_left: u8::try_from(TRIES_MAX.saturating_sub(used)).unwrap_or(0),
        })
    }

    /// Whether the last window of an unpaid due has closed: its link ends with it.
    async fn is_over(&self, due: &Due) -> Result<bool, StoreError> {
        let view = self.store.view().await?;
        let priced = self.priced(&view, due.clone(), self.now(), None).await?;
        Ok(match priced {
            Some(priced) => due.paid_at.is_none() && matches!(priced.phase, Phase::Closed { .. }),
            None => true,
        })
    }

    /// Answers the birthday question; see [`crate::portal::Portal::answer_link`].
    pub(crate) async fn link_answered(
        &self,
        visitor: &Visitor,
        token: &str,
        month: u8,
        day: u8,
    ) -> Result<LinkAnswer, StoreError> {
        let Some((bucket, due_id)) = self.read_notice_token(token) else {
            return Ok(LinkAnswer::Gone);
        };
        let Some(due) = self.newest(bucket, due_id).await? else {
            return Ok(LinkAnswer::Gone);
        };
        let Some(person) = self.link_person(&due).await? else {
            return Ok(LinkAnswer::Gone);
        };
        if person.birthday_hmac.is_none() {
            return Ok(LinkAnswer::Gone);
        }
        let given = self.keyring.name_hmac(&birthday_text(month, day));
        let right = person.birthday_hmac == Some(given);
        let command = AnswerLink {
            bucket,
            due_id,
            device: visitor.device,
            right,
        };
        match self.submit(command).await? {
            Answer::Link { open: true, .. } => self.link_bill(visitor, due, &person).await,
            Answer::Link {
                open: false,
                tries_left,
            } if tries_left > 0 => {
                let name_masked = person.name_masked;
                Ok(LinkAnswer::AskBirthday {
                    name_masked,
                    wrong: true,
                    tries_left,
                })
            }
            _ => Ok(LinkAnswer::Shut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Budgets;
    use crate::platform::LINK_ORDER;
    use crate::tests::desk::Desk;
    use jiaoyi_domain::due::OrderId;

    /// A link opens what it was made for, and nothing else.
    #[tokio::test]
    async fn a_link_of_one_kind_is_none_of_another() {
        let desk = Desk::new("kinds", Budgets::default()).await;
        let platform = &desk.platform;
        let bucket = Bucket::try_new(7).unwrap();
        let due = platform.notice_token(&(bucket, DueId([3; 16]), 1));
        let order = platform.order_token(bucket, OrderId([3; 16]));
        assert_eq!(
            platform.read_notice_token(&due),
            Some((bucket, DueId([3; 16])))
        );
        assert_eq!(
            platform.read_order_token(&order),
            Some((bucket, OrderId([3; 16])))
        );
        let sign = |payload: &[u8]| platform.keyring.sign_link(payload);
        for strange in [
            order,
            sign(&[LINK_DUE; 18]),
            sign(&[LINK_DUE; 20]),
            sign(&[LINK_DUE]),
            sign(&[]),
        ] {
            assert_eq!(platform.read_notice_token(&strange), None);
        }
        for strange in [
            due,
            sign(&[LINK_ORDER; 18]),
            sign(&[LINK_ORDER; 20]),
            sign(&[]),
        ] {
            assert_eq!(platform.read_order_token(&strange), None);
        }
    }
}
