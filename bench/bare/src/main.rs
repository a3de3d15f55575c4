//! `bare PORT URL`: ten letters as JSON over one query and nothing else, for comparison.

use axum::{Json, Router, extract::State, routing::get, serve::ListenerExt};
use serde::Serialize;
use sqlx::{PgPool, postgres::PgPoolOptions};

#[derive(Serialize, sqlx::FromRow)]
struct Letter {
    id: i64,
    sender_id: i64,
    recipient_id: i64,
    subject: String,
    status: String,
    created_at: String,
    preview: String,
}

const LIST: &str = "SELECT id, sender_id, recipient_id, subject, status, created_at::text AS created_at,
    left(body, 120) AS preview FROM raw_letters WHERE recipient_id = $1 ORDER BY created_at DESC LIMIT 10";

async fn list(State(pool): State<PgPool>) -> Json<Vec<Letter>> {
    // Anybody of ten thousand: the nanoseconds are random enough.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let letters = sqlx::query_as(LIST).bind(i64::from(now.subsec_nanos() % 10_000)).fetch_all(&pool).await;
    Json(letters.unwrap())
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let pool = PgPoolOptions::new().max_connections(8).connect(&arguments[2]).await.unwrap();
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{}", arguments[1])).await.unwrap();
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, Router::new().route("/letters", get(list)).with_state(pool)).await.unwrap();
}
