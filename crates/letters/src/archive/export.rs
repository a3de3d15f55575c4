//! Writing an account's archive.

use std::{collections::HashSet, fs::File};

use accounts::Caller;
use blobs::{OpenedBody, Secret};
use futures_util::StreamExt as _;
use httpkit::upload::storage;
use kernel::{Problem, ProblemKind, Timestamp};

use super::{
    Account, FORMAT, Manifest, PROFILE,
    document::{Attached, Document, Sealed, base64, message},
    file_member,
    pack::Packer,
};
use crate::{
    Letters,
    seal::{Before, Disclosed, Proof, ReadableBy},
    store::{self, AttachmentRow, FileRow, LetterRow},
    view::{People, own_mailboxes, trigger_condition},
};

/// So many letters are looked up at once.
const PAGE: i64 = 200;
/// So often a letter is read again whose files changed meanwhile.
const TRIES: usize = 4;

impl Letters {
    /// All that the caller wrote and received, in an archive. With the account's password also what is in the
    /// encrypted letters that the server can read.
    pub(crate) async fn export_account(
        &self,
        caller: &Caller,
        password: Option<String>,
    ) -> Result<File, Problem> {
        let includes_encrypted = password.is_some();
        if includes_encrypted {
            self.check_account(caller, Proof { password, ..Proof::default() }).await?;
        }
        let file = self.0.blobs.scratch().await.map_err(|e| storage(&e))?;
        let packer = Packer::new(file);
        let mut export =
            Export { letters: self, caller, packer, includes_encrypted, count: 0, files: HashSet::new() };
        let profile = self.0.accounts.data_of(caller).await?;
        export.packer.json(PROFILE.to_owned(), &profile).await?;
        export.own().await?;
        export.received().await?;
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            created_at: self.clock().now().to_string(),
            account: Account {
                user_id: caller.id().to_owned(),
                username: caller.person.username.clone(),
                email: caller.person.email.clone(),
            },
            letters: export.count,
            includes_encrypted,
            members: Vec::new(),
        };
        export.packer.finish(manifest).await
    }
}

/// An archive being written.
struct Export<'a> {
    letters: &'a Letters,
    caller: &'a Caller,
    packer: Packer,
    includes_encrypted: bool,
    count: u64,
    /// The members of files that are written: a file may be in several letters.
    files: HashSet<String>,
}

/// A letter with all that belongs to it.
struct Whole {
    letter: LetterRow,
    before: Before,
    attachments: Vec<AttachmentRow>,
    files: Vec<FileRow>,
    people: People,
}

