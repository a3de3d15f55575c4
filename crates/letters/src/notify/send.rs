//! One attempt to tell somebody: is it still true, is it still wanted, and what does it say?

use std::{sync::Arc, time::Duration};

use accounts::{
    Person,
    post::{Letterhead, Post},
    push::Target,
    store::Notifications,
};
use db::Conn;
use dispatch::{BoxFuture, Dispatch, Outcome, Single};
use kernel::{Problem, time::days};
use transports::push::Message;

use super::{Id, Occasion, text};
use crate::{
    Letters,
    model::Stored,
    store::{self, LetterRow},
    work::not_now,
};

/// How long a push service keeps the news for a device that is away.
const KEPT: Duration = days(7);

/// Mails notifications.
pub struct NotificationMail {
    /// The slice.
    pub letters: Letters,
    /// The way out.
    pub post: Arc<Post>,
}

impl Single for NotificationMail {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.letters.notification_mail(d).await {
                Ok(Some(letterhead)) => self.post.deliver(d, letterhead).await,
                Ok(None) => nothing(),
                Err(problem) => not_now(problem),
            }
        })
    }
}

/// Pushes notifications.
pub struct NotificationPush {
    /// The slice.
    pub letters: Letters,
}

impl Single for NotificationPush {
    fn attempt<'a>(&'a self, d: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.letters.notification_push(d).await {
                Ok(Some((target, message))) => self.letters.0.accounts.push(&target, &message).await,
                Ok(None) => nothing(),
                Err(problem) => not_now(problem),
            }
        })
    }
}

fn nothing() -> Outcome {
    Outcome::Done("not wanted any more".to_owned())
}

/// A letter that somebody is told about.
struct News {
    letter: LetterRow,
    occasion: Occasion,
    author: Person,
}

impl News {
    /// Whether it concerns the owner of this inbox: its reader, or, as its author, `user`.
    fn concerns(&self, user: &str, is_mailbox: impl FnOnce(&str) -> bool) -> bool {
        match self.occasion {
            Occasion::Received => is_mailbox(self.letter.mailbox()),
            Occasion::Delivered | Occasion::Reminder => self.letter.owner_id == user,
        }
    }
}

impl Letters {
    /// What there is to tell; `None` if it is not true any more.
    async fn news(&self, conn: &mut Conn, id: Id<'_>, letter: &str) -> Result<Option<News>, Problem> {
        let Some(letter) = store::letter(conn, letter).await? else { return Ok(None) };
        let now = self.clock().now();
        let is_true = match id.occasion {
            // For its reader it is there, unless it was taken down or they blocked its sender meanwhile.
            Occasion::Received => {
                letter.stored == Stored::Delivered && store::is_in_place(conn, &letter).await?
            }
            Occasion::Delivered => {
                letter.stored == Stored::Delivered && store::takedown(conn, &letter.id).await?.is_none()
            }
            Occasion::Reminder => {
                letter.stored == Stored::Scheduled && letter.send_time.is_some_and(|t| now < t)
            }
        };
        if !is_true || id.scheduling != format!("{}/{}", letter.id, letter.schedule_no) {
            return Ok(None);
        }
        let authors = accounts::store::people(conn, vec![&letter.owner_id]).await?;
        Ok(authors.into_iter().next().map(|author| News { letter, occasion: id.occasion, author }))
    }

    async fn notification_mail(&self, d: &Dispatch) -> Result<Option<Letterhead>, Problem> {
        let (Some(id), Some(user)) = (Id::parse(&d.id), d.payload.as_deref()) else { return Ok(None) };
        let mut conn = self.db().read().await?;
        // Only authors are told by mail; readers have the letter itself in their mailbox.
        let Some(news) = self.news(&mut conn, id, &d.subject).await?.filter(|n| n.author.user_id == user)
        else {
            return Ok(None);
        };
        let wants = accounts::store::notifications(&mut conn, user).await?;
        if !(wants.email && id.occasion.wanted(wants) && news.concerns(user, |mailbox| mailbox == user)) {
            return Ok(None);
        }
        Ok(Some(text::mail(id.occasion, &news.author, &news.letter, self.public_url())))
    }

    async fn notification_push(&self, d: &Dispatch) -> Result<Option<(Target, Message)>, Problem> {
        let (Some(id), Some(user)) = (Id::parse(&d.id), d.payload.as_deref()) else { return Ok(None) };
        let Some(token_id) = id.token_id else { return Ok(None) };
        let mut conn = self.db().read().await?;
        let accounts = &self.0.accounts;
        let Some(target) = accounts.target(&mut conn, user, token_id).await? else { return Ok(None) };
        let Some(news) = self.news(&mut conn, id, &d.subject).await? else { return Ok(None) };
        let wants: Notifications = target.wants();
        let concerned = news.concerns(user, |mailbox| accounts.has_mailbox(&target, mailbox));
        if !(wants.push && id.occasion.wanted(wants) && concerned) {
            return Ok(None);
        }
        let (title, body) = text::push(id.occasion, user, &news.author, &news.letter);
        let now = self.clock().now();
        let ttl = match id.occasion {
            Occasion::Reminder => news.letter.send_time.map_or(KEPT, |t| t.since(now).min(KEPT)),
            Occasion::Received | Occasion::Delivered => KEPT,
        };
        Ok(Some((
            target,
            Message {
                title,
                body,
                url: format!("{}/letters/{}", self.public_url(), news.letter.id),
                occasion: id.occasion.as_str(),
                // Letters and digits, 31 of them.
                collapse: news.letter.id.clone(),
                subject: news.letter.id,
                ttl,
            },
        )))
    }
}
