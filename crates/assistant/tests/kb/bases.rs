//! Bases: whose they are, who else sees them.

use accounts::Role;
use axum::http::Method;
use serde_json::json;
use testkit::app::shape;

use crate::helpers::{Kb, text};

testkit::both! {
    &[];

    async fn a_base_is_made_changed_listed_and_deleted(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let body = json!({"name": " 售后问答 ", "description": "For the shop"});
        let made = kb.post("/bases", &user, body).await;
        shape(
            made.data(),
            &json!({
                "kbId": "id:kb", "number": 1, "name": "=售后问答", "description": "=For the shop", "shared": false, "own": true,
                "entries": 0, "createdAt": "time", "updatedAt": "time"
            }),
        );
        let id = text(made.data(), "kbId");
        assert_eq!(kb.get(&format!("/bases/{id}"), &user).await.data(), made.data());
        kb.0.clock.set(kb.0.now() + std::time::Duration::from_secs(60));
        let changed = kb.put(&format!("/bases/{id}"), &user, json!({"name": "Shop", "description": ""})).await;
        assert_eq!(changed.data()["name"], "Shop");
        assert_eq!(changed.data()["description"], "");
        assert!(changed.data()["updatedAt"].as_str() > made.data()["updatedAt"].as_str());

        let second = kb.base(&user).await;
        kb.entry(&user, &second, "Q", "A").await;
        let list = kb.get("/bases?size=1", &user).await;
        let page = |field: &str| list.data()[field].clone();
        assert_eq!([page("total"), page("page"), page("size")], [json!(2), json!(1), json!(1)]);
        assert_eq!(text(&list.data()["list"][0], "kbId"), second, "the newest first");
        assert_eq!(list.data()["list"][0]["entries"], 1);

        assert_eq!(list.data()["list"][0]["number"], 2);
        assert_eq!(kb.delete(&format!("/bases/{second}"), &user).await.data()["kbId"], second.as_str());
        for path in [format!("/bases/{second}"), format!("/bases/{second}/entries")] {
            kb.get(&path, &user).await.refused(404, &[]);
        }
        assert_eq!(kb.get("/bases", &user).await.data()["total"], 1);
        let third = kb.post("/bases", &user, json!({"name": "third"})).await;
        assert_eq!(third.data()["number"], 3, "no number is given twice");
    }

    /// Bases that were made before there were numbers get theirs in the order in which they were made.
    async fn older_bases_get_numbers(t) {
        let db = &t.db;
        let all = testkit::app::migrations();
        let until = all.iter().position(|m| m.name == "kb/002_numbers").unwrap();
        db::migrate(db, &all[..until], kernel::Timestamp::EPOCH).await.unwrap();
        for id in ["kb_b", "kb_a", "kb_c"] {
            db.execute_raw(&format!(
                "INSERT INTO kb_bases (id, owner_id, name, description, shared, synonyms, version, entries, bytes,
                    created_at, updated_at) VALUES ('{id}', 'user_1', '', '', FALSE, '[]', 1, 0, 0, 0, 0)"
            ))
            .await
            .unwrap();
        }
        let kb = Kb::new(t).await;
        let numbers = kb.0.system.assistant.kb_numbers(vec!["kb_a", "kb_b", "kb_c", "kb_d"]).await.unwrap();
        let mut numbers: Vec<_> = numbers.into_iter().collect();
        numbers.sort();
        assert_eq!(numbers, [("kb_a".to_owned(), 1), ("kb_b".to_owned(), 2), ("kb_c".to_owned(), 3)]);
        let user = kb.0.user("zhang").await;
        assert_eq!(kb.post("/bases", &user, json!({"name": "next"})).await.data()["number"], 4);
    }

    async fn a_base_of_somebody_else_does_not_exist(t) {
        let kb = Kb::new(t).await;
        let (owner, other) = (kb.0.user("owner").await, kb.0.user("other").await);
        let boss = kb.with_role("boss", Role::Operator).await;
        let base = kb.base(&owner).await;
        let entry = kb.entry(&owner, &base, "secret question", "secret answer").await;
        for user in [&other, &boss] {
            for (method, path, body) in [
                (Method::GET, format!("/bases/{base}"), json!({})),
                (Method::PUT, format!("/bases/{base}"), json!({"name": "mine"})),
                (Method::DELETE, format!("/bases/{base}"), json!({})),
                (Method::GET, format!("/bases/{base}/entries"), json!({})),
                (Method::POST, format!("/bases/{base}/entries"), json!({"question": "q", "answer": "a"})),
                (Method::GET, format!("/bases/{base}/synonyms"), json!({})),
                (Method::PUT, format!("/bases/{base}/synonyms"), json!({"synonyms": []})),
                (Method::POST, format!("/bases/{base}/ask"), json!({"question": "secret question"})),
                (Method::GET, format!("/bases/{base}/export"), json!({})),
                (Method::POST, format!("/bases/{base}/import?format=csv"), json!({})),
                (Method::GET, format!("/entries/{entry}"), json!({})),
                (Method::PUT, format!("/entries/{entry}"), json!({"answer": "x"})),
                (Method::DELETE, format!("/entries/{entry}"), json!({})),
            ] {
                kb.call(method.clone(), &path, user, body).await.refused(404, &[]);
            }
            assert_eq!(kb.get("/bases", user).await.data()["total"], 0);
        }
        let assistant = &kb.0.system.assistant;
        assert!(assistant.search_kb(&other.id, &base, "secret question", 3).await.is_err());
        assert!(assistant.search_desk("secret question", 3).await.unwrap().hits.is_empty());
        let found = assistant.search_kb(&owner.id, &base, "secret question", 3).await.unwrap();
        assert_eq!(found.hits[0].entry_id, entry);
        let anonymous = axum::http::Request::builder().uri("/api/kb/bases").body(axum::body::Body::empty());
        kb.0.send(anonymous.unwrap()).await.refused(401, &[]);
    }

    async fn the_desk_reads_what_is_shared_with_it(t) {
        let kb = Kb::new(t).await;
        let boss = kb.with_role("boss", Role::Supervisor).await;
        let keeper = kb.with_role("keeper", Role::Operator).await;
        let agent = kb.with_role("agent", Role::Agent).await;
        let user = kb.0.user("user").await;

        for who in [&user, &agent] {
            let body = json!({"name": "mine", "shared": true});
            kb.post("/bases", who, body).await.refused(403, &["shared"]);
            let own = kb.base(who).await;
            kb.put(&format!("/bases/{own}"), who, json!({"shared": true})).await.refused(403, &["shared"]);
            assert_eq!(kb.put(&format!("/bases/{own}"), who, json!({"shared": false})).await.data()["own"], true);
        }
        let base = text(kb.post("/bases", &boss, json!({"name": "desk", "shared": true})).await.data(), "kbId");
        let entry = kb.entry(&boss, &base, "Where is my parcel?", "See the tracking page.").await;

        let seen = kb.get("/bases", &agent).await;
        assert_eq!((&seen.data()["total"], &seen.data()["list"][1]["own"]), (&json!(2), &json!(true)));
        let seen = kb.get(&format!("/bases/{base}"), &agent).await;
        assert_eq!((&seen.data()["own"], &seen.data()["shared"]), (&json!(false), &json!(true)));
        assert_eq!(kb.ask(&agent, &base, "where is my parcel").await["hits"][0]["entryId"], entry.as_str());
        assert_eq!(kb.get(&format!("/bases/{base}/export"), &agent).await.status, 200);
        kb.put(&format!("/entries/{entry}"), &agent, json!({"answer": "x"})).await.refused(403, &[]);
        kb.delete(&format!("/bases/{base}"), &agent).await.refused(403, &[]);
        kb.csv(&agent, &base, "", "question,answer\nq,a\n").await.refused(403, &[]);
        kb.get(&format!("/bases/{base}"), &user).await.refused(404, &[]);

        let answer = kb.put(&format!("/entries/{entry}"), &keeper, json!({"answer": "On the tracking page."})).await;
        assert_eq!(answer.data()["answer"], "On the tracking page.");
        let found = kb.0.system.assistant.search_desk("where is my parcel", 2).await.unwrap();
        assert_eq!(found.hits[0].answer, "On the tracking page.");
        let alone = kb.put(&format!("/bases/{base}"), &keeper, json!({"shared": false})).await;
        assert_eq!(alone.data()["shared"], false);
        kb.get(&format!("/bases/{base}"), &keeper).await.refused(404, &[]);
        kb.get(&format!("/bases/{base}"), &agent).await.refused(404, &[]);
        assert!(kb.0.system.assistant.search_desk("where is my parcel", 2).await.unwrap().hits.is_empty());
    }

    async fn every_bad_field_is_named(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        kb.post("/bases", &user, json!({})).await.refused(400, &["name"]);
        let bad = json!({"name": "x".repeat(101), "description": "a\u{0}", "shared": "yes"});
        kb.post("/bases", &user, bad).await.refused(400, &["description", "name", "shared"]);
        let long = json!({"name": "a\nb", "description": "x".repeat(1001)});
        kb.post("/bases", &user, long).await.refused(422, &["description", "name"]);
        kb.get("/bases?page=0&size=101", &user).await.refused(400, &["page", "size"]);
        let base = kb.base(&user).await;
        let synonyms = format!("/bases/{base}/synonyms");
        for bad in [json!("a"), json!(["a"]), json!([["a"]]), json!([["a", "b"], ["c", "d|".repeat(40)]])] {
            let answer = kb.put(&synonyms, &user, json!({"synonyms": bad})).await;
            assert!(answer.body["errors"]["synonyms"].is_string(), "{}", answer.body);
        }
        kb.put(&synonyms, &user, json!({})).await.refused(400, &["synonyms"]);
        kb.post(&format!("/bases/{base}/ask"), &user, json!({"limit": 11})).await.refused(400, &["limit", "question"]);
        for _ in 1..50 {
            kb.base(&user).await;
        }
        kb.post("/bases", &user, json!({"name": "one more"})).await.refused(422, &[]);
    }
}
