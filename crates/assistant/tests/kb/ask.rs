//! Questions to a base, and that an answer is never out of date.

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{TestApp, shape};

use crate::helpers::{Kb, text};

const FILE: &str = "question,answer,aliases\n\
    如何申请退款？,在订单页点“申请退款”，三天内到账。,怎么退钱\n\
    多久可以发货？,付款后二十四小时内发货。,\n\
    支持哪些支付方式？,支持微信和支付宝。,怎么付款\n\
    How do I reset my password?,Use the link on the login page.,forgot password\n\
    Do you ship abroad?,We ship to forty countries.,international shipping\n";

testkit::both! {
    &[];

    async fn a_question_finds_its_entry(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        let nothing = kb.ask(&user, &base, "如何退款").await;
        assert_eq!(nothing, json!({"decision": "NONE", "confidence": 0.0, "answer": null, "hits": [], "engine": "embedded"}));
        kb.csv(&user, &base, "", FILE).await.data();

        let found = kb.ask(&user, &base, "请问怎么申请退款").await;
        shape(&found, &json!({
            "decision": "=ANSWER", "confidence": "number", "answer": "=在订单页点“申请退款”，三天内到账。",
            "hits": [{"entryId": "id:kbe", "question": "string", "answer": "string", "score": "number"}],
            "engine": "=embedded"
        }));
        let confidence = found["confidence"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&confidence), "{confidence}");
        assert_eq!(found["hits"][0]["question"], "如何申请退款？");
        for (question, first) in [
            ("I forgot my password", "How do I reset my password?"),
            ("Can you ship abroad", "Do you ship abroad?"),
            ("什么时候可以发货", "多久可以发货？"),
        ] {
            assert_eq!(kb.ask(&user, &base, question).await["hits"][0]["question"], first, "{question}");
        }
        let outside = kb.ask(&user, &base, "火星上有生命吗").await;
        assert_eq!((&outside["decision"], &outside["answer"]), (&json!("NONE"), &Value::Null));
        let one = kb.post(&format!("/bases/{base}/ask"), &user, json!({"question": "退款 发货 支付", "limit": 1})).await;
        assert_eq!(one.data()["hits"].as_array().unwrap().len(), 1);
        for hostile in ["'\"; DROP TABLE kb_entries; --", "%_~$1", "\u{202e}\u{200b}😀", "？", "的"] {
            kb.ask(&user, &base, hostile).await;
        }
    }

    async fn synonyms_are_the_owners_to_edit(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        let entry = kb.entry(&user, &base, "Where is the blorp?", "In the shed.").await;
        assert_eq!(kb.ask(&user, &base, "zwibble").await["hits"], json!([]));
        let path = format!("/bases/{base}/synonyms");
        assert_eq!(kb.get(&path, &user).await.data(), &json!({"synonyms": []}));
        let groups = json!({"synonyms": [["blorp", "zwibble"], ["小白", "洗衣机"]]});
        assert_eq!(kb.put(&path, &user, groups.clone()).await.data(), &groups);
        assert_eq!(kb.get(&path, &user).await.data(), &groups);
        assert_eq!(kb.ask(&user, &base, "zwibble").await["hits"][0]["entryId"], entry.as_str());
        kb.put(&path, &user, json!({"synonyms": []})).await.data();
        assert_eq!(kb.ask(&user, &base, "zwibble").await["hits"], json!([]));
    }

    async fn every_change_is_seen_by_the_next_question_in_every_process(t) {
        let again = testkit::TestDb { db: t.again().await, url: t.url.clone(), dir: testkit::tempfile::tempdir().unwrap() };
        let here = Kb::new(t).await;
        let user = here.0.user("zhang").await;
        // Another process on the same database, with keys of its own: its users log in there.
        let there = Kb(TestApp::new(again).await);
        let elsewhere = there.0.login(&user).await;
        let base = here.base(&user).await;
        let entry = here.entry(&user, &base, "Where is the museum?", "In Main Street.").await;
        let answer = async |kb: &Kb, user| kb.ask(user, &base, "where is the museum").await["answer"].clone();
        for round in 0..3 {
            let text = format!("In street {round}.");
            here.put(&format!("/entries/{entry}"), &user, json!({"answer": text})).await.data();
            assert_eq!(answer(&there, &elsewhere).await, text.as_str());
            assert_eq!(answer(&here, &user).await, text.as_str());
            let text = format!("In lane {round}.");
            there.put(&format!("/entries/{entry}"), &elsewhere, json!({"answer": text})).await.data();
            assert_eq!(answer(&here, &user).await, text.as_str());
        }
        there.put(&format!("/entries/{entry}"), &elsewhere, json!({"enabled": false})).await.data();
        assert_eq!(here.ask(&user, &base, "where is the museum").await["hits"], json!([]));
        there.put(&format!("/entries/{entry}"), &elsewhere, json!({"enabled": true})).await.data();
        assert_eq!(here.ask(&user, &base, "where is the museum").await["decision"], "ANSWER");
        here.delete(&format!("/entries/{entry}"), &user).await.data();
        assert_eq!(there.ask(&elsewhere, &base, "where is the museum").await["hits"], json!([]));
        here.delete(&format!("/bases/{base}"), &user).await.data();
        let gone = there.call(Method::POST, &format!("/bases/{base}/ask"), &elsewhere, json!({"question": "q"})).await;
        gone.refused(404, &[]);
    }

    async fn the_other_slices_ask_by_function(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        kb.csv(&user, &base, "", FILE).await.data();
        let found = kb.0.system.assistant.search_kb(&user.id, &base, "怎么退钱", 2).await.unwrap();
        assert_eq!(found.decision, assistant::kb::Decision::Answer);
        assert_eq!(found.hits[0].question, "如何申请退款？");
        assert_eq!(found.hits[0].kb_id, base);
        let list = kb.list(&user, &base, "q=退款").await;
        assert_eq!(found.hits[0].entry_id, text(&list[0], "entryId"));
    }
}
