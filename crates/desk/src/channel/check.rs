//! `desk.check`: whether an account of WeCom can do what it is for, and which customer-service accounts it serves.
//!
//! Asked of WeCom itself (`kf/account/list`) when an account is new or changed and every [`EVERY`] after that. What was
//! found is the account's health, beside what Douyin says of its tokens (`token`).

use std::time::Duration;

use channels::wecom::{ACCOUNTS, KfAccount, list_accounts, parse_accounts};
use db::{Result, Tx};
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Single};
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    account::Account,
    wecom::{Body, CallError, Wecom},
};
use crate::{
    Desk,
    store::{
        health::{self, HealthRow},
        pulls,
    },
    work,
};

/// Looks at an account, which is the subject.
pub const CHECK: &str = "desk.check";

/// So often an account is looked at.
const EVERY: Duration = Duration::from_secs(900);
/// More customer-service accounts than WeCom gives anybody.
const MOST: usize = 5000;

/// A customer-service account that an account of WeCom serves.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServedAccount {
    /// WeCom's `open_kfid`: the `kfId` of its sessions.
    kf_id: String,
    /// What customers see.
    name: String,
    /// Whether this app may answer there (通过API管理).
    managed: bool,
}

/// What the last look at an account found.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountHealth {
    /// Whether nothing is wrong.
    ok: bool,
    /// What is wrong, in words.
    problem: Option<String>,
    /// WeCom: which customer-service accounts it serves.
    served: Option<Vec<ServedAccount>>,
    #[schema(value_type = String, format = DateTime)]
    checked_at: Timestamp,
}

impl From<&HealthRow> for AccountHealth {
    fn from(row: &HealthRow) -> Self {
        Self {
            ok: row.problem.is_none(),
            problem: row.problem.clone(),
            served: row.served.as_deref().and_then(|json| serde_json::from_str(json).ok()),
            checked_at: row.checked_at,
        }
    }
}

/// Sees to it that an account is looked at in this quarter of an hour, and at once when it changed.
pub(super) async fn plan(tx: &mut Tx, account: &Account, now: Timestamp) -> Result<()> {
    let slot = now.seconds().div_euclid(EVERY.as_secs().cast_signed());
    let check = NewDispatch {
        id: format!("{}/check/{}.{slot}", account.id, account.version),
        kind: CHECK,
        subject: account.id.clone(),
        destination: account.id.clone(),
        payload: None,
        due_at: now,
    };
    dispatch::enqueue(tx, now, &[check]).await.map(drop)
}

/// The handler of [`CHECK`].
pub struct Check {
    /// The desk.
    pub desk: Desk,
}

impl Single for Check {
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { self.look(&dispatch.subject).await.unwrap_or_else(work::again) })
    }
}

impl Check {
    async fn look(&self, id: &str) -> Result<Outcome> {
        let desk = &self.desk;
        let account = desk.account(id).await?;
        let Some(wecom) = account.as_ref().and_then(|account| account.wecom()) else {
            return Ok(Outcome::Done("the account is not in use".to_owned()));
        };
        let (problem, served) = match self.list(wecom).await {
            Ok(list) => {
                let known = pulls::known(&mut desk.db().read().await?, id).await?;
                (problem(&list, &known), Some(list))
            }
            Err(error) => (Some(error.to_string()), None),
        };
        let served = served.map(|list| {
            let one =
                |kf: KfAccount| ServedAccount { kf_id: kf.open_kfid, name: kf.name, managed: kf.managed };
            serde_json::to_string(&list.into_iter().map(one).collect::<Vec<_>>()).unwrap_or_default()
        });
        let mut tx = desk.db().begin().await?;
        health::set(&mut tx, id, problem.as_deref(), served.as_deref(), desk.clock().now()).await?;
        tx.commit().await?;
        // What is wrong is looked at again in the next quarter of an hour, not before.
        Ok(Outcome::Done(problem.unwrap_or_else(|| "well".to_owned())))
    }

    async fn list(&self, wecom: &Wecom) -> std::result::Result<Vec<KfAccount>, CallError> {
        let (web, clock) = (&self.desk.0.channels.api, self.desk.clock());
        let mut all = Vec::new();
        loop {
            let body = list_accounts(all.len());
            let answer = wecom.call(web, clock, "kf/account/list", Body::Json(&body)).await?;
            let page = parse_accounts(answer.body())?;
            let last = page.len() < ACCOUNTS;
            all.extend(page);
            if last || all.len() >= MOST {
                return Ok(all);
            }
        }
    }
}

/// What is wrong with the accounts that an app sees, given those that customers wrote to.
fn problem(list: &[KfAccount], known: &[String]) -> Option<String> {
    if list.is_empty() {
        return Some(
            "WeCom shows this app no customer-service account: choose the app under 可调用接口的应用 and put the \
             accounts under 通过API管理"
                .to_owned(),
        );
    }
    let served = |id: &&String| list.iter().any(|kf| kf.open_kfid == **id && kf.managed);
    let lost: Vec<&str> = known.iter().filter(|id| !served(id)).map(String::as_str).collect();
    (!lost.is_empty()).then(|| format!("this app may not serve {} any more", lost.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_customers_write_to_must_be_served() {
        let kf = |id: &str, managed| KfAccount { open_kfid: id.to_owned(), name: String::new(), managed };
        let known = ["a".to_owned(), "b".to_owned()];
        assert_eq!(problem(&[kf("a", true), kf("b", true), kf("c", false)], &known), None);
        assert_eq!(
            problem(&[kf("a", true), kf("b", false)], &known).unwrap(),
            "this app may not serve b any more"
        );
        assert!(problem(&[], &[]).unwrap().contains("通过API管理"));
    }
}
