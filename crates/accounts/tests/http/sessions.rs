//! Logins: access and refresh tokens, rotation and theft, log-out, expiry, forgeries.

use axum::{
    body::Body,
    http::{Method, Request},
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use testkit::app::{PASSWORD, TestApp};

use crate::helpers::*;

testkit::both! {
    &[];

    /// An unknown address and a wrong password are answered alike.
    async fn a_login_tells_nothing(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        let wrong = login(&app, &user.email, "password124").await;
        let unknown = login(&app, "nobody@example.com", PASSWORD).await;
        wrong.refused(401, &[]);
        assert_eq!((wrong.status, &wrong.body), (unknown.status, &unknown.body));
        for almost in ["", "Password123", "password123 ", " password123", "password12"] {
            login(&app, &user.email, almost).await.refused(401, &[]);
        }
        login(&app, "reader", PASSWORD).await.refused(422, &["email"]);
        post(&app, "/auth/login", json!({"email": 7, "password": []}))
            .await
            .refused(400, &["email", "password"]);
    }

    /// One account for each address, however it is written; its own spelling stays.
    async fn addresses_are_compared_without_case(t) {
        let app = TestApp::new(t).await;
        let body = json!({"username": "li", "email": " Li.Lei@Example.COM ", "password": PASSWORD});
        let user = app.register(body).await;
        assert_eq!(user.email, "Li.Lei@example.com");
        for email in ["li.lei@example.com", "LI.LEI@EXAMPLE.COM", " Li.Lei@example.com"] {
            assert_eq!(login(&app, email, PASSWORD).await.data()["userId"], user.id);
            let again = json!({"username": "x", "email": email, "password": PASSWORD});
            post(&app, "/auth/register", again).await.refused(409, &["email"]);
        }
    }

    /// A refresh token works once and gives the next; the access tokens of the login stay good.
    async fn refresh_tokens_rotate(t) {
        let app = TestApp::new(t).await;
        let mut user = app.user("reader").await;
        let first = user.clone();
        for _ in 0..3 {
            app.clock.advance(SECOND);
            let next = refreshed(&user, &refresh(&app, &user.refresh).await);
            assert_ne!((&next.token, &next.refresh), (&user.token, &user.refresh));
            assert_eq!((status(&app, &first.token).await, status(&app, &next.token).await), (200, 200));
            user = next;
        }
        for bad in ["", "nonsense", &user.token, &user.id] {
            refresh(&app, bad).await.refused(401, &[]);
        }
        // An access token is no refresh token, nor the other way.
        assert_eq!(status(&app, &user.refresh).await, 401);
        assert_eq!(status(&app, &user.token).await, 200);
    }

    /// Used twice, a refresh token ends its family: the newest tokens too, other logins not.
    async fn a_refresh_token_used_twice_ends_its_family(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        let elsewhere = app.login(&user).await;
        let second = refreshed(&user, &refresh(&app, &user.refresh).await);
        let third = refreshed(&user, &refresh(&app, &second.refresh).await);
        refresh(&app, &user.refresh).await.refused(401, &[]);
        for ended in [&user, &second, &third] {
            assert_eq!(status(&app, &ended.token).await, 401);
            refresh(&app, &ended.refresh).await.refused(401, &[]);
        }
        assert_eq!(status(&app, &elsewhere.token).await, 200);
        refresh(&app, &elsewhere.refresh).await.data();
    }

    /// The access token and the refresh token of a login end with it, at once; other logins stay.
    async fn logout_ends_one_login_at_once(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        let elsewhere = app.login(&user).await;
        let newer = refreshed(&user, &refresh(&app, &user.refresh).await);
        app.call(Method::POST, "/auth/logout", Some(&user.token), None).await.data();
        for ended in [&user, &newer] {
            assert_eq!(status(&app, &ended.token).await, 401);
        }
        refresh(&app, &newer.refresh).await.refused(401, &[]);
        app.call(Method::POST, "/auth/logout", Some(&user.token), None).await.refused(401, &[]);
        app.call(Method::POST, "/auth/logout", None, None).await.refused(401, &[]);
        assert_eq!(status(&app, &elsewhere.token).await, 200);
    }

    /// 24 hours and 7 days, by the clock.
    async fn tokens_expire(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        let start = app.now();
        app.clock.set(start + DAY - MICRO);
        assert_eq!(status(&app, &user.token).await, 200);
        app.clock.set(start + DAY);
        assert_eq!(status(&app, &user.token).await, 401);
        app.clock.set(start + 7 * DAY - MICRO);
        let next = refreshed(&user, &refresh(&app, &user.refresh).await);
        assert_eq!(status(&app, &next.token).await, 200);
        // Each use counts seven days anew.
        app.clock.set(start + 14 * DAY - 2 * MICRO);
        let last = refreshed(&user, &refresh(&app, &next.refresh).await);
        app.clock.set(app.now() + 7 * DAY);
        refresh(&app, &last.refresh).await.refused(401, &[]);
    }

    /// What is not signed by us as it stands opens nothing.
    async fn forged_tokens_are_refused(t) {
        let app = TestApp::new(t).await;
        let (user, other) = (app.user("reader").await, app.user("other").await);
        let parts: Vec<&str> = user.token.split('.').collect();
        let [header, payload, signature] = parts.as_slice() else { panic!("{}", user.token) };
        let claims: Value =
            serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap();
        assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() == 86_400);
        let encode = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let none = encode(json!({"alg": "none", "typ": "JWT"}));
        let rsa = encode(json!({"alg": "RS256", "typ": "JWT"}));
        let mut longer = claims.clone();
        longer["exp"] = json!(4_000_000_000_u32);
        let mut someone = claims.clone();
        someone["sub"] = json!(other.id);
        let others = other.token.split('.').collect::<Vec<_>>();
        let forged = [
            format!("{none}.{payload}."),
            format!("{none}.{payload}.{signature}"),
            format!("{none}.{payload}"),
            format!("{rsa}.{payload}.{signature}"),
            format!("{header}.{payload}."),
            format!("{header}.{payload}"),
            format!("{header}.{}.{signature}", encode(longer)),
            format!("{header}.{}.{signature}", encode(someone)),
            format!("{header}.{payload}.{}", others[2]),
            format!("{header}.{}.{signature}", others[1]),
            format!("{header}A.{payload}.{signature}"),
            format!("{}=", user.token),
            format!("{}.{}", user.token, signature),
            "..".to_owned(),
            String::new(),
            "null".to_owned(),
            "x".repeat(5000),
        ];
        for token in forged {
            assert_eq!(status(&app, &token).await, 401, "{token}");
        }
        let last = signature.len() - 1;
        for n in [0, last / 2, last - 1] {
            let mut bent = signature.as_bytes().to_vec();
            bent[n] = if bent[n] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bent).unwrap();
            assert_eq!(status(&app, &format!("{header}.{payload}.{bent}")).await, 401);
        }
        assert_eq!(status(&app, &user.token).await, 200);
    }

    /// The header is `Bearer <token>`, the scheme in any case.
    async fn the_authorization_header(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        for (header, expected) in [
            (format!("Bearer {}", user.token), 200),
            (format!("bearer {}", user.token), 200),
            (user.token.clone(), 401),
            (format!("Basic {}", user.token), 401),
            ("Bearer".to_owned(), 401),
            ("Bearer ".to_owned(), 401),
            (format!("Token {}", user.token), 401),
        ] {
            let request = Request::get("/api/v1/user/profile").header("authorization", &header);
            let answer = app.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, expected, "{header}");
        }
    }
}
