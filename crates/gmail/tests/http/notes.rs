//! Notes on a conversation.

use serde_json::json;
use testkit::{app::shape, google::BRAND};

use crate::house::{House, good, refused};

testkit::both! {
    &testkit::app::migrations();

    async fn written_changed_removed(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        house.connect(&anna, BRAND).await;
        let (one, two) =
            (house.converse(&anna, BRAND, "x@example.org").await, house.converse(&anna, BRAND, "y@example.org").await);
        let notes = format!("/conversations/{one}/notes/");
        let made = house.post(&notes, &anna, json!({"text": "周一打电话\nBudget 500"})).await;
        shape(good(&made), &json!({
            "id": 1, "conversation_id": one, "text": "=周一打电话\nBudget 500", "created_at": "time", "updated_at": "time",
        }));
        good(&house.post(&notes, &anna, json!({"text": "second"})).await);
        house.app.clock.advance(std::time::Duration::from_secs(5));
        let changed = house.put(&format!("{notes}1/"), &anna, json!({"text": "first, changed"})).await;
        assert_eq!(good(&changed)["text"], "first, changed");
        assert!(changed.body["updated_at"].as_str() > changed.body["created_at"].as_str());
        let list = house.get(&notes, &anna).await;
        let texts: Vec<_> = good(&list)["results"].as_array().unwrap().iter().map(|n| n["text"].clone()).collect();
        assert_eq!((texts, &list.body["count"]), (vec![json!("second"), json!("first, changed")], &json!(2)));
        for path in [format!("/conversations/{two}/notes/1/"), format!("{notes}9/"), format!("{notes}x/")] {
            refused(&house.put(&path, &anna, json!({"text": "x"})).await, 404, &[]);
            refused(&house.delete(&path, &anna).await, 404, &[]);
        }
        for (body, status) in [(json!({}), 400), (json!({"text": " "}), 422), (json!({"text": "a".repeat(4001)}), 422)] {
            refused(&house.post(&notes, &anna, body.clone()).await, status, &["text"]);
            refused(&house.put(&format!("{notes}1/"), &anna, body).await, status, &["text"]);
        }
        good(&house.delete(&format!("{notes}1/"), &anna).await);
        refused(&house.delete(&format!("{notes}1/"), &anna).await, 404, &[]);
        assert_eq!(good(&house.get(&notes, &anna).await)["count"], 1);
    }
}
