//! Who is let in, and for how long.

use bytes::Bytes;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::connect_code;
use super::packet::{self, Connect, ConnectCode};
use super::session::{Connection, Session};
use super::topic;
use super::wire::Ended;
use crate::control::Verdict;
use crate::sas::authorise_device;
use crate::store::{Id, SessionGuard, Subscriptions};
use crate::throttle::Class;

/// Longest silence a hub allows, in seconds (documented: 1767 is the cap of the server side).
const LONGEST_SILENCE: u64 = 1767;

/// A device that may come in.
struct LetIn {
    /// When its token expires, in Unix seconds.
    expiry: u64,
    /// The model that it says it has; empty when it says nothing.
    model: String,
}

/// How long a session may stay.
pub(super) struct Stay {
    guard: SessionGuard,
    /// Unix seconds.
    expiry: u64,
}

impl Stay {
    pub(super) async fn over(&self) {
        tokio::select! {
            () = self.guard.closed() => {}
            () = tokio::time::sleep(until(self.expiry)) => {}
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    pub(super) async fn admit(&mut self, connect: Connect) -> Result<(Session, Stay), Ended> {
        let id = Id::from_client_id(&connect.client_id);
        let verdict = self.control.verdict("MQTT-CONNECT", &connect.client_id).await;
        let shaped = self.turn(&verdict, Class::DeviceConnect).await;
        let decided = match verdict {
            Verdict::Proceed => match shaped {
                Ok(()) => self.judge(&connect, &id),
                Err(_) => Err(ConnectCode::ServerUnavailable),
            },
            Verdict::Answer(planned) | Verdict::AnswerAfterApply(planned) => Err(connect_code(&planned)),
            cut => {
                self.remember("MQTT-CONNECT", &connect.client_id, 0, None, Bytes::new());
                return Err(if cut == Verdict::Hang { self.wire.hang().await } else { Ended::Fault });
            }
        };
        let decided = decided.and_then(|let_in| self.take_place(&id, let_in, connect.clean_session));
        let status = decided.as_ref().map_or_else(|code| code.status(), |_| 200);
        self.remember("MQTT-CONNECT", &connect.client_id, status, None, Bytes::new());
        match decided {
            Err(code) => {
                self.wire.send(packet::connack(code, false)).await?;
                Err(Ended::Refused)
            }
            Ok((stay, kept)) => {
                // It listens before it is told that it does.
                let session = self.session(id, connect, kept.unwrap_or_default());
                self.wire.send(packet::connack(ConnectCode::Accepted, kept.is_some())).await?;
                Ok((session, stay))
            }
        }
    }

    /// How a device is let in, or why it is not.
    fn judge(&self, connect: &Connect, id: &Id) -> Result<LetIn, ConnectCode> {
        if connect.level != packet::LEVEL {
            return Err(ConnectCode::UnacceptableProtocol);
        }
        let user_name = connect.user_name.as_deref().unwrap_or_default();
        let read = topic::user_name(user_name, &connect.client_id).ok_or(ConnectCode::IdentifierRejected)?;
        if !self.hub.is_called(read.host) || !read.versioned {
            return Err(ConnectCode::NotAuthorised);
        }
        let token = connect.password.as_deref().unwrap_or_default();
        let expiry = authorise_device(&self.hub, id, token).map_err(|_| ConnectCode::NotAuthorised)?;
        Ok(LetIn { expiry, model: read.model })
    }

    /// Takes the identity's one place, and up what it subscribed to before.
    fn take_place(
        &self,
        id: &Id,
        LetIn { expiry, model }: LetIn,
        clean: bool,
    ) -> Result<(Stay, Option<Subscriptions>), ConnectCode> {
        let stay = Stay { guard: self.hub.register_session(id), expiry };
        self.hub.note_model(id, &model);
        let kept = self.hub.resume_session(id, clean);
        // Whoever disabled or deleted it since it was judged may not have seen this connection.
        if self.hub.device_credentials(id).is_some_and(|credentials| credentials.enabled) {
            return Ok((stay, kept));
        }
        self.hub.resume_session(id, true);
        Err(ConnectCode::NotAuthorised)
    }

    fn session(&self, id: Id, connect: Connect, subscribed: Subscriptions) -> Session {
        let desired = subscribed.desired.then(|| self.hub.subscribe_desired(&id));
        let (lasting, silence) = (!connect.clean_session, silence(connect.keep_alive));
        Session { id, client_id: connect.client_id, subscribed, desired, lasting, silence }
    }
}

fn silence(keep_alive: u16) -> Duration {
    match keep_alive {
        0 => Duration::from_secs(LONGEST_SILENCE),
        seconds => Duration::from_secs((u64::from(seconds) * 3 / 2).clamp(1, LONGEST_SILENCE)),
    }
}

fn until(expiry: u64) -> Duration {
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0);
    stay_left(expiry, now)
}

/// Clocks may differ: a token that has just expired is let in, and stays until it would no longer be.
fn stay_left(expiry: u64, now: u64) -> Duration {
    let end = expiry.saturating_add(crate::sas::CLOCK_SKEW.as_secs() + 1);
    Duration::from_secs(end.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_keep_alive_and_a_long_one_end_at_the_hubs_own_limit() {
        let seconds = |keep_alive| silence(keep_alive).as_secs();
        assert_eq!([0, 1, 60, 1177, 65535].map(seconds), [1767, 1, 90, 1765, 1767]);
    }

    #[test]
    fn a_token_that_never_expires_lets_stay_for_as_long_as_there_is_time() {
        assert_eq!(
            [stay_left(u64::MAX, 1), stay_left(10, 20)].map(|left| left.as_secs()),
            [u64::MAX - 1, 291]
        );
    }
}
