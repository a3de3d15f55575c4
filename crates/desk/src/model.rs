//! What a session may become: the state machine, pure.
//!
//! Every change of `status` or owner goes through [`State::after`] and raises `version`. Whoever acts on what they
//! saw (an agent who accepts, the assistant who answers) names the version; one of them wins, the others are told.

use httpkit::text_enum;
use kernel::{Problem, ProblemKind};

text_enum! {
    /// Which of the contract's channels.
    ChannelType {
        /// WeCom's customer service.
        Wechat = "wechat",
        /// Douyin.
        Douyin = "douyin",
        /// JD.
        Jd = "jd",
    }
}

text_enum! {
    /// Who answers.
    #[schema(as = SessionStatus)]
    Status {
        /// The assistant.
        Ai = "ai",
        /// Nobody yet: the customer waits for a person.
        Pending = "pending",
        /// A person.
        Manual = "manual",
        /// Nobody any more.
        Closed = "closed",
    }
}

text_enum! {
    /// Who said something.
    SenderType {
        /// The customer.
        Customer = "customer",
        /// The assistant.
        Ai = "ai",
        /// A person of ours.
        Manual = "manual",
        /// The desk itself: notices to the customer, and what happened on the channel.
        System = "system",
    }
}

text_enum! {
    /// What became of a message.
    MessageStatus {
        /// From the customer, or from a colleague in the channel's own client.
        Received = "received",
        /// On its way to the customer.
        Queued = "queued",
        /// The channel took it.
        Sent = "sent",
        /// It did not reach the customer; `failReason` says why.
        Failed = "failed",
        /// Not for the customer: a private note, an event.
        Internal = "internal",
        /// Taken back by whoever wrote it.
        Recalled = "recalled",
    }
}

text_enum! {
    /// Why a session waits for a person.
    HandoverReason {
        /// The customer asked for a person.
        Requested = "requested",
        /// The subject is one for people: complaints, danger, law.
        Risk = "risk",
        /// The customer is angry.
        Anger = "anger",
        /// The assistant does not know.
        Unsure = "unsure",
        /// The assistant failed, or took too long.
        Failure = "failure",
        /// The agent gave it back to the queue.
        Released = "released",
        /// The agent did not answer, or went away.
        Abandoned = "abandoned",
        /// Handed to the queue by an agent or a supervisor.
        Transferred = "transferred",
        /// The assistant does not answer here at this time.
        Policy = "policy",
    }
}

text_enum! {
    /// What webhooks are told of.
    #[schema(as = WebhookEvent)]
    Event {
        /// A message of a conversation, whoever said it; nothing internal.
        MessageCreated = "message.created",
        /// A customer wrote who had no open session.
        SessionCreated = "session.created",
        /// A customer waits for a person.
        SessionPending = "session.pending",
        /// A person took the session.
        SessionAccepted = "session.accepted",
        /// Another person has the session.
        SessionTransferred = "session.transferred",
        /// The session ended.
        SessionClosed = "session.closed",
    }
}

/// Who does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A person of ours, by their user's id.
    Agent(String),
    /// The same, with the right to act on sessions of others.
    Supervisor(String),
    /// The assistant.
    Assistant,
    /// The customer.
    Customer,
    /// The channel, or a colleague who used its own client.
    Channel,
    /// The desk's own rules.
    System,
}

impl Actor {
    /// Its kind, for the audit log.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Agent(_) => "agent",
            Self::Supervisor(_) => "supervisor",
            Self::Assistant => "ai",
            Self::Customer => "customer",
            Self::Channel => "channel",
            Self::System => "system",
        }
    }

    /// The user's id of a person.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Agent(id) | Self::Supervisor(id) => Some(id),
            _ => None,
        }
    }
}

/// What is to be done with a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A person is needed: `ai → pending`.
    HandOver(HandoverReason),
    /// The actor takes a waiting customer: `pending → manual`.
    Accept,
    /// The actor takes over from the assistant, or (supervisors) from another: `ai | pending | manual → manual`.
    TakeOver,
    /// A waiting customer is given to an agent, by a supervisor or the queue's rules: `pending → manual`.
    Assign {
        /// The agent's user id.
        to: String,
    },
    /// A supervisor gives it to an agent, whoever answers now: `ai | pending | manual → manual`.
    Reassign {
        /// The agent's user id.
        to: String,
        /// For the record.
        reason: Option<String>,
    },
    /// To another agent: `manual → manual`.
    Transfer {
        /// The agent's user id.
        to: String,
    },
    /// Back to the queue, where it keeps its place: `manual → pending`.
    Requeue(HandoverReason),
    /// Back to the assistant: `manual | pending → ai`.
    HandBack,
    /// A colleague answered in the channel's own client: `ai | pending → manual`, owned by them.
    Colleague {
        /// As the channel names them.
        name: String,
    },
    /// Ends it: any → `closed`.
    Close,
}

