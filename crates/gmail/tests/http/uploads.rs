//! Files to send: kept while they are needed, and no longer.

use std::time::Duration;

use db::{args, sql};
use futures_util::future::join_all;
use serde_json::json;
use testkit::app::shape;

use crate::{
    house::{House, good, refused},
    post_office::{mail_to_li, office, office_with, upload, uploaded},
};

const DAY: Duration = kernel::time::days(1);

/// How many files are known, and how many lie on disk.
async fn kept(house: &House) -> (i64, usize) {
    let mut conn = house.app.system.db.read().await.unwrap();
    let (rows,): (i64,) = conn.one(sql!("SELECT COUNT(*) FROM gmail_uploads"), args![]).await.unwrap();
    let mut files = 0;
    let mut folders = vec![house.app.dir.join("data/files/objects")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files += 1 }
        }
    }
    (rows, files)
}

testkit::both! {
    &testkit::app::migrations();

    async fn limits(t) {
        let Some((house, anna)) = office(t).await else { return };
        let answer = upload(&house, &anna, "../目录/照片.PNG", &testkit::app::png(2, 2)).await;
        shape(good(&answer), &json!({
            "id": "id:gup", "filename": "=照片.PNG", "size": answer.body["size"], "mime_type": "=image/png", "created_at": "time",
        }));
        refused(&upload(&house, &anna, "a.txt", b"").await, 422, &["file"]);
        let most = 25 * 1024 * 1024;
        assert_eq!(good(&upload(&house, &anna, "a.bin", &vec![1; most]).await)["size"], most);
        refused(&upload(&house, &anna, "a.bin", &vec![1; most + 1]).await, 413, &["file"]);
        refused(&upload(&house, &anna, "a.bin", &vec![1; most + 1_000_000]).await, 413, &["file"]);
        assert_eq!(kept(&house).await, (2, 2));
        let ben = house.app.user("ben").await;
        let path = format!("/attachments/{}/", answer.body["id"].as_str().unwrap());
        refused(&house.delete(&path, &ben).await, 404, &[]);
        good(&house.delete(&path, &anna).await);
        refused(&house.delete(&path, &anna).await, 404, &[]);
        house.app.run_due().await;
        assert_eq!(kept(&house).await, (1, 1));
    }

    /// A user's files have a limit together, whoever comes at once; what is removed makes room.
    async fn all_together(t) {
        let Some((house, anna)) = office_with(t, |settings| settings.gmail.send.uploads = 1000).await else { return };
        let ben = house.app.user("ben").await;
        let id = uploaded(&house, &anna, "a.bin", &[1; 600]).await;
        let answers = join_all((0..4).map(|_| upload(&house, &anna, "b.bin", &[2; 300]))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            refused(answer, 422, &["file"]);
        }
        good(&upload(&house, &ben, "c.bin", &[3; 1000]).await);
        refused(&upload(&house, &ben, "d.bin", &[4; 1]).await, 422, &["file"]);
        house.app.run_due().await;
        assert_eq!(kept(&house).await, (3, 3));
        good(&house.delete(&format!("/attachments/{}/", id.as_str().unwrap()), &anna).await);
        good(&upload(&house, &anna, "e.bin", &[5; 700]).await);
    }

    /// A week after its upload, or after a mail had it last; a mail that waits keeps it.
    async fn a_week(t) {
        let Some((house, anna)) = office(t).await else { return };
        uploaded(&house, &anna, "unused.txt", b"unused").await;
        let used = uploaded(&house, &anna, "used.txt", b"used").await;
        let at = house.app.now() + DAY * 10;
        house.hold(&anna, mail_to_li(json!({"attachments": [used], "send_at": at}))).await;
        let path = format!("/attachments/{}/", used.as_str().unwrap());
        refused(&house.delete(&path, &anna).await, 409, &[]);
        for (days, left) in [(6, 2), (1, 1), (2, 1), (1, 1), (6, 1), (2, 0)] {
            house.pass(DAY * days).await;
            house.app.run_due().await;
            assert_eq!(kept(&house).await, (left, usize::try_from(left).unwrap()), "after {days} more days");
        }
        assert!(house.only_sent().await.contains("used.txt"));
    }
}
