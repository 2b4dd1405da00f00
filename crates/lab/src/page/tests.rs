//! The page as a browser sees it, and who may press its buttons.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn moment(epoch: u64, active: &str) -> Moment {
    let standby = if active == "primary" { "secondary" } else { "primary" };
    let hub = |reachable: bool| json!({"hostName": "h", "reachable": reachable, "devices": 3});
    let status = json!({
        "health": {"state": "DEGRADED", "reasons": [format!("the {standby} is rejoining")]},
        "record": {"epoch": epoch, "active": active, "standbyState": "rejoining", "phase": "steady"},
        "hubs": {active: hub(true), standby: hub(false)},
        "pending": 5,
        "partitions": [{"eventHub": "devicetwin", "appliedAt": "2026-01-01T00:00:01Z"}],
    });
    let pending = BTreeMap::from([("throttled".to_owned(), 5)]);
    let at = "2026-01-01T00:00:09Z".parse().unwrap();
    let devices = [("a", Some(active)), ("b", Some(active)), ("<i>", None)];
    let devices = devices.map(|(id, hub)| (id.to_owned(), hub.map(str::to_owned)));
    Moment { at, status, pending, devices: devices.into(), happened: Happened::default() }
}

fn client() -> reqwest::Client {
    // It asks loopback only; a provider is needed all the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

async fn press(page: &Page, name: &str, header: bool) -> u16 {
    let mut request = client().post(format!("{}{name}", page.address));
    if header {
        request = request.header(BUTTON, "1");
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn only_the_page_itself_presses_buttons_and_no_more_of_them_than_are_worked_off() {
    let mut page = Page::serve(&moment(1, "primary")).await.unwrap();
    assert_eq!(press(&page, "break", false).await, 403, "another site's page cannot send the header");
    assert_eq!(press(&page, "format-disk", true).await, 404);
    assert_eq!(press(&page, "promote", true).await, 202);
    assert_eq!(timeout(PATIENCE, page.pressed()).await.unwrap(), Some(Button::Promote));
    for _ in 0..PRESSED {
        assert_eq!(press(&page, "create", true).await, 202);
    }
    assert_eq!(press(&page, "create", true).await, 429);
}

#[tokio::test]
async fn every_moment_that_differs_is_sent_and_none_twice() {
    let page = Page::serve(&moment(1, "primary")).await.unwrap();
    let answer = client().get(format!("{}moments", page.address)).send().await.unwrap();
    let mut stream = answer.bytes_stream();
    let mut next = async || {
        let bytes = timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let moment: Value = serde_json::from_str(text.strip_prefix("data: ").unwrap()).unwrap();
        moment["status"]["record"]["epoch"].clone()
    };
    assert_eq!(next().await, 1);
    page.show(&Moment { at: jiff::Timestamp::now(), ..moment(1, "primary") });
    page.show(&moment(2, "secondary"));
    assert_eq!(next().await, 2, "a moment that differs by its time alone is none");
}

#[test]
fn what_happened_is_told_from_two_moments() {
    let (before, mut now) = (moment(1, "primary"), moment(2, "secondary"));
    now.pending.clear();
    now.devices.insert("a".to_owned(), None);
    let wanted = [
        "the primary does not answer",
        "the secondary answers",
        "epoch 2: the secondary is active",
        "pending: nothing",
        "1 device lost the connection",
        "1 device came to the secondary",
    ];
    assert_eq!(news(&before, &now), wanted);
    assert_eq!(news(&now, &now), Vec::<String>::new());
}

/// What Chromium makes of the page.
async fn drawn(page: &Page) -> String {
    let profile = std::env::temp_dir().join(format!("lab-page-{}", uuid::Uuid::new_v4()));
    let mut browser = Command::new("chromium");
    browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"]);
    browser.arg(format!("--user-data-dir={}", profile.display())).arg(&page.address).kill_on_drop(true);
    let output = timeout(PATIENCE, browser.output()).await.unwrap().unwrap();
    let _ = std::fs::remove_dir_all(profile);
    String::from_utf8(output.stdout).unwrap()
}

/// CI installs Chromium; elsewhere this test says that it is missing.
#[tokio::test]
async fn a_browser_draws_hubs_devices_and_what_is_pending() {
    if Command::new("chromium").arg("--version").output().await.is_err() {
        assert!(std::env::var_os("CI").is_none(), "CI has a browser");
        eprintln!("chromium is not installed: the page was not drawn");
        return;
    }
    let page = Page::serve(&moment(7, "secondary")).await.unwrap();
    let drawn = drawn(&page).await;
    let wanted = [
        "<span id=\"state\" class=\"DEGRADED\">DEGRADED</span>",
        "<div class=\"hub active\" id=\"secondary\">",
        "<div class=\"hub silent\" id=\"primary\">",
        "2 connected here, of 3 with the app's probes",
        "standby, rejoining, does not answer",
        "<dt>epoch</dt><dd>7</dd>",
        "<dt>pending</dt><dd>5 throttled</dd>",
        "<dt>devicetwin</dt><dd>newest event applied is 8 s old</dd>",
        "<span id=\"lost-count\">1</span>",
        "title=\"&lt;i&gt;\"",
    ];
    for part in wanted {
        assert!(drawn.contains(part), "{part} is not in {drawn}");
    }
}
