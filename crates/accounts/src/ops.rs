//! What accounts do: the use cases behind the routes and the command line.

use db::Tx;
use kernel::{Problem, ProblemKind, Timestamp};

use crate::{
    Accounts, Plan,
    model::{Caller, Resource},
    store::{self, NewUser, UserRow},
    tokens,
    work::{self, Purpose},
};

/// A login's two tokens.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// Who has just logged in.
pub(crate) struct LoggedIn {
    pub(crate) user: UserRow,
    pub(crate) tokens: Tokens,
}

/// A registration whose fields were checked.
pub(crate) struct Registration {
    pub(crate) username: String,
    pub(crate) email: transports::Address,
    pub(crate) password: String,
    pub(crate) avatar: Option<String>,
}

impl Accounts {
    /// Makes an account and logs it in. 409 if the address has one.
    pub(crate) async fn register(&self, new: Registration, client: &str) -> Result<LoggedIn, Problem> {
        self.0.registrations.check(client)?;
        let password_hash = self.0.passwords.hash(new.password).await?;
        let now = self.0.clock.now();
        let id = kernel::id::new("user", now);
        let email_key = new.email.normalized();
        let mut tx = self.0.db.begin().await?;
        let user = NewUser {
            id: &id,
            username: &new.username,
            email: &new.email.to_string(),
            email_key: &email_key,
            password_hash: &password_hash,
            avatar: new.avatar.as_deref(),
        };
        if !store::insert_user(&mut tx, &user, now).await? {
            return Err(Problem::new(ProblemKind::Conflict, "this e-mail address is registered already")
                .field("email", "is registered already"));
        }
        if self.0.config.verify_email {
            work::schedule(&mut tx, &id, Purpose::Verify, now).await?;
        }
        let tokens = self.open_session(&mut tx, &id, now).await?;
        let user = existing(store::user(&mut tx, &id).await?)?;
        tx.commit().await?;
        Ok(LoggedIn { user, tokens })
    }

    /// 401 for a wrong password and for an unknown address alike, after the same time.
    pub(crate) async fn login(
        &self,
        email_key: &str,
        password: String,
        client: &str,
    ) -> Result<LoggedIn, Problem> {
        self.0.logins.check(client)?;
        let account = format!("{client} {email_key}");
        let found = store::user_by_email(&mut self.0.db.read().await?, email_key).await?;
        let stored = found.as_ref().map(|u| u.password_hash.clone());
        self.0.failures.begin(&account)?;
        let good = self.0.passwords.verify(password, stored).await?;
        if good {
            self.0.failures.succeeded(&account);
        }
        let user = found.filter(|_| good);
        let user =
            user.ok_or_else(|| Problem::unauthorized("the e-mail address or the password is wrong"))?;
        let now = self.0.clock.now();
        let mut tx = self.0.db.begin().await?;
        let tokens = self.open_session(&mut tx, &user.id, now).await?;
        tx.commit().await?;
        Ok(LoggedIn { user, tokens })
    }

    /// Whether this is the caller's password; wrong tries are limited as at login.
    ///
    /// # Errors
    /// 429, or what keeps it from being checked.
    pub async fn check_password(&self, caller: &Caller, password: String) -> Result<bool, Problem> {
        let key = format!("unlock {}", caller.id());
        self.0.failures.begin(&key)?;
        let user = store::user(&mut self.0.db.read().await?, caller.id()).await?;
        let good = self.0.passwords.verify(password, user.map(|u| u.password_hash)).await?;
        if good {
            self.0.failures.succeeded(&key);
        }
        Ok(good)
    }

    async fn open_session(&self, tx: &mut Tx, user: &str, now: Timestamp) -> Result<Tokens, Problem> {
        let session = kernel::id::new("login", now);
        store::insert_session(tx, &session, user, now).await?;
        store::touch_login(tx, user, now).await?;
        self.issue(tx, user, &session, now).await
    }

