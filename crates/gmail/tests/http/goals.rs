//! Goals: set, listed, changed, removed; which of them leads.

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::shape;

use crate::{
    house::{good, refused},
    talk::Talk,
};

testkit::both! {
    &testkit::app::migrations();

    /// The seed's calls.
    async fn set_and_listed(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let body = json!({"conversation_id": talk.conversation, "goal_description": "Agree on a video"});
        let made = talk.post("/goals/", body).await;
        shape(&made, &json!({
            "id": 1, "conversation_id": talk.conversation, "goal_description": "=Agree on a video", "priority": 3,
            "auto_reply": false, "created_at": "time", "status": "=success", "active": true, "progress": "=open",
            "progress_note": null, "reached_at": null, "instructions": null, "follow_up_days": [], "follow_ups_sent": 0,
            "updated_at": "time",
        }));
        talk.goal(json!({"priority": 5, "instructions": "Be brief.", "follow_up_days": [3, 7]})).await;
        let list = talk.get(&format!("/goals/?conversation_id={}", talk.conversation)).await;
        assert_eq!((&list["count"], &list["results"][0]["id"]), (&json!(2), &json!(2)));
        assert_eq!(list["results"][0]["follow_up_days"], json!([3, 7]));
        assert_eq!(talk.get("/goals/?page_size=1&page=2").await["results"][0]["id"], 1);
        assert_eq!(talk.get("/goals/?conversation_id=99").await["count"], 0);
        let change = json!({"active": false, "priority": 1, "goal_description": "Other"});
        let changed = talk.house.patch("/goals/1/", &talk.anna(), change).await;
        assert_eq!((&good(&changed)["active"], &changed.body["priority"]), (&json!(false), &json!(1)));
        assert_eq!(talk.get("/goals/?active=true").await["count"], 1);
        assert_eq!(talk.get("/goals/?active=0").await["results"][0]["id"], 1);
        assert_eq!(talk.get("/goals/1").await["goal_description"], "Other");
        let cleared = talk.house.patch("/goals/2/", &talk.anna(), json!({"instructions": null, "progress": "reached"})).await;
        assert!(good(&cleared)["instructions"].is_null() && cleared.body["reached_at"].is_string(), "{}", cleared.body);
        good(&talk.house.delete("/goals/1/", &talk.anna()).await);
        refused(&talk.house.get("/goals/1/", &talk.anna()).await, 404, &[]);
        assert_eq!(talk.get("/goals/").await["count"], 1);
    }

    /// Every bad field by its name; nobody else's.
    async fn refusals(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let house = &talk.house;
        let goal = talk.goal(json!({})).await;
        refused(&house.post("/goals/", &talk.anna(), json!({})).await, 400, &["conversation_id", "goal_description"]);
        let bad = json!({"conversation_id": talk.conversation, "goal_description": " ", "priority": 6,
            "follow_up_days": [1, 2, 3, 4, 5, 6]});
        let fields = ["follow_up_days", "goal_description", "priority"];
        refused(&house.post("/goals/", &talk.anna(), bad).await, 422, &fields);
        let bad = json!({"conversation_id": talk.conversation, "goal_description": "x", "follow_up_days": [0]});
        refused(&house.post("/goals/", &talk.anna(), bad).await, 422, &["follow_up_days"]);
        let bad = json!({"conversation_id": talk.conversation, "goal_description": "x", "auto_reply": "yes"});
        refused(&house.post("/goals/", &talk.anna(), bad).await, 400, &["auto_reply"]);
        refused(&house.patch(&format!("/goals/{goal}/"), &talk.anna(), json!({"progress": "done"})).await, 400, &["progress"]);
        refused(&house.get("/goals/?page_size=101", &talk.anna()).await, 400, &["page_size"]);
        refused(&house.get("/goals/?active=perhaps", &talk.anna()).await, 400, &["active"]);
        let missing = json!({"conversation_id": 99, "goal_description": "x"});
        refused(&house.post("/goals/", &talk.anna(), missing).await, 404, &[]);
        let ben = house.app.user("ben").await;
        let theirs = json!({"conversation_id": talk.conversation, "goal_description": "x"});
        refused(&house.post("/goals/", &ben, theirs).await, 404, &[]);
        for (method, body) in
            [(Method::GET, None), (Method::PATCH, Some(json!({"active": false}))), (Method::DELETE, None)]
        {
            refused(&house.call(method, &format!("/goals/{goal}/"), Some(&ben), body).await, 404, &[]);
        }
        assert_eq!(good(&house.get("/goals/", &ben).await)["count"], 0);
        assert_eq!(house.call(Method::GET, "/goals/", None, None).await.status, 401);
    }

    /// The highest priority leads, of equals the newest; what is reached or inactive does not.
    async fn which_leads(t) {
        let Some(talk) = Talk::new(t).await else { return };
        let leads = async || -> Value {
            let body = json!({"conversation_id": talk.conversation});
            talk.post("/recommended-reply/", body).await["goal"]["id"].clone()
        };
        assert!(leads().await.is_null());
        talk.goal(json!({"priority": 4})).await;
        talk.goal(json!({"priority": 2})).await;
        assert_eq!(leads().await, 1);
        talk.goal(json!({"priority": 4})).await;
        assert_eq!(leads().await, 3);
        good(&talk.house.patch("/goals/3/", &talk.anna(), json!({"progress": "failed"})).await);
        assert_eq!(leads().await, 1);
        good(&talk.house.patch("/goals/1/", &talk.anna(), json!({"active": false})).await);
        assert_eq!(leads().await, 2);
    }
}
