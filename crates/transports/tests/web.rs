//! The HTTP client against servers that misbehave.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Request;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use transports::web::{Reach, Web, WebError, WebSettings};

/// Answers every connection with these octets and leaves it open; how many came.
async fn server(answer: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/geheim", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            // A request of a few lines comes in one piece; the client may be gone already.
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            open.push(stream);
        }
    });
    (url, count)
}

async fn get(url: &str, settings: &WebSettings) -> Result<http::Response<Vec<u8>>, WebError> {
    Web::new(settings).unwrap().send(Request::get(url).body(Vec::new()).unwrap()).await
}

fn failed(answer: Result<http::Response<Vec<u8>>, WebError>) -> (String, bool) {
    match answer.unwrap_err() {
        WebError::Failed { reason, in_doubt } => {
            assert!(!reason.contains("geheim"), "{reason}");
            (reason, in_doubt)
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (inside, visits) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    let (url, _) =
        server(format!("HTTP/1.1 307 Go\r\nlocation: {inside}\r\ncontent-length: 2\r\n\r\nno")).await;
    let answer = get(&url, &WebSettings::new(Reach::Anywhere)).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().as_slice()), (307, &b"no"[..]));
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_long_answer_is_cut_off() {
    let settings = WebSettings { max_answer: 1000, ..WebSettings::new(Reach::Anywhere) };
    let body = |n: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {n}\r\n\r\n{}", "x".repeat(n));
    let (url, _) = server(body(1000)).await;
    assert_eq!(get(&url, &settings).await.unwrap().body().len(), 1000);
    let (url, _) = server(body(1001)).await;
    assert_eq!(
        failed(get(&url, &settings).await),
        ("the answer is larger than 1000 octets".to_owned(), true)
    );
}

/// No answer, half an answer, no HTTP: all within the time, and in doubt.
#[tokio::test]
async fn silence_ends() {
    let settings = WebSettings { timeout: Duration::from_millis(300), ..WebSettings::new(Reach::Anywhere) };
    for said in ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "220 mail.example.com ESMTP\r\n"] {
        let (url, _) = server(said.to_owned()).await;
        let (reason, in_doubt) = failed(get(&url, &settings).await);
        assert!(in_doubt, "{said}: {reason}");
    }
}

/// A client's narrower self keeps its own limits; a wider one does not exist.
#[tokio::test]
async fn a_limited_client() {
    let web = Web::new(&WebSettings { max_answer: 1000, ..WebSettings::new(Reach::Anywhere) }).unwrap();
    let narrow = web.limited(Duration::from_millis(300), 10);
    let get = |url: &str| Request::get(url).body(Vec::new()).unwrap();
    let body = |n: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {n}\r\n\r\n{}", "x".repeat(n));
    let (url, _) = server(body(11)).await;
    assert_eq!(failed(narrow.send(get(&url)).await).0, "the answer is larger than 10 octets");
    let (url, _) = server(body(11)).await;
    assert_eq!(web.send(get(&url)).await.unwrap().body().len(), 11);
    let (silent, _) = server(String::new()).await;
    assert!(failed(narrow.send(get(&silent)).await).1);
    let (url, _) = server(body(1001)).await;
    let wide = narrow.limited(Duration::MAX, usize::MAX);
    assert_eq!(failed(wide.send(get(&url)).await).0, "the answer is larger than 10 octets");
}

#[tokio::test]
async fn what_leads_inside_is_not_called() {
    let (url, visits) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    let public = WebSettings::new(Reach::Public);
    for url in [url.clone(), url.replace("http:", "https:"), url.replace("127.0.0.1", "localhost")] {
        assert!(matches!(get(&url, &public).await, Err(WebError::Refused(_))), "{url}");
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}
