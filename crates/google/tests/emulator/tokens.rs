//! The token of a mailbox: renewed once for all, ahead of its end, and ended by Google alone.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use google::{
    AccessToken, Authorized, BoxFuture, Error, Grant, Secret, TokenCell, TokenSource as _, TokenStore,
};
use serde_json::json;
use testkit::google::BRAND;

use crate::account::House;

/// A row that several processes share.
#[derive(Clone)]
struct Row(Arc<Mutex<Option<Authorized>>>, Arc<Mutex<Vec<String>>>);

impl Row {
    fn new(house: &House, grant: Grant) -> Self {
        let client = Arc::new(house.client.clone());
        let row =
            Authorized { version: 1, client, refresh: grant.refresh.unwrap(), access: Some(grant.access) };
        Self(Arc::new(Mutex::new(Some(row))), Arc::default())
    }

    fn change(&self, version: i64, change: impl FnOnce(&mut Authorized)) -> bool {
        let mut row = self.0.lock().unwrap();
        let Some(row) = row.as_mut().filter(|row| row.version == version) else { return false };
        row.version += 1;
        change(row);
        true
    }

    fn ended(&self) -> usize {
        self.1.lock().unwrap().len()
    }
}

impl TokenStore for Row {
    fn load(&self) -> BoxFuture<'_, Result<Option<Authorized>, Error>> {
        let row = self.0.lock().unwrap().clone();
        Box::pin(async { Ok(row) })
    }

    fn renewed<'a>(
        &'a self,
        version: i64,
        access: &'a AccessToken,
        refresh: Option<&'a Secret>,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            Ok(self.change(version, |row| {
                row.access = Some(access.clone());
                if let Some(refresh) = refresh {
                    row.refresh = refresh.clone();
                }
            }))
        })
    }

    fn ended<'a>(&'a self, version: i64, reason: &'a str) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            let changed = self.change(version, |_| ());
            if changed {
                self.1.lock().unwrap().push(reason.to_owned());
            }
            Ok(changed)
        })
    }
}

fn cell(house: &House, row: &Row) -> Arc<TokenCell<Row>> {
    Arc::new(TokenCell::new(row.clone(), house.oauth.clone(), house.clock.clone()))
}

async fn refreshes(house: &House) -> usize {
    house.emulator.log("/token").await.len() - 1
}

#[tokio::test]
async fn many_calls_share_one_renewal_ahead_of_the_end() {
    let Some(house) = House::new() else { return };
    let row = Row::new(&house, house.grant(BRAND).await);
    let cell = cell(&house, &row);
    let mailbox = house.mailbox(BRAND, cell);
    mailbox.profile().await.unwrap();
    assert_eq!(refreshes(&house).await, 0);
    // Ten minutes before its end.
    house.sim.advance(Duration::from_secs(3001));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mailbox = mailbox.clone();
        all.spawn(async move { mailbox.profile().await });
    }
    assert!(all.join_all().await.iter().all(Result::is_ok));
    assert_eq!(refreshes(&house).await, 1);
}

#[tokio::test]
async fn a_token_that_ended_early_is_renewed_and_the_call_repeated() {
    let Some(house) = House::new() else { return };
    let row = Row::new(&house, house.grant(BRAND).await);
    let mailbox = house.mailbox(BRAND, cell(&house, &row));
    mailbox.profile().await.unwrap();
    house.emulator.expire(BRAND).await;
    let mail = b"From: brand@example.com\r\nTo: creator@example.com\r\nSubject: x\r\n\r\nx\r\n";
    mailbox.send(mail, None).await.unwrap();
    assert_eq!((refreshes(&house).await, house.emulator.sent(BRAND).await.len()), (1, 1));
    // Another process has only the old token in its memory; the row has the new one.
    house.mailbox(BRAND, cell(&house, &row)).profile().await.unwrap();
    assert_eq!(refreshes(&house).await, 1);
    // A token that is refused again and again is no reason to go on for ever.
    house
        .emulator
        .fault(json!({"path": "/profile$", "status": 401, "reason": "authError", "times": 9}))
        .await;
    assert!(matches!(mailbox.profile().await, Err(Error::Reauthorize { .. })));
    assert_eq!(refreshes(&house).await, 2);
}

#[tokio::test]
async fn whoever_was_slower_takes_what_was_stored() {
    let Some(house) = House::new() else { return };
    let row = Row::new(&house, house.grant(BRAND).await);
    let cell = cell(&house, &row);
    house.sim.advance(Duration::from_secs(3001));
    // While we ask Google, somebody connects the account anew.
    house.emulator.fault(json!({"path": "^/token$", "delayMs": 300, "dropAfter": false})).await;
    let asking = tokio::spawn({
        let cell = Arc::clone(&cell);
        async move { cell.token(None).await }
    });
    while refreshes(&house).await == 0 {
        tokio::task::yield_now().await;
    }
    let newer = AccessToken {
        secret: Secret::new("newer".to_owned()),
        expires_at: house.clock.now() + Duration::from_secs(3600),
    };
    assert!(row.change(1, |row| row.access = Some(newer.clone())));
    assert_eq!(asking.await.unwrap().unwrap(), newer);
    assert_eq!(cell.token(None).await.unwrap(), newer);
}

#[tokio::test]
async fn only_google_ends_a_grant() {
    let Some(house) = House::new() else { return };
    let row = Row::new(&house, house.grant(BRAND).await);
    let cell = cell(&house, &row);
    house.sim.advance(Duration::from_secs(3001));
    house.emulator.fault(json!({"path": "^/token$", "status": 503, "times": 2})).await;
    // Good for minutes still: the outage hurts nobody.
    cell.token(None).await.unwrap();
    house.sim.advance(Duration::from_secs(590));
    assert!(matches!(cell.token(None).await, Err(Error::Retry { .. })));
    assert_eq!(row.ended(), 0);
    cell.token(None).await.unwrap();

    house.emulator.revoke(BRAND).await;
    let mailbox = house.mailbox(BRAND, Arc::clone(&cell) as Arc<dyn google::TokenSource>);
    assert!(matches!(mailbox.profile().await, Err(Error::Reauthorize { .. })));
    assert_eq!(row.ended(), 1);
    *row.0.lock().unwrap() = None;
    assert!(matches!(cell.token(None).await, Err(Error::Reauthorize { .. })));
}
