//! Received HTML made safe to look at.

use mail::html::{Images, Shown, show};

fn clean(html: &str) -> Shown {
    show(html, Images::Blocked, |id| (id == "logo@x").then(|| "/api/files/7?inline=1".to_owned()))
}

#[test]
fn nothing_runs_loads_or_covers() {
    for html in [
        "<script>alert(1)</script>ok",
        "<img src=x onerror=alert(1)>ok",
        "<a href=\"javascript:alert(1)\">ok</a>",
        "<a href=\" java\tscript:alert(1)\">ok</a>",
        "<a href=\"data:text/html,<script>alert(1)</script>\">ok</a>",
        "<a href='/relative'>ok</a><a href='//evil.example/x'>ok</a>",
        "<iframe src=\"https://evil.example\"></iframe>ok",
        "<object data=x></object><embed src=x>ok",
        "<form action=\"https://evil.example\"><input name=p><button>ok</button></form>",
        "<style>body{display:none}</style>ok",
        "<div style=\"position:fixed;top:0;left:0;z-index:9\">ok</div>",
        "<div style=\"margin:-999px;background:url(https://evil.example/t)\">ok</div>",
        "<div style=\"background-color:url(https://evil.example/t)\">ok</div>",
        "<table background=\"https://evil.example/t\"><tr><td>ok</td></tr></table>",
        "<svg><script>alert(1)</script></svg>ok",
        "<math><mtext><img src=x onerror=alert(1)></math>ok",
        "<meta http-equiv=refresh content='0;url=https://evil.example'>ok",
        "<base href=\"https://evil.example/\"><a href=x>ok</a>",
        "<link rel=stylesheet href=\"https://evil.example/x.css\">ok",
        "<img src=\"data:image/svg+xml;base64,PHN2Zz4=\">ok",
        "<img srcset=\"https://evil.example/t 1x\" src=\"cid:none\">ok",
        "<video src=\"https://evil.example/t\" poster=x></video>ok",
        "<q cite=\"https://evil.example\">ok</q>",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\"></noscript>ok",
        "<div id=app class=admin>ok</div>",
        "<map><area href=\"https://evil.example\"></map>ok",
    ] {
        let shown = clean(html);
        let lower = shown.html.to_lowercase();
        assert!(lower.contains("ok"), "{html} -> {lower}");
        for bad in [
            "script",
            "onerror",
            "<iframe",
            "<object",
            "<embed",
            "<form",
            "<input",
            "<button",
            "<style",
            "position",
            "z-index",
            "url(",
            "<svg",
            "<math",
            "<meta",
            "<base",
            "<link",
            "srcset",
            "<video",
            " src=",
            "evil.example",
            "id=",
            "class=",
            "/relative",
            "<area",
        ] {
            assert!(!lower.contains(bad), "{bad} in {html} -> {lower}");
        }
    }
}

#[test]
fn remote_images_wait_to_be_asked_for() {
    let html = "<p>a</p><img src=\"https://t.example/p.gif?u=1&amp;v=2\" width=1 alt=\"x > y\"><IMG SRC='http://t.example/2'>\
                <p>src=\"x-blocked:text\"</p>";
    let off = clean(html);
    assert_eq!(off.blocked_images, 2);
    assert!(off.html.contains("data-blocked-src=\"https://t.example/p.gif?u=1&amp;v=2\""), "{}", off.html);
    assert!(!off.html.contains(" src=\"http") && off.html.contains("src=\"x-blocked:text\""), "{}", off.html);
    let on = show(html, Images::Remote, |_| None);
    assert_eq!(on.blocked_images, 0);
    assert!(on.html.contains(" src=\"https://t.example/p.gif?u=1&amp;v=2\""), "{}", on.html);
    assert!(on.html.contains(" src=\"https://t.example/2\"") && !on.html.contains("http:"), "{}", on.html);
}

#[test]
fn enclosed_images_come_from_us() {
    let shown =
        clean("<img src=\"cid:logo@x\"><img src=\"CID:gone%40x\"><img src=\"data:image/png;base64,AAAA\">");
    assert!(shown.html.contains("src=\"/api/files/7?inline=1\""), "{}", shown.html);
    assert!(shown.html.contains("data:image/png") && !shown.html.contains("gone"), "{}", shown.html);
    assert_eq!(shown.blocked_images, 0);
    assert!(clean("<img src=\"cid:logo%40x\">").html.contains("files/7"));
}

#[test]
fn looks_and_links_stay() {
    let shown = clean(
        "<div style=\"color:red;display:none;font-size:12pt\" dir=rtl><b>x</b></div><a href=\"https://a.example\">a</a>\
         <a href=\"mailto:a@b.example\">m</a><table border=1 width=\"100%\"><tr><td bgcolor=\"#fff\">1</td></tr></table>",
    );
    let html = &shown.html;
    assert!(
        html.contains("color:red") && html.contains("font-size:12pt") && !html.contains("display"),
        "{html}"
    );
    assert!(
        html.contains("rel=\"noopener noreferrer nofollow\"") && html.contains("target=\"_blank\""),
        "{html}"
    );
    assert!(
        html.contains("mailto:a@b.example") && html.contains("bgcolor") && html.contains("dir=\"rtl\""),
        "{html}"
    );
}

#[test]
fn depth_is_no_danger() {
    for open in ["<div>", "<b>", "<blockquote>", "<table><tr><td>", "<font>", "<a href=x>"] {
        let html = format!("{}deep", open.repeat(5_000));
        assert!(mail::html::to_text(&html).contains("deep"), "{open}");
        let shown = clean(&html);
        assert!(shown.html.contains("deep") && shown.text_only, "{open}");
    }
    // Each of the formatting elements would be opened again in each paragraph.
    let fonts: String = (0..2000).map(|n| format!("<font color={n}>")).collect();
    let shown = clean(&format!("{fonts}{}<p>end", "<p>x".repeat(50_000)));
    assert!(shown.text_only && shown.html.contains("end"));
    // A large, well-formed newsletter is none of these.
    let row = "<tr><td style=\"color:red\"><font size=2><b>x</b></font><p>y</td></tr>";
    let shown = clean(&format!("<table>{}</table>", row.repeat(1000)));
    assert!(!shown.text_only && shown.html.contains("color:red"));
}
