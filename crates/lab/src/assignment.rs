//! Which hub the router names, as every client must ask for it: again every `validForSeconds` with jitter, never back
//! to a lower epoch, and staying where it is while the router has nothing to say.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

/// How far a client stays below `validForSeconds`, so that a fleet does not ask all at once.
const JITTER: f64 = 0.3;
/// The shortest and longest wait before something that failed is tried again.
const RETRY_MS: (u64, u64) = (100, 400);
/// When the answer does not say how long it is good.
const VALID_SECONDS: f64 = 60.0;

/// The router's answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assignment {
    /// The hub's host name.
    pub(crate) host: String,
    /// In which epoch that was said.
    pub(crate) epoch: u64,
    /// When to ask again.
    pub(crate) ask_again: Duration,
}

/// One client's door to the router.
#[derive(Debug, Clone)]
pub(crate) struct RouterClient {
    /// The router's addresses, one for each instance of the app.
    routers: Vec<String>,
    http: reqwest::Client,
    id: String,
    known: Option<Assignment>,
}

impl RouterClient {
    /// For the client with this id, which has not asked yet.
    pub(crate) fn new(routers: Vec<String>, http: reqwest::Client, id: &str) -> Self {
        Self { routers, http, id: id.to_owned(), known: None }
    }

    /// Asks one of the instances.
    ///
    /// # Errors
    /// When it does not answer, or answers that it does not know (503): what was known before stands.
    pub(crate) async fn ask(&mut self) -> Result<Assignment, String> {
        let at = rand::random_range(0..self.routers.len().max(1));
        let router = self.routers.get(at).ok_or("no router")?;
        let url = format!("{router}/{}", crate::sas::encoded(&self.id));
        let answer = self.http.get(url).send().await.map_err(|error| error.to_string())?;
        let answer = answer.error_for_status().map_err(|error| error.to_string())?;
        let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        Ok(self.believe(parsed(&answer)?))
    }

    /// Asks again and again, for ever, and says when another hub is named.
    pub(crate) async fn follow(mut self, named: watch::Sender<Option<String>>) {
        loop {
            let wait = match self.ask().await {
                Ok(answer) => {
                    named.send_if_modified(|host| {
                        let moved = host.as_ref() != Some(&answer.host);
                        *host = Some(answer.host);
                        moved
                    });
                    answer.ask_again
                }
                Err(_) => a_moment(),
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// A lower epoch is an instance that has not heard yet: what is known stands, and is asked for again.
    fn believe(&mut self, answer: Assignment) -> Assignment {
        let newest = match self.known.take() {
            Some(known) if known.epoch > answer.epoch => Assignment { ask_again: answer.ask_again, ..known },
            _ => answer,
        };
        self.known.insert(newest).clone()
    }
}

/// How long to wait before something that failed is tried again.
pub(crate) fn a_moment() -> Duration {
    Duration::from_millis(rand::random_range(RETRY_MS.0..RETRY_MS.1))
}

fn parsed(answer: &Value) -> Result<Assignment, String> {
    let host = answer.get("iotHub").and_then(Value::as_str).ok_or("no iotHub in the answer")?;
    let epoch = answer.get("epoch").and_then(Value::as_u64).ok_or("no epoch in the answer")?;
    let seconds = answer.get("validForSeconds").and_then(Value::as_f64).unwrap_or(VALID_SECONDS);
    let ask_again = Duration::from_secs_f64(seconds * (1.0 - JITTER * rand::random::<f64>()));
    Ok(Assignment { host: host.to_owned(), epoch, ask_again })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use serde_json::json;

    fn heard(client: &mut RouterClient, host: &str, epoch: u64) -> String {
        let answer = json!({ "iotHub": host, "epoch": epoch, "validForSeconds": 4 });
        client.believe(parsed(&answer).unwrap()).host
    }

    #[test]
    fn a_lower_epoch_is_never_followed() {
        // Fails only when another test was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = RouterClient::new(Vec::new(), reqwest::Client::new(), "d");
        assert_eq!(heard(&mut client, "one", 1), "one");
        assert_eq!(heard(&mut client, "two", 2), "two");
        assert_eq!(heard(&mut client, "one", 1), "two");
        assert_eq!(heard(&mut client, "one", 0), "two");
        assert_eq!(heard(&mut client, "one", 3), "one");
    }

    #[test]
    fn the_next_question_comes_before_the_answer_is_too_old() {
        let answer = json!({ "iotHub": "h", "epoch": 1, "validForSeconds": 10 });
        let again = parsed(&answer).unwrap().ask_again;
        assert!(again <= Duration::from_secs(10) && again >= Duration::from_secs(7));
    }
}
