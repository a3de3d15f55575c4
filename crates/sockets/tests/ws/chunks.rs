//! However the network cuts what a peer sends, the same messages arrive; and whatever it sends, it is answered in
//! frames.

use proptest::{collection::vec, prelude::*};
use sockets::{Limits, Socket};
use tokio::io::AsyncWriteExt as _;

use crate::house::{House, PONG, Peer, TEXT, frame};

/// A message in fragments, with a ping behind each.
fn encode(text: &str, cuts: &[usize]) -> Vec<u8> {
    let (mut bytes, mut rest, mut opcode) = (Vec::new(), text.as_bytes(), TEXT);
    for cut in cuts {
        let (fragment, more) = rest.split_at(cut % (rest.len() + 1));
        bytes.extend(frame(opcode, fragment));
        bytes.extend(frame(0x89, &fragment[..fragment.len().min(125)]));
        (rest, opcode) = (more, 0);
    }
    bytes.extend(frame(0x80 | opcode, rest));
    bytes
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn write(peer: &mut Peer, bytes: &[u8], sizes: &[usize]) {
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, more) = rest.split_at((*size).min(rest.len()));
        // Closed by the server, perhaps.
        if peer.stream.write_all(chunk).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
        rest = more;
    }
}

async fn all(socket: &mut Socket) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(text) = socket.recv().await {
        texts.push(text);
    }
    texts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_same_messages_arrive(
        messages in vec((".{0,200}", vec(0..400_usize, 0..4)), 0..8),
        sizes in vec(1..600_usize, 1..10),
    ) {
        runtime().block_on(async {
            let mut house = House::new(Limits::default()).await;
            let (mut peer, mut socket) = house.pair().await;
            let mut bytes: Vec<u8> = messages.iter().flat_map(|(text, cuts)| encode(text, cuts)).collect();
            bytes.extend(frame(0x88, &1000_u16.to_be_bytes()));
            let (texts, ()) = tokio::join!(all(&mut socket), write(&mut peer, &bytes, &sizes));
            let sent: Vec<String> = messages.iter().map(|(text, _)| text.clone()).collect();
            prop_assert_eq!(texts, sent);
            for _ in messages.iter().flat_map(|(_, cuts)| cuts) {
                prop_assert_eq!(peer.frame().await.unwrap().0, PONG);
            }
            prop_assert_eq!(peer.closed().await.0, 1000);
            Ok(())
        })?;
    }

    #[test]
    fn any_bytes_are_answered_in_frames(bytes in vec(any::<u8>(), 0..3000), sizes in vec(1..600_usize, 1..10)) {
        runtime().block_on(async {
            let mut house = House::new(Limits::default()).await;
            let (mut peer, mut socket) = house.pair().await;
            let reading = tokio::spawn(async move { all(&mut socket).await });
            write(&mut peer, &bytes, &sizes).await;
            // Closed by the server, perhaps.
            let _ = peer.stream.shutdown().await;
            reading.await.unwrap();
            house.has(0).await;
        });
    }
}
