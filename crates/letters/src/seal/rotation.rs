//! What the keyring sealed here, to be sealed anew when its keys change.

use db::{BoxFuture, Conn, Result, SealedRow, SealedTable, Tx};

use super::key::{first_place, server_place};
use crate::{store, triggers::hooks};

/// The columns of letters that hold what the keyring sealed.
pub const SEALED: &[&dyn SealedTable] = &[&LetterKeys, &FirstTexts, &Hooks];

/// The keys of letters that the server can read.
struct LetterKeys;

impl SealedTable for LetterKeys {
    fn name(&self) -> &'static str {
        "letter_keys"
    }

    fn stale<'a>(
        &'a self,
        tx: &'a mut Tx,
        newest: u8,
        after: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, Result<Vec<SealedRow>>> {
        Box::pin(store::stale_keys(tx, newest, after, limit, server_place))
    }

    fn replace<'a>(&'a self, tx: &'a mut Tx, key: &'a str, sealed: Vec<u8>) -> BoxFuture<'a, Result<()>> {
        Box::pin(store::replace_key(tx, key, sealed))
    }

    fn in_use<'a>(&'a self, conn: &'a mut Conn) -> BoxFuture<'a, Result<Vec<(u8, i64)>>> {
        Box::pin(store::keys_in_use(conn))
    }
}

/// The texts of letters that were encrypted before letters had keys.
struct FirstTexts;

impl SealedTable for FirstTexts {
    fn name(&self) -> &'static str {
        "letter_contents"
    }

    fn stale<'a>(
        &'a self,
        tx: &'a mut Tx,
        newest: u8,
        after: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, Result<Vec<SealedRow>>> {
        Box::pin(store::stale_texts(tx, newest, after, limit, first_place))
    }

    fn replace<'a>(&'a self, tx: &'a mut Tx, key: &'a str, sealed: Vec<u8>) -> BoxFuture<'a, Result<()>> {
        Box::pin(store::replace_text(tx, key, sealed))
    }

    fn in_use<'a>(&'a self, conn: &'a mut Conn) -> BoxFuture<'a, Result<Vec<(u8, i64)>>> {
        Box::pin(store::texts_in_use(conn))
    }
}

/// The secrets of triggers' hooks.
struct Hooks;

impl SealedTable for Hooks {
    fn name(&self) -> &'static str {
        "trigger_hooks"
    }

    fn stale<'a>(
        &'a self,
        tx: &'a mut Tx,
        newest: u8,
        after: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, Result<Vec<SealedRow>>> {
        Box::pin(store::stale_hooks(tx, newest, after, limit, hooks::place))
    }

    fn replace<'a>(&'a self, tx: &'a mut Tx, key: &'a str, sealed: Vec<u8>) -> BoxFuture<'a, Result<()>> {
        Box::pin(store::replace_hook_secret(tx, key, sealed))
    }

    fn in_use<'a>(&'a self, conn: &'a mut Conn) -> BoxFuture<'a, Result<Vec<(u8, i64)>>> {
        Box::pin(store::hooks_in_use(conn))
    }
}
