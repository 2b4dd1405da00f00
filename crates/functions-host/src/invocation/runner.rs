//! Runs an invocation to its end: attempts, retry policy, log lines.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Failure;
use super::caller::Caller;
use super::envelope::{Envelope, RetryContext};
use super::reply::FunctionResult;
use super::retry::Backoff;
use crate::app::Function;
use crate::log::{self, HostLog, RESULTS};

/// How an invocation ended, all its retries included.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Succeeded(FunctionResult),
    /// It failed, and will not be repeated.
    Failed(Failure),
    /// The host stopped, or the partition was taken away, before there was a result that counts.
    Interrupted,
}

/// Told about every attempt, for whoever shows progress.
pub(crate) trait Attempts: Send + Sync {
    /// Attempt number `retry_count` (0 first) begins; `failure` is what ended the one before.
    fn begins(&self, retry_count: i64, failure: Option<&Failure>);
}

/// Everything invocations share.
#[derive(Clone)]
pub(crate) struct Runner {
    pub(crate) caller: Arc<Caller>,
    pub(crate) log: HostLog,
    /// While true, no attempt begins.
    pub(crate) paused: watch::Receiver<bool>,
    /// Retry intervals are multiplied by this: tests do not wait for minutes.
    pub(crate) retry_scale: f64,
}

impl Runner {
    /// Runs one invocation; all its attempts have the same invocation id. A payload that could not be bound fails
    /// every attempt without the handler seeing it.
    pub(crate) async fn run(
        &self,
        function: &Function,
        payload: &Result<Envelope, Failure>,
        reason: &str,
        attempts: &dyn Attempts,
        interrupted: &CancellationToken,
    ) -> Outcome {
        let id = Uuid::new_v4();
        let mut backoff = Backoff::new(function.retry.as_ref());
        let mut failure = None;
        for retry_count in 0.. {
            if !self.may_begin(interrupted).await {
                return Outcome::Interrupted;
            }
            attempts.begins(retry_count, failure.as_ref());
            let retry = function.retry.as_ref().map(|policy| RetryContext {
                invocation: id,
                retry_count,
                max_retry_count: policy.max_retry_count(),
                failure: failure.take(),
            });
            match self.attempt(function, payload, reason, id, retry.as_ref()).await {
                Ok(result) => return Outcome::Succeeded(result),
                Err(error) => {
                    let Some(delay) = backoff.next_delay(rand::random()) else {
                        return Outcome::Failed(error);
                    };
                    failure = Some(error);
                    tokio::select! {
                        () = interrupted.cancelled() => return Outcome::Interrupted,
                        () = tokio::time::sleep(delay.mul_f64(self.retry_scale)) => {}
                    }
                }
            }
        }
        Outcome::Interrupted
    }

    /// Waits while the host is paused. `false`: interrupted.
    async fn may_begin(&self, interrupted: &CancellationToken) -> bool {
        let mut paused = self.paused.clone();
        tokio::select! {
            biased;
            () = interrupted.cancelled() => false,
            resumed = paused.wait_for(|paused| !paused) => resumed.is_ok(),
        }
    }

    async fn attempt(
        &self,
        function: &Function,
        payload: &Result<Envelope, Failure>,
        reason: &str,
        id: Uuid,
        retry: Option<&RetryContext>,
    ) -> Result<FunctionResult, Failure> {
        let name = &function.name;
        self.log.information(RESULTS, &format!("Executing 'Functions.{name}' (Reason='{reason}', Id={id})"));
        let begun = Instant::now();
        let result = match payload {
            Ok(envelope) => self.caller.invoke(name, id, envelope.body(name, retry)).await,
            Err(failure) => Err(failure.clone()),
        };
        let duration = begun.elapsed().as_millis();
        match &result {
            Ok(result) => {
                for line in &result.logs {
                    self.log.information(&log::user_category(name), line);
                }
                let line = format!("Executed 'Functions.{name}' (Succeeded, Id={id}, Duration={duration}ms)");
                self.log.information(RESULTS, &line);
            }
            Err(failure) => {
                let line = format!(
                    "Executed 'Functions.{name}' (Failed, Id={id}, Duration={duration}ms): {failure}"
                );
                self.log.error(RESULTS, &line);
            }
        }
        result
    }
}
