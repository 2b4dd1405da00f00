//! The app's container, as an operator (or an accident) reaches it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::Sha256;

use super::World;

/// A container, through a SAS of its own making.
pub struct Container {
    endpoint: String,
    name: String,
    sas: String,
    http: reqwest::Client,
}

/// The container that the app of this world keeps its state in.
pub fn container(world: &World) -> Container {
    let connection = world.variable("AzureWebJobsStorage");
    let part = |name: &str| {
        let mut parts = connection.split(';').filter_map(|part| part.split_once('='));
        parts.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap()
    };
    Container {
        endpoint: part("BlobEndpoint"),
        name: world.variable("HADR_CONTAINER").to_owned(),
        sas: account_sas(&part("AccountName"), &part("AccountKey")),
        http: world.http.clone(),
    }
}

/// An account SAS for blobs, as documented for version 2021-08-06.
fn account_sas(account: &str, key: &str) -> String {
    let (version, permissions, expiry) = ("2021-08-06", "rwdlac", "2099-01-01T00:00:00Z");
    let text = format!("{account}\n{permissions}\nb\nsco\n\n{expiry}\n\nhttps,http\n{version}\n\n");
    let mut mac = Hmac::<Sha256>::new_from_slice(&BASE64_STANDARD.decode(key).unwrap()).unwrap();
    mac.update(text.as_bytes());
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
    format!("sv={version}&ss=b&srt=sco&sp={permissions}&se={expiry}&spr=https,http&sig={signature}")
}

impl Container {
    fn url(&self, blob: &str) -> String {
        format!("{}/{}/{blob}?{}", self.endpoint, self.name, self.sas)
    }

    pub async fn delete(&self, blob: &str) {
        let response =
            self.http.delete(self.url(blob)).header("x-ms-version", "2021-08-06").send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }

    pub async fn get(&self, blob: &str) -> Option<Vec<u8>> {
        let response =
            self.http.get(self.url(blob)).header("x-ms-version", "2021-08-06").send().await.unwrap();
        if response.status().as_u16() == 404 {
            return None;
        }
        Some(response.error_for_status().unwrap().bytes().await.unwrap().to_vec())
    }

    /// Writes a blob, whatever is there.
    pub async fn put(&self, blob: &str, bytes: impl Into<Vec<u8>>) {
        self.put_with(blob, bytes, &[]).await;
    }

    /// The same, with this metadata.
    pub async fn put_with(&self, blob: &str, bytes: impl Into<Vec<u8>>, metadata: &[(&str, &str)]) {
        let mut request = self.http.put(self.url(blob)).header("x-ms-version", "2021-08-06");
        for (name, value) in metadata {
            request = request.header(format!("x-ms-meta-{name}"), *value);
        }
        let response = request.header("x-ms-blob-type", "BlockBlob").body(bytes.into()).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }

    /// A note of an earlier rejoining, which is kept in mind only.
    pub async fn put_resting_note(&self, id: &str) {
        let note = serde_json::json!({
            "id": id, "identity": {"deviceId": id}, "reason": "rejoining", "detail": "", "since": "2026-11-24T00:00:00Z",
            "lastTried": "2026-11-24T00:00:00Z", "attempts": 0, "nextTry": "9999-12-30T22:00:00.999999999Z",
            "eventHub": "", "partition": "", "sequenceNumber": null, "epoch": 1,
        });
        let request =
            self.http.put(self.url(&format!("pending/{id}.json"))).header("x-ms-version", "2021-08-06");
        let request = request.header("x-ms-blob-type", "BlockBlob").header("x-ms-meta-reason", "rejoining");
        let request = request.header("x-ms-meta-next_try", "253402207200").header("x-ms-meta-epoch", "1");
        let response = request.body(note.to_string()).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }

    /// The routing record, as it is in storage.
    pub async fn record(&self) -> Value {
        serde_json::from_slice(&self.get("routing-record.json").await.unwrap()).unwrap()
    }

    /// Changes the routing record as nothing in the app would.
    pub async fn edit_record(&self, edit: impl FnOnce(&mut Value)) {
        let mut record = self.record().await;
        edit(&mut record);
        self.put("routing-record.json", record.to_string()).await;
    }

    /// As if both hubs had been found equal: the record says that the standby is in sync.
    pub async fn end_rejoining(&self) {
        self.edit_record(|record| {
            (record["standbyState"], record["diverged"]) = (json!("in-sync"), Value::Null);
        })
        .await;
    }

    /// Names under a prefix.
    pub async fn list(&self, prefix: &str) -> Vec<String> {
        let url = format!(
            "{}/{}?restype=container&comp=list&prefix={prefix}&{}",
            self.endpoint, self.name, self.sas
        );
        let response = self.http.get(url).header("x-ms-version", "2021-08-06").send().await.unwrap();
        let text = response.error_for_status().unwrap().text().await.unwrap();
        text.split("<Name>")
            .skip(1)
            .filter_map(|rest| rest.split("</Name>").next())
            .map(str::to_owned)
            .collect()
    }

    /// Deletes the container itself.
    pub async fn drop_container(&self) {
        let url = format!("{}/{}?restype=container&{}", self.endpoint, self.name, self.sas);
        let response = self.http.delete(url).header("x-ms-version", "2021-08-06").send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }
}
