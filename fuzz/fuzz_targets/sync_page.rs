//! Pages of `kf/sync_msg`, and the other answers of WeCom's server.
#![no_main]

use channels::wecom::{parse_page, parse_sent, parse_state, parse_token, parse_trans};
use kernel::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(page) = parse_page(data, Timestamp::EPOCH) {
        assert!(!page.has_more || !page.next_cursor.is_empty());
        assert!(page.messages.iter().all(|message| !message.external_id.is_empty()));
    }
    let _answers = (parse_sent(data), parse_state(data), parse_token(data), parse_trans(data));
});