impl Export<'_> {
    async fn own(&mut self) -> Result<(), Problem> {
        let mut after = String::new();
        loop {
            let page = {
                let mut conn = self.letters.db().read().await?;
                store::own_after(&mut conn, self.caller.id(), &after, PAGE).await?
            };
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.id);
            for letter in page {
                Box::pin(self.letter(&letter.id)).await?;
            }
        }
    }

    /// What others sent; letters to oneself are among one's own.
    async fn received(&mut self) -> Result<(), Problem> {
        let mut after = (Timestamp::EPOCH, String::new());
        let most = usize::try_from(PAGE).unwrap_or(usize::MAX);
        let mut seen = HashSet::new();
        loop {
            let page = {
                let mut conn = self.letters.db().read().await?;
                store::arrived_after(&mut conn, own_mailboxes(self.caller), &after, most).await?
            };
            let Some((id, at)) = page.last().cloned() else { return Ok(()) };
            after = (at, id);
            for (id, _) in page {
                let own = {
                    let mut conn = self.letters.db().read().await?;
                    store::letter(&mut conn, &id).await?.is_none_or(|l| l.owner_id == self.caller.id())
                };
                if !own && seen.insert(id.clone()) {
                    Box::pin(self.letter(&id)).await?;
                }
            }
        }
    }

    /// Writes a letter, unless it is gone or not the caller's to read any more.
    async fn letter(&mut self, id: &str) -> Result<(), Problem> {
        for _ in 0..TRIES {
            let Some(whole) = self.whole(id).await? else { return Ok(()) };
            let is_open = !whole.before.is_encrypted
                || (self.includes_encrypted
                    && ReadableBy::of(whole.before.key.as_ref()) == ReadableBy::Server);
            let opened =
                if is_open { Some(self.letters.disclose(&whole.before, &whole.files)?) } else { None };
            let Some(attachments) = self.attachments(&whole, opened.as_ref()).await? else { continue };
            let document = self.document(&whole, opened.as_ref(), attachments);
            self.packer.json(format!("letters/{id}.json"), &document).await?;
            if let Some(opened) = &opened {
                let mail = message(&whole.letter, &document, &opened.text)?;
                self.packer.bytes(format!("letters/{id}.eml"), mail).await?;
            }
            self.count += 1;
            return Ok(());
        }
        Err(Problem::new(ProblemKind::Unavailable, "a letter is being changed all the time, try again"))
    }

    async fn whole(&self, id: &str) -> Result<Option<Whole>, Problem> {
        let mut conn = self.letters.db().read().await?;
        let letter = match self.letters.readable(&mut conn, Some(self.caller), id).await {
            Ok(letter) => letter,
            Err(problem) if problem.kind == ProblemKind::NotFound => return Ok(None),
            Err(problem) => return Err(problem),
        };
        let Some(kept) = store::kept(&mut conn, id).await? else { return Ok(None) };
        let attachments = store::attachments(&mut conn, id).await?;
        let files = store::files_of(&mut conn, id).await?;
        let people = People::of(&mut conn, Some(self.caller), std::slice::from_ref(&letter)).await?;
        Ok(Some(Whole { before: Before::kept(letter.clone(), kept), letter, attachments, files, people }))
    }

    /// Writes a letter's files; what it says of them. `None` if one is elsewhere by now.
    async fn attachments(
        &mut self,
        whole: &Whole,
        opened: Option<&Disclosed>,
    ) -> Result<Option<Vec<Attached>>, Problem> {
        let keyholder = whole.before.key.as_ref().is_some_and(|key| key.passphrase.is_some());
        let mut out = Vec::with_capacity(whole.attachments.len());
        for a in &whole.attachments {
            let mut attached = Attached {
                id: a.id.clone(),
                kind: a.kind,
                url: a.url.clone(),
                thumbnail: a.thumbnail.clone(),
                file: None,
                name: None,
                mime_type: None,
                size: a.size,
                sealed_key: None,
            };
            let file = whole.files.iter().find(|f| Some(&f.id) == a.file_id.as_ref());
            if let Some(file) = file {
                attached.mime_type = Some(file.mime.clone());
                let secret = opened.and_then(|o| o.files.get(&file.id));
                let (member, secret) = match (&file.sealed_key, secret) {
                    (None, _) => {
                        attached.name = Some(file.name.clone());
                        (Some(file_member(&file.id, &file.mime)), None)
                    }
                    (Some(_), Some((name, secret))) => {
                        attached.name = Some(name.clone());
                        (Some(file_member(&file.id, &file.mime)), Some(secret.clone()))
                    }
                    (Some(sealed), None) if keyholder => {
                        attached.sealed_key = Some(base64(sealed));
                        (Some(format!("sealed/{}", file.id)), None)
                    }
                    (Some(_), None) => (None, None),
                };
                if let Some(member) = &member
                    && !self.file(member, file, secret).await?
                {
                    return Ok(None);
                }
                attached.file = member;
            }
            out.push(attached);
        }
        Ok(Some(out))
    }

    /// Writes a file once; `false` if its bytes are not where they were.
    async fn file(&mut self, member: &str, file: &FileRow, secret: Option<Secret>) -> Result<bool, Problem> {
        if self.files.contains(member) {
            return Ok(true);
        }
        let blobs = &self.letters.0.blobs;
        let body: Option<OpenedBody> = match secret {
            None => {
                let object = blobs.read(file.object(), None).await.map_err(|e| storage(&e))?;
                object.map(|o| Box::pin(o.body) as OpenedBody)
            }
            Some(secret) => {
                let opened = blobs.read_sealed(file.object(), secret, None).await;
                opened.map_err(|e| storage(&e))?.map(|o| o.body)
            }
        };
        let Some(mut body) = body else { return Ok(false) };
        self.packer.start(member.to_owned(), true).await?;
        while let Some(chunk) = body.next().await {
            self.packer.chunk(chunk.map_err(|e| storage(&e.into()))?).await?;
        }
        self.files.insert(member.to_owned());
        Ok(true)
    }

    fn document(&self, whole: &Whole, opened: Option<&Disclosed>, attachments: Vec<Attached>) -> Document {
        let Whole { letter, before, people, .. } = whole;
        let sealed = before.key.as_ref().filter(|key| key.passphrase.is_some());
        let sealed = sealed.zip(before.content.sealed.as_deref());
        let own = letter.owner_id == self.caller.id();
        Document {
            mail_id: letter.id.clone(),
            title: letter.title.clone(),
            content: opened.map(|o| o.text.to_string()),
            status: letter.status(self.letters.clock().now(), self.letters.0.config.delivering_lead),
            sender: people.sender(letter),
            recipient_type: letter.recipient_type,
            recipient: people.recipient(letter),
            recipient_email: letter.recipient_email.clone(),
            created_at: letter.created_at,
            updated_at: letter.updated_at,
            scheduled_at: letter.scheduled_at,
            send_time: letter.send_time,
            delivered_at: letter.delivered_at,
            triggered_at: letter.fired_at,
            trigger_type: letter.trigger_type,
            trigger_condition: trigger_condition(&before.content),
            capsule_style: letter.capsule_style.clone(),
            glow_intensity: letter.glow.filter(|_| own),
            is_encrypted: before.is_encrypted,
            readable_by: before.is_encrypted.then(|| ReadableBy::of(before.key.as_ref())),
            passphrase_hint: before.key.as_ref().and_then(|key| key.hint.clone()),
            sealed: sealed.map(|(key, text)| Sealed::of(key, text)),
            attachments,
        }
    }
}