impl Command {
    /// Its name in the audit log.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::HandOver(_) => "hand_over",
            Self::Accept => "accept",
            Self::TakeOver => "take_over",
            Self::Assign { .. } | Self::Reassign { .. } => "assign",
            Self::Transfer { .. } => "transfer",
            Self::Requeue(_) => "requeue",
            Self::HandBack => "hand_back",
            Self::Colleague { .. } => "colleague",
            Self::Close => "close",
        }
    }
}

/// What of a session decides what it may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Who answers.
    pub status: Status,
    /// The person who does, in `manual`.
    pub owner: Option<String>,
    /// Grows with every change of the two.
    pub version: i64,
}

/// What a command comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The session becomes this.
    Change(State),
    /// It is so already; there is nothing to do.
    Stands,
}

impl State {
    /// A new session.
    #[must_use]
    pub const fn new() -> Self {
        Self { status: Status::Ai, owner: None, version: 1 }
    }

    /// What `command` by `actor` makes of it.
    ///
    /// # Errors
    /// 400 where the session is in the wrong state, as the contract has it; 403 where it is somebody else's.
    pub fn after(&self, command: &Command, actor: &Actor) -> Result<Step, Problem> {
        let own = match (actor, &self.owner) {
            (Actor::Agent(id), Some(owner)) => id == owner,
            (Actor::Agent(_), None) => false,
            _ => true,
        };
        let next = match (command, self.status) {
            (Command::Close, Status::Closed) => return Ok(Step::Stands),
            (Command::Close, Status::Manual) if !own => return Err(self.not_yours()),
            (Command::Close, _) => (Status::Closed, self.owner.clone()),
            (Command::HandOver(_), Status::Ai) => (Status::Pending, None),
            (Command::Accept, Status::Pending) | (Command::TakeOver, Status::Ai | Status::Pending) => {
                (Status::Manual, Some(self.person(actor)?))
            }
            (Command::Accept | Command::TakeOver, Status::Manual)
                if actor.id().is_some() && actor.id() == self.owner.as_deref() =>
            {
                return Ok(Step::Stands);
            }
            (Command::TakeOver, Status::Manual) => match actor {
                Actor::Supervisor(id) => (Status::Manual, Some(id.clone())),
                _ => return Err(self.not_yours()),
            },
            (Command::Transfer { .. } | Command::Requeue(_) | Command::HandBack, Status::Manual) if !own => {
                return Err(self.not_yours());
            }
            (Command::Transfer { to }, Status::Manual) if self.owner.as_deref() == Some(to) => {
                return Ok(Step::Stands);
            }
            (Command::Transfer { to }, Status::Manual) => (Status::Manual, Some(to.clone())),
            (Command::Assign { to }, Status::Pending) if !matches!(actor, Actor::Agent(_)) => {
                (Status::Manual, Some(to.clone()))
            }
            (Command::Assign { to } | Command::Reassign { to, .. }, Status::Manual)
                if self.owner.as_deref() == Some(to) =>
            {
                return Ok(Step::Stands);
            }
            (Command::Reassign { .. }, Status::Manual) if matches!(actor, Actor::Agent(_)) => {
                return Err(self.not_yours());
            }
            (Command::Reassign { to, .. }, Status::Ai | Status::Pending | Status::Manual)
                if !matches!(actor, Actor::Agent(_)) =>
            {
                (Status::Manual, Some(to.clone()))
            }
            (Command::Requeue(_), Status::Manual) => (Status::Pending, None),
            (Command::HandBack, Status::Manual | Status::Pending) => (Status::Ai, None),
            (Command::Colleague { name }, Status::Ai | Status::Pending) => {
                (Status::Manual, Some(name.clone()))
            }
            (Command::Colleague { .. }, Status::Manual) => return Ok(Step::Stands),
            _ => return Err(self.wrong(command)),
        };
        let (status, owner) = next;
        Ok(Step::Change(Self { status, owner, version: self.version.saturating_add(1) }))
    }

    fn person(&self, actor: &Actor) -> Result<String, Problem> {
        actor.id().map(str::to_owned).ok_or_else(|| self.wrong(&Command::Accept))
    }

    /// 403: somebody else's.
    #[must_use]
    pub fn not_yours(&self) -> Problem {
        let owner = self.owner.as_deref().unwrap_or("nobody");
        Problem::forbidden(format!("the session belongs to {owner}")).field("manualCsId", owner)
    }

    /// 400: not in this state. Names the owner, so that whoever lost a race knows to whom.
    #[must_use]
    pub fn wrong(&self, command: &Command) -> Problem {
        let verb = command.name();
        let status = self.status.as_str();
        let mut problem =
            Problem::new(ProblemKind::BadRequest, format!("a session that is {status} cannot {verb}"))
                .field("status", format!("is {status}"));
        if let Some(owner) = &self.owner {
            problem = problem.field("manualCsId", format!("is {owner}"));
        }
        problem
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}
