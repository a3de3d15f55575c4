//! SQL on `gmail_terms`: what messages are found by.

use db::{Result, Tx, args, sql};

/// Keeps what a message is found by (`kernel::terms::of_message`).
pub(crate) async fn insert_terms(
    tx: &mut Tx,
    credential: &str,
    message_key: &str,
    terms: &[String],
) -> Result<()> {
    tx.exec(
        sql!(
            sqlite: "INSERT INTO gmail_terms (term, message_key, credential_key)
                     SELECT value, $2, $3 FROM json_each($1) WHERE TRUE ON CONFLICT DO NOTHING",
            postgres: "INSERT INTO gmail_terms (term, message_key, credential_key)
                       SELECT term, $2, $3 FROM UNNEST($1::TEXT[]) AS t(term) ON CONFLICT DO NOTHING"
        ),
        args![terms, message_key, credential],
    )
    .await
    .map(drop)
}
