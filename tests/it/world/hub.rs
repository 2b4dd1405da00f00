//! A hub as an operator's script sees it: the service API over HTTPS, and the emulator's control port.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

/// One hub.
#[derive(Clone)]
pub struct Hub {
    pub name: String,
    pub host_name: String,
    pub connection_string: String,
    pub mqtt_port: u16,
    pub control: String,
    policy: String,
    key: String,
    http: reqwest::Client,
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

impl Hub {
    pub fn new(ready: &Value, control: &str, http: &reqwest::Client) -> Self {
        let connection_string = ready["connectionString"].as_str().unwrap().to_owned();
        let part = |name: &str| {
            let parts = connection_string.split(';').filter_map(|part| part.split_once('='));
            parts.clone().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap()
        };
        Self {
            name: ready["name"].as_str().unwrap().to_owned(),
            host_name: ready["hostName"].as_str().unwrap().to_owned(),
            mqtt_port: ready["mqtt"].as_u64().unwrap() as u16,
            control: control.to_owned(),
            policy: part("SharedAccessKeyName"),
            key: part("SharedAccessKey"),
            connection_string,
            http: http.clone(),
        }
    }

    fn token(&self) -> String {
        let resource = encode(&self.host_name);
        let expiry = jiff::Timestamp::now().as_second() + 3600;
        let key = BASE64_STANDARD.decode(&self.key).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{resource}\n{expiry}").as_bytes());
        let signature = encode(&BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={}", self.policy)
    }

    /// One call of the service API; `path` is encoded already.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        if_match: Option<&str>,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let url = format!("https://{}{path}?api-version=2021-04-12", self.host_name);
        let mut request = self.http.request(method, url).header("Authorization", self.token());
        if let Some(etag) = if_match {
            request = request.header("If-Match", etag);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let bytes = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn expect(&self, method: Method, path: &str, if_match: Option<&str>, body: Option<Value>) -> Value {
        let (status, answer) = self.call(method.clone(), path, if_match, body).await;
        assert!(status.is_success(), "{method} {path} on {}: {status} {answer}", self.name);
        answer
    }

    pub fn device_path(device: &str) -> String {
        format!("/devices/{}", encode(device))
    }

    pub fn twin_path(identity: &str) -> String {
        match identity.split_once('/') {
            None => format!("/twins/{}", encode(identity)),
            Some((device, module)) => format!("/twins/{}/modules/{}", encode(device), encode(module)),
        }
    }

    /// Creates a device with keys of the hub's own making.
    pub async fn create(&self, device: &str) -> Value {
        self.create_with(device, json!({})).await
    }

    /// Creates a device with these members.
    pub async fn create_with(&self, device: &str, members: Value) -> Value {
        let mut body = members;
        body["deviceId"] = device.into();
        self.expect(Method::PUT, &Self::device_path(device), None, Some(body)).await
    }

    pub async fn create_module(&self, device: &str, module: &str) -> Value {
        let path = format!("{}/modules/{}", Self::device_path(device), encode(module));
        let body = json!({"deviceId": device, "moduleId": module});
        self.expect(Method::PUT, &path, None, Some(body)).await
    }

    pub async fn delete_module(&self, device: &str, module: &str) {
        let path = format!("{}/modules/{}", Self::device_path(device), encode(module));
        self.expect(Method::DELETE, &path, Some("*"), None).await;
    }

    pub async fn delete(&self, device: &str) {
        self.expect(Method::DELETE, &Self::device_path(device), Some("*"), None).await;
    }

    /// Changes members of a device identity, all else as it is.
    pub async fn update(&self, device: &str, members: Value) -> Value {
        let mut body = self.device(device).await.unwrap();
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.expect(Method::PUT, &Self::device_path(device), Some("*"), Some(body)).await
    }

    pub async fn device(&self, device: &str) -> Option<Value> {
        let (status, answer) = self.call(Method::GET, &Self::device_path(device), None, None).await;
        match status {
            StatusCode::NOT_FOUND => None,
            _ => Some(answer),
        }
    }

    /// The twin of `device` or `device/module`.
    pub async fn twin(&self, identity: &str) -> Option<Value> {
        let (status, answer) = self.call(Method::GET, &Self::twin_path(identity), None, None).await;
        match status {
            StatusCode::NOT_FOUND => None,
            _ => Some(answer),
        }
    }

    pub async fn patch_twin(&self, identity: &str, patch: Value) -> Value {
        self.expect(Method::PATCH, &Self::twin_path(identity), None, Some(patch)).await
    }

    pub async fn replace_twin(&self, identity: &str, twin: Value) -> Value {
        self.expect(Method::PUT, &Self::twin_path(identity), None, Some(twin)).await
    }

    /// Whether queries show a device, which may be later than it is there.
    pub async fn is_listed(&self, device: &str) -> bool {
        let query = format!("SELECT deviceId FROM devices WHERE deviceId = '{device}'");
        let (_, rows) =
            self.call(Method::POST, "/devices/query", None, Some(json!({ "query": query }))).await;
        rows.as_array().is_some_and(|rows| !rows.is_empty())
    }

    // The control port.

    pub async fn control_post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/hubs/{}{path}", self.control, self.name);
        let response = self.http.post(url).json(&body).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "control {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub async fn control_get(&self, path: &str) -> Value {
        let url = format!("{}/hubs/{}{path}", self.control, self.name);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// `off`, `refuse`, `hang` or `unavailable`.
    pub async fn outage(&self, mode: &str) {
        self.control_post("/outage", json!({ "mode": mode })).await;
    }

    pub async fn fault(&self, fault: Value) {
        self.control_post("/faults", fault).await;
    }

    pub async fn clear_faults(&self) {
        let url = format!("{}/hubs/{}/faults", self.control, self.name);
        self.http.delete(url).send().await.unwrap().error_for_status().unwrap();
    }

    pub async fn requests(&self) -> Vec<Value> {
        self.control_get("/requests").await.as_array().cloned().unwrap()
    }

    /// How often the twin of an identity was read since the last [`Hub::forget_requests`].
    pub async fn reads_of(&self, id: &str) -> usize {
        let path = format!("/twins/{id}");
        let is_read = |request: &&Value| {
            request["method"] == "GET" && request["path"].as_str().is_some_and(|at| at.contains(&path))
        };
        self.requests().await.iter().filter(is_read).count()
    }

    pub async fn forget_requests(&self) {
        let url = format!("{}/hubs/{}/requests", self.control, self.name);
        self.http.delete(url).send().await.unwrap().error_for_status().unwrap();
    }

    /// Requests since the last [`Hub::forget_requests`] that changed something, as `METHOD path`.
    pub async fn writes(&self) -> Vec<String> {
        let write = |request: &&Value| {
            let path = request["path"].as_str().unwrap_or_default();
            matches!(request["method"].as_str().unwrap(), "PUT" | "PATCH" | "DELETE" | "POST" | "MQTT-PATCH")
                && !path.contains("/query")
                && !path.contains("hadr-probe-")
        };
        let line = |request: &Value| {
            format!(
                "{} {}",
                request["method"].as_str().unwrap(),
                request["path"].as_str().unwrap_or_default()
            )
        };
        self.requests().await.iter().filter(write).map(line).collect()
    }

    /// How often `method` was called since the last [`Hub::forget_requests`], probes apart.
    pub async fn count(&self, method: &str) -> usize {
        let requests = self.requests().await;
        let counted = |request: &&Value| {
            request["method"] == method
                && !request["path"].as_str().unwrap_or_default().contains("hadr-probe-")
        };
        requests.iter().filter(counted).count()
    }

    pub async fn connections(&self) -> Value {
        self.control_get("/connections").await
    }

    /// Everything that travels, by identity: what both hubs must agree on.
    pub async fn fleet(&self) -> std::collections::BTreeMap<String, Value> {
        let state = self.control_get("/state").await;
        let entries = state.as_array().cloned().unwrap();
        entries.iter().map(portable).filter(|(id, _)| !id.starts_with("hadr-probe-")).collect()
    }
}

fn portable(entry: &Value) -> (String, Value) {
    let (identity, twin) = (&entry["identity"], &entry["twin"]);
    let device = identity["deviceId"].as_str().unwrap();
    let id = match identity["moduleId"].as_str() {
        None => device.to_owned(),
        Some(module) => format!("{device}/{module}"),
    };
    let mut kept = json!({
        "tags": twin.get("tags").cloned().filter(|t| !t.is_null()).unwrap_or_else(|| json!({})),
        "desired": without_dollar(&twin["properties"]["desired"]),
        "reported": without_dollar(&twin["properties"]["reported"]),
    });
    for name in ["status", "statusReason", "authentication", "capabilities", "managedBy"] {
        kept[name] = identity[name].clone();
    }
    (id, kept)
}

fn without_dollar(section: &Value) -> Value {
    let members = section.as_object().cloned().unwrap_or_default();
    Value::Object(members.into_iter().filter(|(name, _)| !name.starts_with('$')).collect())
}