    async fn issue(&self, tx: &mut Tx, user: &str, session: &str, now: Timestamp) -> Result<Tokens, Problem> {
        let refresh = tokens::random()?;
        store::insert_refresh(tx, &tokens::hash(&refresh), session, now, now + tokens::REFRESH).await?;
        Ok(Tokens { access: self.0.tokens.issue(user, session, now)?, refresh })
    }

    /// New tokens for an unused refresh token. One that was used before ends its session.
    pub(crate) async fn refresh(&self, token: &str, client: &str) -> Result<Tokens, Problem> {
        self.0.logins.check(client)?;
        let refused = || Problem::unauthorized("the refresh token is invalid, expired or used");
        let now = self.0.clock.now();
        let hash = tokens::hash(token);
        let mut tx = self.0.db.begin().await?;
        let row = store::refresh_token(&mut tx, &hash).await?.ok_or_else(refused)?;
        if row.revoked_at.is_some() || row.expires_at <= now {
            return Err(refused());
        }
        if row.used_at.is_some() || !store::use_refresh(&mut tx, &hash, now).await? {
            store::revoke_session(&mut tx, &row.session_id, now).await?;
            tx.commit().await?;
            tracing::warn!(
                session.id = row.session_id,
                "a refresh token was used twice, its session is ended"
            );
            return Err(refused());
        }
        let tokens = self.issue(&mut tx, &row.user_id, &row.session_id, now).await?;
        tx.commit().await?;
        Ok(tokens)
    }

