//! `events.url`: how processes that share a database hear of each other's doings.

use bus::nats::Url;

use super::{Database, Reader, named};

impl Reader {
    /// NATS, if the setting names one; `memory:` leaves it to the database.
    pub(super) fn nats(&mut self, database: &Database) -> Option<Url> {
        let url = self.read("events.url", |text| match text {
            "memory:" => Ok(None),
            _ => {
                text.parse().map(Some).map_err(|e: bus::nats::InvalidUrl| format!("must be memory:, or {e}"))
            }
        })?;
        if url.is_some()
            && matches!(database, Database::Sqlite(_))
            && !self.errors.iter().any(|e| e.starts_with("database.url"))
        {
            let problem = "must be memory: on SQLite, whose file one process has to itself; NATS is for processes that \
                           share a PostgreSQL (database.url)";
            self.errors.push(named("events.url", problem));
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, SettingsError};

    fn load(database: &str, events: &str) -> Result<Settings, SettingsError> {
        let pairs = [("DATABASE__URL", database), ("EVENTS__URL", events)];
        Settings::load(None, pairs.map(|(key, value)| (format!("HONGYAN_{key}"), value.to_owned())))
    }

    #[test]
    fn nats_is_for_those_who_share_a_database() {
        const POSTGRES: &str = "postgres://hongyan@localhost/hongyan";
        for (database, events, nats) in [
            (POSTGRES, "", false),
            (POSTGRES, "memory:", false),
            (POSTGRES, "nats://localhost", true),
            (POSTGRES, "tls://hongyan:geheim@a.example.com:4222,b.example.com", true),
            ("sqlite:x.db", "memory:", false),
        ] {
            assert_eq!(load(database, events).unwrap().nats.is_some(), nats, "{database} {events}");
        }
        for (database, events) in [
            ("sqlite:x.db", "nats://localhost"),
            (POSTGRES, "nats:"),
            (POSTGRES, "nats://hongyan:ge/heim@localhost"),
            (POSTGRES, "nats://hongyan:geheim@localhost/path"),
            (POSTGRES, "amqp://hongyan:geheim@localhost"),
        ] {
            let error = load(database, events).unwrap_err();
            let named = error.0.len() == 1 && error.0[0].starts_with("events.url (HONGYAN_EVENTS__URL): ");
            assert!(named && !error.to_string().contains("heim"), "{error}");
        }
    }
}
