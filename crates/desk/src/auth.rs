//! [`Agent`]: who works at the desk.

use accounts::{Caller, MaybeCaller, Role};
use axum::{extract::FromRequestParts, http::request::Parts};
use httpkit::Failure;
use kernel::Problem;

use crate::{Desk, model::Actor};

/// Whoever calls the desk's API: an agent, a supervisor or an operator, who may do what a supervisor may. Where the
/// operator switched authentication off, anybody is a supervisor without a name.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Their user's id; `None` without authentication.
    pub id: Option<String>,
    /// Whether they may act on sessions of others.
    pub supervisor: bool,
    /// Whether they may change how the desk is connected.
    pub operator: bool,
}

impl Agent {
    /// Of a caller.
    ///
    /// # Errors
    /// 403 for whoever does not work at the desk.
    pub fn of(caller: &Caller) -> Result<Self, Problem> {
        let supervisor = match caller.role {
            Role::User => return Err(Problem::forbidden("only agents and supervisors may use the desk")),
            Role::Agent => false,
            Role::Supervisor | Role::Operator => true,
        };
        let operator = caller.role == Role::Operator;
        Ok(Self { id: Some(caller.id().to_owned()), supervisor, operator })
    }

    /// The agent whom a request names, or who calls: theirs is what is done.
    ///
    /// # Errors
    /// 403 for an agent who names another; 400 if nobody is named where nobody is known.
    pub fn named(&self, cs_id: Option<&str>) -> Result<String, Problem> {
        match (cs_id, &self.id) {
            (Some(named), Some(own)) if named != own && !self.supervisor => {
                Err(Problem::forbidden("csId must be your own").field("csId", "is not your own"))
            }
            (Some(named), _) => Ok(named.to_owned()),
            (None, Some(own)) => Ok(own.clone()),
            (None, None) => Err(Problem::bad_request("csId", "is required")),
        }
    }

    /// Who acts, for the record. Without authentication it is whom the request names, or the desk.
    #[must_use]
    pub fn actor(&self, named: Option<&str>) -> Actor {
        match (&self.id, named) {
            (Some(id), _) if self.supervisor => Actor::Supervisor(id.clone()),
            (Some(id), _) => Actor::Agent(id.clone()),
            (None, Some(named)) => Actor::Supervisor(named.to_owned()),
            (None, None) => Actor::System,
        }
    }

    /// 403 unless they may change how the desk is connected.
    ///
    /// # Errors
    /// 403
    pub fn operating(&self) -> Result<(), Problem> {
        if self.operator { Ok(()) } else { Err(Problem::forbidden("only operators may do this")) }
    }

    /// 403 unless they may act on everything.
    ///
    /// # Errors
    /// 403
    pub fn supervising(&self) -> Result<(), Problem> {
        if self.supervisor { Ok(()) } else { Err(Problem::forbidden("only supervisors may do this")) }
    }
}

impl FromRequestParts<Desk> for Agent {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Failure> {
        let MaybeCaller(caller) = MaybeCaller::from_request_parts(parts, desk).await?;
        match caller {
            Some(caller) => Ok(Self::of(&caller)?),
            None if desk.0.config.auth => Err(Problem::unauthorized("an access token is required").into()),
            None => Ok(Self { id: None, supervisor: true, operator: true }),
        }
    }
}
