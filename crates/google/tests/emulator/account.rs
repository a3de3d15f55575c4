//! A client of the emulator, and accounts connected to it.

use std::sync::Arc;

use google::{
    Ask, ClientSecret, Endpoints, Governor, Governors, Grant, Mailbox, OAuth, Pkce, Quota, Returned, SCOPES,
    TokenSource,
};
use kernel::{Clock, Sim, Timestamp};
use testkit::google::Emulator;
use transports::web::Web;

pub(crate) const CALLBACK: &str = "https://desk.example/api/gmail/auth/callback/";

/// The emulator and everything that calls it.
pub(crate) struct House {
    pub(crate) emulator: Emulator,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) client: ClientSecret,
    pub(crate) web: Web,
    pub(crate) clock: Clock,
    pub(crate) sim: Arc<Sim>,
    pub(crate) oauth: OAuth,
    governors: Governors,
}

impl House {
    /// `None` where there are no peers.
    pub(crate) fn new() -> Option<Self> {
        let start: Timestamp = "2027-03-01T08:00:00Z".parse().unwrap();
        let emulator = Emulator::start(&[CALLBACK, "http://localhost"], Some(start))?;
        let endpoints = Arc::new(Endpoints {
            auth_uri: emulator.at("/o/oauth2/v2/auth"),
            token_uri: emulator.at("/token"),
            revoke_uri: emulator.at("/revoke"),
            api_base: emulator.url.clone(),
            jwks_uri: emulator.at("/oauth2/v3/certs"),
        });
        let client = ClientSecret::read(&emulator.client_secret().to_string(), &endpoints).unwrap();
        let web = Web::new(&google::web_settings()).unwrap();
        let (clock, sim) = Clock::simulated(start);
        let oauth = OAuth::new(&web, Arc::clone(&endpoints), clock.clone());
        let governors = Governors::new(Quota::default(), clock.clone());
        Some(Self { emulator, endpoints, client, web, clock, sim, oauth, governors })
    }

    /// Consent of this account, up to the redirect.
    pub(crate) async fn consent(&self, account: &str) -> (Returned, Pkce) {
        self.consent_to(account, &SCOPES.join(" ")).await
    }

    async fn consent_to(&self, account: &str, scope: &str) -> (Returned, Pkce) {
        let (pkce, state) = (Pkce::random().unwrap(), OAuth::state().unwrap());
        let redirect_uri = CALLBACK;
        let ask =
            Ask { client: &self.client, redirect_uri, state: &state, pkce: &pkce, login_hint: Some(account) };
        let landed = self.emulator.consent_to(&self.oauth.authorize_url(&ask), account, scope).await;
        assert!(landed.starts_with(CALLBACK), "{landed}");
        let returned = Returned::read(&landed).unwrap();
        assert_eq!(returned.state.as_ref(), Some(&state));
        (returned, pkce)
    }

    /// The whole way to tokens.
    pub(crate) async fn grant(&self, account: &str) -> Grant {
        self.grant_to(account, &SCOPES.join(" ")).await
    }

    /// The whole way to tokens of these scopes alone.
    pub(crate) async fn grant_to(&self, account: &str, scope: &str) -> Grant {
        let (returned, pkce) = self.consent_to(account, scope).await;
        self.oauth.exchange(&self.client, &returned.code, CALLBACK, &pkce).await.unwrap()
    }

    /// The governor of an account.
    pub(crate) fn governor(&self, account: &str) -> Arc<Governor> {
        self.governors.of(account)
    }

    /// A mailbox by these tokens.
    pub(crate) fn mailbox(&self, account: &str, tokens: Arc<dyn TokenSource>) -> Mailbox {
        let endpoints = Arc::clone(&self.endpoints);
        Mailbox::new(&self.web, endpoints, self.clock.clone(), tokens, self.governor(account))
    }

    /// A mailbox, freshly connected.
    pub(crate) async fn connected(&self, account: &str) -> Mailbox {
        self.mailbox(account, Arc::new(self.grant(account).await.access))
    }
}
