//! [`Frame`]: a message to peers, encoded once.
//!
//! Promise: the bytes are a whole frame as RFC 6455 wants it from a server: final, unmasked, the shortest length.

use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
/// The longest payload of a control frame, in bytes.
const CONTROL: usize = 125;

/// An encoded text message. Cloning shares the bytes.
#[derive(Debug, Clone)]
pub struct Frame {
    bytes: Bytes,
    /// A queued frame with the same name is replaced by this one.
    latest: Option<Arc<str>>,
}

impl Frame {
    /// A message that must not be missed.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self { bytes: encode(TEXT, text.as_bytes()), latest: None }
    }

    /// The latest state of something that only matters now (who is typing, who is there). If the peer has not
    /// taken an earlier frame of this `name` yet, this one comes in its place; if it is far behind, neither comes.
    #[must_use]
    pub fn latest(name: &str, text: &str) -> Self {
        Self { latest: Some(name.into()), ..Self::text(text) }
    }

    pub(crate) fn ping() -> Self {
        Self { bytes: Bytes::from_static(&[0x80 | PING, 0]), latest: None }
    }

    /// `None` closes without a code. A reason that is too long is cut.
    pub(crate) fn close(code: Option<u16>, reason: &str) -> Self {
        let mut payload = Vec::new();
        if let Some(code) = code {
            payload.extend(code.to_be_bytes());
            let most = reason.len().min(CONTROL - payload.len());
            let fits = (0..=most).rev().find(|n| reason.is_char_boundary(*n));
            payload.extend(reason.bytes().take(fits.unwrap_or_default()));
        }
        Self { bytes: encode(CLOSE, &payload), latest: None }
    }

    /// Whole frames that were encoded elsewhere.
    pub(crate) fn encoded(bytes: &[u8]) -> Self {
        Self { bytes: Bytes::copy_from_slice(bytes), latest: None }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The first `n` bytes are out.
    pub(crate) fn advance(&mut self, n: usize) {
        self.bytes.advance(n);
    }

    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.latest.as_ref()
    }
}

fn encode(opcode: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + 10);
    frame.put_u8(0x80 | opcode);
    if let Some(short) = u8::try_from(payload.len()).ok().filter(|n| *n <= 125) {
        frame.put_u8(short);
    } else if let Ok(medium) = u16::try_from(payload.len()) {
        frame.put_u8(126);
        frame.put_u16(medium);
    } else {
        frame.put_u8(127);
        frame.put_u64(payload.len() as u64);
    }
    frame.put_slice(payload);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tungstenite::protocol::frame::FrameSocket;

    use super::*;

    #[test]
    fn every_length_is_read_back_by_another_codec() {
        for n in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let text = "x".repeat(n);
            let frame = Frame::text(&text);
            let mut other = FrameSocket::new(Cursor::new(frame.bytes().to_vec()));
            let read = other.read(None).unwrap().unwrap();
            assert!(read.header().is_final && read.header().mask.is_none());
            assert_eq!(read.into_text().unwrap().as_str(), text, "{n}");
            assert!(other.into_inner().1.is_empty());
        }
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        let frame = Frame::close(Some(4008), &"é".repeat(100));
        let payload = &frame.bytes()[2..];
        assert_eq!(payload.len(), 2 + 122);
        assert_eq!(std::str::from_utf8(&payload[2..]).unwrap(), "é".repeat(61));
        assert_eq!(Frame::close(None, "").bytes()[..], [0x88, 0]);
    }
}
