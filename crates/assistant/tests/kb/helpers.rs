//! Calls below `/api/kb`.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::{Value, json};
use testkit::app::{Answer, TestApp, User};

/// A server that is asked about knowledge bases.
pub struct Kb(pub TestApp);

impl Kb {
    pub async fn new(db: testkit::TestDb) -> Self {
        Self(TestApp::new(db).await)
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        user: &User,
        kind: &str,
        body: impl Into<Body>,
    ) -> Answer {
        // What is made later is listed first.
        self.0.clock.set(self.0.now() + Duration::from_millis(1));
        let request = Request::builder()
            .method(method)
            .uri(uri(path))
            .header(header::AUTHORIZATION, format!("Bearer {}", user.token))
            .header(header::CONTENT_TYPE, kind);
        self.0.send(request.body(body.into()).unwrap()).await
    }

    pub async fn call(&self, method: Method, path: &str, user: &User, body: Value) -> Answer {
        self.send(method, path, user, "application/json", body.to_string()).await
    }

    pub async fn get(&self, path: &str, user: &User) -> Answer {
        self.send(Method::GET, path, user, "application/json", Body::empty()).await
    }

    pub async fn post(&self, path: &str, user: &User, body: Value) -> Answer {
        self.call(Method::POST, path, user, body).await
    }

    pub async fn put(&self, path: &str, user: &User, body: Value) -> Answer {
        self.call(Method::PUT, path, user, body).await
    }

    pub async fn delete(&self, path: &str, user: &User) -> Answer {
        self.send(Method::DELETE, path, user, "application/json", Body::empty()).await
    }

    /// Registers somebody with a role.
    pub async fn with_role(&self, name: &str, role: accounts::Role) -> User {
        let user = self.0.user(name).await;
        self.0.system.accounts.admin_role(&user.email, role).await.unwrap();
        user
    }

    /// A new base; its id.
    pub async fn base(&self, user: &User) -> String {
        text(self.post("/bases", user, json!({"name": "店铺问答"})).await.data(), "kbId")
    }

    /// A new entry; its id.
    pub async fn entry(&self, user: &User, base: &str, question: &str, answer: &str) -> String {
        let body = json!({"question": question, "answer": answer});
        text(self.post(&format!("/bases/{base}/entries"), user, body).await.data(), "entryId")
    }

    pub async fn csv(&self, user: &User, base: &str, query: &str, file: impl Into<Body>) -> Answer {
        self.send(Method::POST, &format!("/bases/{base}/import{query}"), user, "text/csv", file).await
    }

    /// The entries of a base, the newest first.
    pub async fn list(&self, user: &User, base: &str, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("/bases/{base}/entries?{query}"), user).await;
        answer.data()["list"].as_array().unwrap().clone()
    }

    pub async fn ask(&self, user: &User, base: &str, question: &str) -> Value {
        let path = format!("/bases/{base}/ask");
        self.post(&path, user, json!({"question": question})).await.data().clone()
    }
}

/// Of text that may hold anything.
fn uri(path: &str) -> String {
    let encoded = path.bytes().map(|b| match b {
        b'"' | b'\'' | 0x80.. => format!("%{b:02X}"),
        b => char::from(b).to_string(),
    });
    format!("/api/kb{}", encoded.collect::<String>())
}

pub fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap().to_owned()
}

pub fn questions(list: &[Value]) -> Vec<String> {
    list.iter().map(|entry| text(entry, "question")).collect()
}
