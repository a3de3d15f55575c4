//! What the tests of bounces, refusals and moderation share.

use std::{future::Future, pin::Pin};

use axum::http::Method;
use serde_json::{Value, json};
use testkit::{
    TestDb,
    app::{Answer, Bounces, Mail, TestApp, User},
};
use transports::bounce::{Intake as _, Returned};

use crate::helpers::*;

/// A server whose letters' mails come back to `b.hongyan.test`.
pub async fn traced(t: TestDb) -> TestApp {
    TestApp::with(t, |settings| {
        settings.mail.bounces = Some(Bounces { domain: "b.hongyan.test".to_owned(), listen: None });
    })
    .await
}

/// A letter of the user's to an address, delivered and mailed.
pub async fn sent(app: &TestApp, user: &User, to: &str) -> String {
    app.delivered(user, json!({"recipientType": "SPECIFIC", "recipientEmail": to})).await
}

/// A delivery report about a mail to `to`.
pub fn report(action: &str, status: &str, to: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.test\r\nSubject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\n\
         Auto-Submitted: auto-replied\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.test\r\n\r\n\
         Final-Recipient: rfc822; {to}\r\nAction: {action}\r\nStatus: {status}\r\n\
         Diagnostic-Code: smtp; 550 {status} says mx.test\r\n--b--\r\n"
    )
}

/// A mail comes back to the return address of a letter's `mailing`-th mail.
pub async fn comes_back(app: &TestApp, letter: &str, mailing: u32, message: &str) {
    let letter = letter.strip_prefix("mail_").unwrap();
    let reference = if mailing == 1 { format!("{letter}.1") } else { format!("{letter}.1.{mailing}") };
    let returned = Returned { reference, sender: String::new(), message: message.as_bytes().to_vec() };
    app.system.bounces.take(returned).await.unwrap();
}

/// What the author sees of a letter's deliveries.
pub async fn evidence(app: &TestApp, author: &User, letter: &str) -> Value {
    let author = app.login(author).await;
    app.get(&format!("/mails/{letter}/deliveries"), &author).await.data().clone()
}

/// The only mail to an address.
#[track_caller]
pub fn only_mail(app: &TestApp, to: &str) -> Mail {
    let mut mails = app.mails_to(to);
    assert_eq!(mails.len(), 1, "{mails:?}");
    mails.remove(0)
}

/// The value of a header.
#[track_caller]
pub fn header(mail: &Mail, name: &str) -> String {
    let mut all = mail.headers().into_iter().filter(|(n, _)| n == name).map(|(_, v)| v);
    let value = all.next().unwrap_or_else(|| panic!("{name} is missing"));
    assert_eq!(all.next(), None);
    value
}

/// `PUT`, `POST`… without a token.
pub async fn open(app: &TestApp, method: Method, path: &str, body: Option<Value>) -> Answer {
    app.call(method, path, None, body).await
}

/// Makes a user an operator, as `hongyan user role` does.
pub async fn operator(app: &TestApp, name: &str) -> User {
    let user = app.user(name).await;
    app.system.accounts.admin_role(&user.email, accounts::Role::Operator).await.unwrap();
    user
}

/// Requests at once; their answers.
pub async fn at_once(requests: Vec<Pin<Box<dyn Future<Output = Answer> + Send>>>) -> Vec<Answer> {
    let tasks: Vec<_> = requests.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// In an hour.
pub fn soon(app: &TestApp) -> kernel::Timestamp {
    app.now() + HOUR
}