    pub(crate) async fn logout(&self, caller: &Caller) -> Result<(), Problem> {
        let mut tx = self.0.db.begin().await?;
        store::revoke_session(&mut tx, &caller.session_id, self.0.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    pub(crate) async fn verify_email(&self, token: &str) -> Result<(), Problem> {
        let mut tx = self.0.db.begin().await?;
        let now = self.0.clock.now();
        let user = store::use_mail_token(&mut tx, &tokens::hash(token), "verify", now).await?;
        store::verify_email(&mut tx, &user.ok_or_else(bad_link)?).await?;
        Ok(tx.commit().await?)
    }

    pub(crate) async fn resend_verification(&self, caller: &Caller) -> Result<(), Problem> {
        if caller.email_verified {
            return Ok(());
        }
        self.0.mails.check(caller.id())?;
        let mut tx = self.0.db.begin().await?;
        work::schedule(&mut tx, caller.id(), Purpose::Verify, self.0.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    /// The answer is the same whether the address has an account or not.
    pub(crate) async fn forgot_password(&self, email_key: &str, client: &str) -> Result<(), Problem> {
        self.0.logins.check(client)?;
        self.0.mails.check(email_key)?;
        let mut tx = self.0.db.begin().await?;
        if let Some(user) = store::user_by_email(&mut tx, email_key).await? {
            work::schedule(&mut tx, &user.id, Purpose::Reset, self.0.clock.now()).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Sets the password, ends all logins and all other reset links. Who got the mail owns the address, so it
    /// is verified too.
    pub(crate) async fn reset_password(
        &self,
        token: &str,
        password: String,
        client: &str,
    ) -> Result<(), Problem> {
        self.0.logins.check(client)?;
        let password_hash = self.0.passwords.hash(password).await?;
        let now = self.0.clock.now();
        let mut tx = self.0.db.begin().await?;
        let user = store::use_mail_token(&mut tx, &tokens::hash(token), "reset", now).await?;
        let user = user.ok_or_else(bad_link)?;
        store::use_all_mail_tokens(&mut tx, &user, "reset", now).await?;
        store::set_password(&mut tx, &user, &password_hash, now).await?;
        store::verify_email(&mut tx, &user).await?;
        store::revoke_all_sessions(&mut tx, &user, now).await?;
        Ok(tx.commit().await?)
    }
}

fn bad_link() -> Problem {
    Problem::rule("token", "is invalid, expired or used")
}

/// A user who was just there; if not, they were deleted meanwhile.
pub(crate) fn existing(user: Option<UserRow>) -> Result<UserRow, Problem> {
    user.ok_or_else(|| Problem::unauthorized("the account does not exist any more"))
}

/// Takes one of this month's `resource` for a user, in the transaction that uses it: which number it is in
/// the month, from 1.
///
/// # Errors
/// 403 with `errors.quota` if none is left.
pub async fn take_quota(
    tx: &mut Tx,
    user: &str,
    plan: Plan,
    resource: Resource,
    now: Timestamp,
) -> Result<i64, Problem> {
    // Counted without a limit too: the plan may end within the month.
    let limit = resource.limit(plan);
    let taken = store::take_quota(tx, user, &now.month(), resource, limit.unwrap_or(i64::MAX)).await?;
    if let Some(number) = taken {
        return Ok(number);
    }
    let limit = limit.unwrap_or_default();
    let what = match resource {
        Resource::Created => "create",
        Resource::Scheduled => "schedule",
    };
    let text = format!("the free plan lets you {what} {limit} letters a month");
    Err(Problem::forbidden(text.clone()).field("quota", text))
}

/// What the person who runs the server does from the command line.
pub mod admin {
    use db::DbError;
    use kernel::{PageRequest, Problem, Timestamp};

    use super::{NewUser, UserRow, existing, store};
    use crate::{
        Accounts,
        model::{Plan, Role},
    };

    impl Accounts {
        /// Makes an account whose address counts as verified.
        ///
        /// # Errors
        /// The address is malformed or taken, the password too short.
        pub async fn admin_create(
            &self,
            email: &str,
            username: &str,
            password: String,
        ) -> Result<String, Problem> {
            let address =
                transports::parse_address(email).map_err(|e| Problem::rule("email", e.to_string()))?;
            crate::http::check_password(&password).map_err(|e| Problem::rule("password", e))?;
            let password_hash = self.0.passwords.hash(password).await?;
            let now = self.0.clock.now();
            let id = kernel::id::new("user", now);
            let mut tx = self.0.db.begin().await?;
            let user = NewUser {
                id: &id,
                username,
                email: &address.to_string(),
                email_key: &address.normalized(),
                password_hash: &password_hash,
                avatar: None,
            };
            if !store::insert_user(&mut tx, &user, now).await? {
                return Err(Problem::rule("email", "is registered already"));
            }
            store::verify_email(&mut tx, &id).await?;
            tx.commit().await?;
            Ok(id)
        }

        /// Gives a role.
        ///
        /// # Errors
        /// There is no such account.
        pub async fn admin_role(&self, email: &str, role: Role) -> Result<(), Problem> {
            let (mut tx, user) = self.admin_find(email).await?;
            store::set_role(&mut tx, &user.id, role, self.0.clock.now()).await?;
            Ok(tx.commit().await?)
        }

        /// Gives a plan, for ever or until a time.
        ///
        /// # Errors
        /// There is no such account.
        pub async fn admin_plan(
            &self,
            email: &str,
            plan: Plan,
            until: Option<Timestamp>,
        ) -> Result<(), Problem> {
            let (mut tx, user) = self.admin_find(email).await?;
            store::set_plan(&mut tx, &user.id, plan, until, self.0.clock.now()).await?;
            Ok(tx.commit().await?)
        }

        /// One page of all accounts, the oldest first.
        ///
        /// # Errors
        /// [`DbError`]
        pub async fn admin_list(&self, page: PageRequest) -> Result<Vec<UserRow>, DbError> {
            store::users(&mut self.0.db.read().await?, page).await
        }

        async fn admin_find(&self, email: &str) -> Result<(db::Tx, UserRow), Problem> {
            let address =
                transports::parse_address(email).map_err(|e| Problem::rule("email", e.to_string()))?;
            let mut tx = self.0.db.begin().await?;
            let user = store::user_by_email(&mut tx, &address.normalized()).await?;
            let user = existing(user).map_err(|_| Problem::not_found("account"))?;
            Ok((tx, user))
        }
    }
}
