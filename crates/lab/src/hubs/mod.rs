//! The two hubs as an operator's tool sees them: the documented service API over HTTPS with a
//! shared access policy.

pub(crate) mod compare;

use std::time::{Duration, SystemTime};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::error::LabError;
use crate::sas;

/// The API version every current SDK sends.
pub(crate) const API_VERSION: &str = "2021-04-12";
/// How long a token is good for; longer than any run.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600);
/// A bulk request's limit, documented.
pub(crate) const BULK_LIMIT: usize = 100;

/// One hub.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    /// `primary` or `secondary`.
    pub(crate) name: String,
    /// As in connection strings, and as the router returns it.
    pub(crate) host: String,
    /// Where the device protocol is. 8883 in Azure; here both hubs share one address.
    pub(crate) mqtt_port: u16,
    /// The owner's connection string.
    pub(crate) connection_string: String,
    policy: String,
    key: Vec<u8>,
    http: reqwest::Client,
}

impl Hub {
    /// A client for the hub of this connection string, or nothing if a part of it is missing.
    pub(crate) fn new(
        name: &str,
        connection_string: &str,
        mqtt_port: u16,
        http: reqwest::Client,
    ) -> Option<Self> {
        let part = |key: &str| {
            let mut parts = connection_string.split(';').filter_map(|part| part.split_once('='));
            parts.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
        };
        Some(Self {
            name: name.to_owned(),
            host: part("HostName")?,
            mqtt_port,
            connection_string: connection_string.to_owned(),
            policy: part("SharedAccessKeyName")?,
            key: sas::decoded_key(&part("SharedAccessKey")?)?,
            http,
        })
    }

    /// Creates a device or module: the service's create-only PUT.
    pub(crate) async fn create(&self, identity: &Value) -> Result<Value, LabError> {
        let path = identity_path("/devices", identity)?;
        self.call(Method::PUT, &path, None, Some(identity)).await
    }

    /// Creates at most a hundred devices with their twins in one request.
    pub(crate) async fn create_bulk(&self, identities: &[Value]) -> Result<(), LabError> {
        self.call(Method::POST, "/devices", None, Some(&json!(identities))).await.map(|_| ())
    }

    /// Deletes whatever version is there.
    pub(crate) async fn delete(&self, device: &str) -> Result<(), LabError> {
        let path = format!("/devices/{}", sas::encoded(device));
        self.call(Method::DELETE, &path, Some("\"*\""), None).await.map(|_| ())
    }

    /// Merges tags and desired properties into a twin.
    pub(crate) async fn patch_twin(&self, identity: &Value, patch: &Value) -> Result<Value, LabError> {
        let path = identity_path("/twins", identity)?;
        self.call(Method::PATCH, &path, None, Some(patch)).await
    }

    /// A twin by its identity.
    pub(crate) async fn twin(&self, identity: &Value) -> Result<Value, LabError> {
        self.call(Method::GET, &identity_path("/twins", identity)?, None, None).await
    }

    /// Every device, with keys. The service lists at most 1,000.
    pub(crate) async fn devices(&self) -> Result<Vec<Value>, LabError> {
        list(self.call(Method::GET, "/devices?top=1000", None, None).await?)
    }

    /// The modules of one device, with keys.
    pub(crate) async fn modules(&self, device: &str) -> Result<Vec<Value>, LabError> {
        let path = format!("/devices/{}/modules", sas::encoded(device));
        list(self.call(Method::GET, &path, None, None).await?)
    }

    /// What a request to this hub needs in its `Authorization` header, for a day.
    pub(crate) fn token(&self) -> String {
        sas::token(&self.host, &self.key, Some(&self.policy), expiry())
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        if_match: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Value, LabError> {
        let what = format!("{method} {path} at {}", self.name);
        let (status, text) =
            self.send(method, path, if_match, body).await.map_err(LabError::refused(&what))?;
        if !status.is_success() {
            return Err(LabError::Refused(what, format!("{status} {text}")));
        }
        // 204 has no body.
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Sends one request; the hub's answer, whatever it is.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        if_match: Option<&str>,
        body: Option<&Value>,
    ) -> Result<(StatusCode, String), reqwest::Error> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let url = format!("https://{}{path}{joint}api-version={API_VERSION}", self.host);
        let mut request = self.http.request(method, url).header("authorization", self.token());
        if let Some(etag) = if_match {
            request = request.header("if-match", etag);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        Ok((answer.status(), answer.text().await?))
    }
}

/// Unix seconds at which a token made now ends.
pub(crate) fn expiry() -> u64 {
    let ends = SystemTime::now() + TOKEN_LIFE;
    ends.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// `/devices/{id}` or `/devices/{id}/modules/{module}`, and the same under `/twins`.
fn identity_path(root: &str, identity: &Value) -> Result<String, LabError> {
    let member = |name: &str| identity.get(name).and_then(Value::as_str);
    let missing = || LabError::Refused(root.to_owned(), "an identity without deviceId".to_owned());
    let device = sas::encoded(member("deviceId").ok_or_else(missing)?);
    let module = member("moduleId").map(|id| format!("/modules/{}", sas::encoded(id)));
    Ok(format!("{root}/{device}{}", module.unwrap_or_default()))
}

fn list(value: Value) -> Result<Vec<Value>, LabError> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(LabError::Refused("a list".to_owned(), "the answer is not an array".to_owned())),
    }
}
