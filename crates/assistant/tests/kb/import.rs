//! Files in and out.

use axum::http::{Method, header};
use serde_json::{Value, json};

use crate::helpers::{Kb, questions, text};

fn form(name: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--X\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nx\r\n--X\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
    );
    [head.as_bytes(), bytes, b"\r\n--X--\r\n"].concat()
}

testkit::both! {
    &[];

    async fn a_table_comes_in_and_once_more_changes_nothing(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        let file = "\u{feff}问题,答案,相似问法,标签,备注\r\n如何退款？,\"在订单页\r\n点退款\",怎么退钱|退款流程,售后,x\r\n\
            多久到货,三天,,,\r\n";
        let dry = kb.csv(&user, &base, "?dryRun=true", file).await;
        let done = json!({
            "dryRun": true, "format": "csv", "created": 2, "updated": 0, "unchanged": 0, "ignored": ["column 备注"]
        });
        assert_eq!(*dry.data(), done);
        assert_eq!(kb.list(&user, &base, "").await, Vec::<Value>::new());
        assert_eq!(kb.csv(&user, &base, "", file).await.data()["created"], 2);
        let before = kb.list(&user, &base, "").await;
        assert_eq!(questions(&before), ["多久到货", "如何退款？"]);
        assert_eq!(before[1]["aliases"], json!(["怎么退钱", "退款流程"]));
        assert_eq!(before[1]["answer"], "在订单页\n点退款");
        assert_eq!(before[1]["tags"], json!(["售后"]));

        kb.0.clock.set(kb.0.now() + std::time::Duration::from_secs(60));
        let again = kb.csv(&user, &base, "", file).await;
        assert_eq!((&again.data()["unchanged"], &again.data()["updated"]), (&json!(2), &json!(0)));
        assert_eq!(kb.list(&user, &base, "").await, before, "not even touched");

        let newer = "answer;question\n五天;多久 到货？\n五天;新的\n";
        let newer = newer.replace("多久 到货", "多久到货");
        let done = kb.csv(&user, &base, "", newer).await;
        let done = |field: &str| done.data()[field].clone();
        assert_eq!([done("created"), done("updated"), done("unchanged")], [json!(1), json!(1), json!(0)]);
        let after = kb.list(&user, &base, "q=到货").await;
        assert_eq!(after[0]["entryId"], before[0]["entryId"], "known by its question");
        assert_eq!((&after[0]["answer"], &after[0]["question"]), (&json!("五天"), &json!("多久到货？")));
        assert_eq!(kb.get(&format!("/bases/{base}"), &user).await.data()["entries"], 3);
    }

    async fn what_goes_out_comes_in_the_same(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let (base, copy) = (kb.base(&user).await, kb.base(&user).await);
        for (question, answer) in [
            ("=HYPERLINK(\"http://x\")", "+1, \"quoted\"; 'single'\n\nline\tTab"),
            ("'=x", "-5"),
            ("你好，“世界”？", "# 标题\n| a | b |\n```\ncode\n```"),
        ] {
            let body = json!({"question": question, "answer": answer, "aliases": ["@a, b", "c;d"], "tags": ["x y"]});
            kb.post(&format!("/bases/{base}/entries"), &user, body).await.data();
        }
        let last = kb.entry(&user, &base, "off", "off").await;
        kb.put(&format!("/entries/{last}"), &user, json!({"enabled": false})).await.data();
        let out = kb.get(&format!("/bases/{base}/export"), &user).await;
        assert_eq!(out.headers[header::CONTENT_TYPE], "text/csv; charset=utf-8");
        assert!(out.headers[header::CONTENT_DISPOSITION].to_str().unwrap().contains(&format!("{base}.csv")));
        assert!(out.bytes.starts_with("\u{feff}question,answer,aliases,tags,enabled\n".as_bytes()));
        for (formula, line) in String::from_utf8_lossy(&out.bytes).lines().map(|l| (['=', '+', '-', '@'], l.to_owned())) {
            assert!(!line.trim_start_matches('"').starts_with(formula), "{line}");
        }
        let own = kb.csv(&user, &base, "", out.bytes.clone()).await;
        assert_eq!(own.data()["unchanged"], 4);
        assert_eq!(kb.csv(&user, &copy, "", out.bytes.clone()).await.data()["created"], 4);
        let again = kb.get(&format!("/bases/{copy}/export"), &user).await;
        assert_eq!(again.bytes, out.bytes);
    }

    async fn markdown_comes_in(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        let file = "Our answers\n\n# 售后\n## 如何退款？\n在**订单页**。\n\n## 多久？\n三天\n# Hello?\nHi!\n";
        let path = format!("/bases/{base}/import");
        let done = kb.send(Method::POST, &path, &user, "text/markdown; charset=utf-8", file).await;
        assert_eq!(*done.data(), json!({
            "dryRun": false, "format": "markdown", "created": 3, "updated": 0, "unchanged": 0,
            "ignored": ["the text before the first heading"]
        }));
        let list = kb.list(&user, &base, "").await;
        assert_eq!(questions(&list), ["Hello?", "多久？", "如何退款？"]);
        assert_eq!((&list[2]["tags"], &list[2]["answer"]), (&json!(["售后"]), &json!("在**订单页**。")));
        let again = kb.send(Method::POST, &path, &user, "multipart/form-data; boundary=X", form("faq.MD", file.as_bytes()));
        assert_eq!(again.await.data()["unchanged"], 3);
        let bad = kb.send(Method::POST, &path, &user, "text/markdown", "# A\ntext\n# B\n").await;
        bad.refused(422, &["lines[3].answer"]);
    }

    async fn all_rows_or_none(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        let long = "x".repeat(8001);
        let file = format!("question,answer,tags,enabled\nq1,a1,,\n,a2,,\nq3,{long},,\nQ1?,again,,\nq5,a,,maybe\nq6,a,,,more\nq7,a,{},\n", "t".repeat(51));
        for query in ["?dryRun=true", ""] {
            let refused = kb.csv(&user, &base, query, file.clone()).await;
            refused.refused(
                422,
                &["rows[3].question", "rows[4].answer", "rows[5].question", "rows[6].enabled", "rows[7]", "rows[8].tags"],
            );
            assert!(text(&refused.body["errors"], "rows[5].question").contains("rows[2]"));
        }
        assert_eq!(kb.get(&format!("/bases/{base}"), &user).await.data()["entries"], 0);

        let many: String = (0..200).map(|n| format!(",a{n}\n")).collect();
        let refused = kb.csv(&user, &base, "", format!("question,answer\n{many}")).await;
        assert_eq!(refused.body["errors"].as_object().unwrap().len(), 100);
        assert!(text(&refused.body, "message").contains("100 more"), "{}", refused.body["message"]);
    }

    async fn files_that_are_none(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        for (file, status, field) in [
            (&b""[..], 422, "file"),
            (b"\xef\xbb\xbf", 422, "file"),
            (b"question,answer\n", 422, "file"),
            (b"question,answer\n,\n \n", 422, "file"),
            (b"q,reply\nx,y\n", 422, "header.answer"),
            (b"just text", 422, "header.question"),
            (b"question,answer\nq,\xb4\xf0\xb0\xb8\n", 400, "file"),
            (b"\xff\xfeq\0", 400, "file"),
            (b"question,answer\nq\0,a\n", 422, "rows[2].question"),
        ] {
            let refused = kb.csv(&user, &base, "", file).await;
            assert_eq!(refused.status, status, "{}", refused.body);
            assert!(refused.body["errors"][field].is_string(), "{field}: {}", refused.body);
        }
        let gbk = kb.csv(&user, &base, "", &b"question,answer\nq,\xb4\xf0\n"[..]).await;
        assert_eq!(gbk.body["errors"]["file"], "is not UTF-8 in line 2 (byte 19)");
        let path = format!("/bases/{base}/import");
        kb.send(Method::POST, &path, &user, "application/json", "{}").await.refused(400, &["format"]);
        kb.send(Method::POST, &format!("{path}?format=xls&dryRun=1"), &user, "text/csv", "").await
            .refused(400, &["dryRun", "format"]);
        let multipart = "multipart/form-data; boundary=X";
        kb.send(Method::POST, &path, &user, multipart, "--X--\r\n").await.refused(400, &["file"]);
        kb.send(Method::POST, &path, &user, multipart, "nonsense").await.refused(400, &[]);
        kb.send(Method::POST, &path, &user, multipart, form("x.bin", b"question,answer\n")).await.refused(400, &["format"]);
        let told = format!("{path}?format=csv");
        assert_eq!(kb.send(Method::POST, &told, &user, multipart, form("x", b"question,answer\na,b")).await.data()["created"], 1);
        let huge = vec![b'a'; 16 * 1024 * 1024 + 1];
        kb.csv(&user, &base, "", huge.clone()).await.refused(413, &["file"]);
        kb.send(Method::POST, &path, &user, multipart, form("a.csv", &huge)).await.refused(413, &["file"]);
        assert_eq!(kb.get(&format!("/bases/{base}"), &user).await.data()["entries"], 1);
    }

    async fn a_base_has_its_bounds(t) {
        let kb = Kb::new(t).await;
        let user = kb.0.user("zhang").await;
        let base = kb.base(&user).await;
        let rows = |from: usize, to: usize| -> String {
            let rows = (from..to).map(|n| format!("question number {n},answer\n"));
            std::iter::once("question,answer\n".to_owned()).chain(rows).collect()
        };
        kb.csv(&user, &base, "", rows(0, 20_001)).await.refused(422, &["file"]);
        assert_eq!(kb.csv(&user, &base, "", rows(0, 20_000)).await.data()["created"], 20_000);
        let body = json!({"question": "one more", "answer": "a"});
        let full = kb.post(&format!("/bases/{base}/entries"), &user, body).await;
        full.refused(422, &[]);
        assert!(text(&full.body, "message").contains("20000"));
        kb.csv(&user, &base, "", rows(20_000, 20_001)).await.refused(422, &[]);
        assert_eq!(kb.csv(&user, &base, "", rows(19_000, 20_000)).await.data()["unchanged"], 1000);

        let heavy = kb.base(&user).await;
        let big = "字".repeat(8000);
        let file = |from: usize| -> String {
            let rows = (from..from + 600).map(|n| format!("q{n},{big}\n"));
            std::iter::once("question,answer\n".to_owned()).chain(rows).collect()
        };
        assert_eq!(kb.csv(&user, &heavy, "", file(0)).await.data()["created"], 600);
        assert_eq!(kb.csv(&user, &heavy, "", file(600)).await.data()["created"], 600);
        let full = kb.csv(&user, &heavy, "", file(1200)).await;
        full.refused(422, &[]);
        assert!(text(&full.body, "message").contains("32 MiB"), "{}", full.body);
        assert_eq!(kb.get(&format!("/bases/{heavy}"), &user).await.data()["entries"], 1200);
    }
}
