//! The listener for returned mail: accepts connections, bounds them, ends with its process.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Verp, session::Session};

/// So many conversations at once: at most 16 MiB of messages are in memory.
const CONVERSATIONS: usize = 64;
/// How long one conversation may last.
const LIFETIME: Duration = Duration::from_secs(600);
/// After a failure to accept, such as too many open files.
const BREATH: Duration = Duration::from_millis(200);

/// A mail that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// What [`Verp::address`] was given.
    pub reference: String,
    /// The envelope's sender, empty for the null sender.
    pub sender: String,
    /// The message, or as much of its beginning as is kept.
    pub message: Vec<u8>,
}

/// Where returned mail goes.
pub trait Intake: Send + Sync + 'static {
    /// Stores what the mail says. Only then it is acknowledged; after an error, which goes into the log, the client
    /// is asked to come back. The same mail may come again.
    fn take<'a>(
        &'a self,
        returned: Returned,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;
}

/// Takes in returned mail until `stop`; conversations that have a message in hand may finish it, and `tracker`
/// waits for them.
pub async fn serve(
    listener: TcpListener,
    verp: Arc<Verp>,
    intake: Arc<dyn Intake>,
    tracker: TaskTracker,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(CONVERSATIONS));
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let mut stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the listener for returned mail cannot accept a connection");
                stop.run_until_cancelled(kernel::Clock::system().sleep(BREATH)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            let refuse = async move {
                use tokio::io::AsyncWriteExt as _;
                let _ = stream.write_all(b"421 4.3.2 Too busy, come back later\r\n").await;
            };
            tracker.spawn(tokio::time::timeout(BREATH, refuse));
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        let session = Session::new(stream, Arc::clone(&verp), Arc::clone(&intake), stop.clone());
        tracker.spawn(async move {
            let _ = tokio::time::timeout(LIFETIME, session.run()).await;
            drop(place);
        });
    }
}
