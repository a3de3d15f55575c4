//! Entries: made, changed, found in lists, and what is refused.

use serde_json::json;
use testkit::app::shape;

use crate::helpers::{Kb, questions, text};

testkit::both! {
    &[];

    async fn an_entry_is_made_changed_and_deleted(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        let made = kb
            .post(
                &format!("/bases/{base}/entries"),
                &user,
                json!({
                    "question": "  如何申请退款？ ", "answer": "\r\n在订单页\r\n点“退款”。\n",
                    "aliases": ["怎么退钱", "怎么退钱", "退款流程"], "tags": ["售后"]
                }),
            )
            .await;
        shape(
            made.data(),
            &json!({
                "entryId": "id:kbe", "kbId": format!("={base}"), "question": "=如何申请退款？",
                "answer": "=在订单页\n点“退款”。", "aliases": ["string"], "tags": ["=售后"],
                "enabled": true, "language": "=zh", "createdAt": "time", "updatedAt": "time"
            }),
        );
        assert_eq!(made.data()["aliases"], json!(["怎么退钱", "退款流程"]));
        let path = format!("/entries/{}", text(made.data(), "entryId"));
        assert_eq!(kb.get(&path, &user).await.data(), made.data());

        let changed = kb.put(&path, &user, json!({"answer": "Ask us.", "tags": [], "enabled": false})).await;
        assert_eq!(changed.data()["question"], "如何申请退款？");
        assert_eq!(changed.data()["tags"], json!([]));
        assert_eq!(changed.data()["enabled"], false);
        assert_eq!(changed.data()["aliases"], json!(["怎么退钱", "退款流程"]), "absent fields stay");
        let english = json!({"question": "How do I return it?"});
        assert_eq!(kb.put(&path, &user, english).await.data()["language"], "en");

        kb.delete(&path, &user).await.data();
        kb.get(&path, &user).await.refused(404, &[]);
        kb.delete(&path, &user).await.refused(404, &[]);
        assert_eq!(kb.get(&format!("/bases/{base}"), &user).await.data()["entries"], 0);
    }

    async fn one_question_once(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let (base, other) = (kb.base(&user).await, kb.base(&user).await);
        let first = kb.entry(&user, &base, "How long does it take?", "Two days.").await;
        let second = kb.entry(&user, &base, "How much is it?", "Nothing.").await;
        let again = json!({"question": "how LONG  does it take", "answer": "x"});
        let refused = kb.post(&format!("/bases/{base}/entries"), &user, again.clone()).await;
        refused.refused(409, &["question"]);
        assert!(text(&refused.body["errors"], "question").contains(&first));
        kb.put(&format!("/entries/{second}"), &user, again.clone()).await.refused(409, &["question"]);
        kb.put(&format!("/entries/{first}"), &user, again.clone()).await.data();
        kb.post(&format!("/bases/{other}/entries"), &user, again).await.data();
        assert_eq!(kb.get(&format!("/bases/{base}"), &user).await.data()["entries"], 2);
    }

    async fn lists_are_filtered_and_paged(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        let file = "question,answer,aliases,tags,enabled\n\
            如何退款,在订单页,怎么退钱,售后,true\n\
            Is it 100%_free?,Yes ~ always,,price|shop,true\n\
            Opening hours?,Nine to five,When are you open,shop,false\n";
        kb.csv(&user, &base, "", file).await.data();
        let list = async |query: &str| questions(&kb.list(&user, &base, query).await);
        assert_eq!(list("").await, ["Opening hours?", "Is it 100%_free?", "如何退款"]);
        assert_eq!(list("q=退钱").await, ["如何退款"], "in another way to ask");
        assert_eq!(list("q=NINE").await, ["Opening hours?"], "in the answer");
        assert_eq!(list("q=100%25_").await, ["Is it 100%_free?"]);
        assert_eq!(list("q=%25").await, ["Is it 100%_free?"], "no wildcard");
        assert_eq!(list("q=~").await, ["Is it 100%_free?"]);
        assert_eq!(list("q=\"").await, [""; 0]);
        assert_eq!(list("tag=shop").await, ["Opening hours?", "Is it 100%_free?"]);
        assert_eq!(list("tag=sho").await, [""; 0]);
        assert_eq!(list("enabled=false").await, ["Opening hours?"]);
        assert_eq!(list("tag=shop&enabled=true&q=is").await, ["Is it 100%_free?"]);
        assert_eq!(list("size=1&page=3").await, ["如何退款"]);
        let past = kb.get(&format!("/bases/{base}/entries?page=9&tag=shop"), &user).await;
        assert_eq!((&past.data()["list"], &past.data()["total"]), (&json!([]), &json!(2)));
        kb.get(&format!("/bases/{base}/entries?enabled=maybe&page=x"), &user).await.refused(400, &["enabled", "page"]);
    }

    async fn what_is_refused_is_named(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        let path = format!("/bases/{base}/entries");
        kb.post(&path, &user, json!({})).await.refused(400, &["answer", "question"]);
        kb.post(&path, &user, json!({"question": 1, "answer": [], "aliases": "a", "tags": {}, "enabled": 1}))
            .await
            .refused(400, &["aliases", "answer", "enabled", "question", "tags"]);
        kb.post(&path, &user, json!({
            "question": "字".repeat(501), "answer": "字".repeat(8001), "aliases": ["a|b"],
            "tags": ["x".repeat(51)]
        }))
        .await
        .refused(422, &["aliases", "answer", "question", "tags"]);
        let many: Vec<String> = (0..21).map(|n| format!("alias {n}")).collect();
        kb.post(&path, &user, json!({"question": "a\nb", "answer": " \n", "aliases": many}))
            .await
            .refused(422, &["aliases", "answer", "question"]);
        let most = json!({"question": "字".repeat(500), "answer": "😀".repeat(8000)});
        kb.post(&path, &user, most).await.data();
        for path in ["/entries/kbe_00", "/entries/..%2f", "/bases/kb_'--/entries"] {
            kb.get(path, &user).await.refused(404, &[]);
        }
    }
}
