//! The request body of an invocation: `{"Data":{…},"Metadata":{…}}`.

use bytes::Bytes;
use uuid::Uuid;

use super::{Failure, exception};
use crate::dotnet;
use crate::json::Json;

/// A finished request, except for its retry context.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    data: (String, Json),
    metadata: Vec<(String, Json)>,
}

/// How often the invocation was repeated already.
#[derive(Clone, Debug)]
pub(crate) struct RetryContext {
    pub(crate) invocation: Uuid,
    pub(crate) retry_count: i64,
    pub(crate) max_retry_count: i64,
    /// The failure before this attempt.
    pub(crate) failure: Option<Failure>,
}

impl Envelope {
    /// `data` and `metadata` are in wire form already (see [`Json::on_the_wire`]). Metadata that is null, or whose
    /// name ends in "trigger", is left out: the host's rule.
    pub(crate) fn new(binding: &str, data: Json, metadata: Vec<(String, Json)>) -> Self {
        let shown = |(name, value): &(String, Json)| !value.is_null() && !ends_in_trigger(name);
        Self { data: (binding.to_owned(), data), metadata: metadata.into_iter().filter(shown).collect() }
    }

    /// The body of one attempt. `function` is the function's name, for the exception's text.
    pub(crate) fn body(&self, function: &str, retry: Option<&RetryContext>) -> Bytes {
        let mut metadata = self.metadata.clone();
        if let Some(retry) = retry {
            metadata.push(("RetryContext".to_owned(), retry.to_json(function)));
        }
        let data = Json::Object(vec![self.data.clone()]);
        Bytes::from(Json::object([("Data", data), ("Metadata", Json::Object(metadata))]).to_text())
    }
}

fn ends_in_trigger(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with("trigger")
}

/// The `sys` member of every request.
pub(crate) fn sys(function: &str) -> (String, Json) {
    let members = [
        ("MethodName", Json::from(function)),
        ("UtcNow", Json::from(format!("{}Z", dotnet::date_time(jiff::Timestamp::now())))),
        ("RandGuid", Json::from(Uuid::new_v4().to_string())),
    ];
    ("sys".to_owned(), Json::object(members))
}

impl RetryContext {
    fn to_json(&self, function: &str) -> Json {
        let failure = self.failure.as_ref();
        Json::object([
            ("RetryCount", Json::from(self.retry_count)),
            ("MaxRetryCount", Json::from(self.max_retry_count)),
            (
                "Exception",
                failure.map_or(Json::Null, |failure| exception::to_json(function, self.invocation, failure)),
            ),
            ("Instance", Json::Null),
            ("State", Json::object([])),
        ])
    }
}
