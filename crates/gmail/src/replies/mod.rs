//! Goals, what the assistant proposes towards them, and what goes out by itself.
//!
//! Promises
//! - Nothing leaves without a person but by the order of [`decide`], then [`gate`], and every yes and no is on record
//!   (`gmail_decisions`), once for each mail.
//! - A mail is answered by itself once at most, whatever crashes, repeats or runs beside it: the answer's row, the mail in
//!   the outbox and the decision are one transaction under the conversation's lock, and a unique index says so, too.
//! - Caps are exact in any number of processes: who counts holds a lock until the mail is written that makes the next count.
//! - The assistant thinks with no transaction open; what held before is asked again afterwards, and once more just before
//!   the mail leaves.
//! - What people write is material: recipients, sender and subject come from code, words go out as plain text (its HTML is
//!   escaped), and links only if the goal, the instructions or the facts have them.
//! - A person's word is the last: it makes stale what waits and takes back what waits to leave by itself.

mod arrive;
mod decide;
mod follow;
mod gate;
mod goals;
mod hours;
mod letter;
mod private;
mod propose;
mod queue;
mod snapshot;
mod still;
mod turn;

pub(crate) use goals::{GoalChange, NewGoal, days_of};
pub(crate) use hours::{hours_of, leaves_at, written};
pub(crate) use letter::{of_everybody, shown_to};
pub(crate) use propose::FactUsed;
pub(crate) use queue::{Approval, Asked, LONGEST_HOLD, Recommended};
pub(crate) use still::{Against, Unread};
pub use turn::{FOLLOW_UP, Replies, TURN};
