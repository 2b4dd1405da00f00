//! Values that a hub refuses, or that cannot be read, hold up nothing but themselves.

use serde_json::{Value, json};

use crate::switching::{busy, hand_over_what_comes, is_in_sync, record, with_a_copy};
use crate::world::World;
use crate::world::handler::{Handler, with_a_device};
use crate::world::hub::Hub;
use crate::world::news::quick;

/// An integer beyond 2^52, which a hub refuses (documented).
const WIDE: i64 = 5_283_920_058_631_410_000;

impl World {
    /// What `done` does, both hubs take integers of any size for: so one of them holds what the other refuses.
    async fn before_the_limit(&self, done: impl AsyncFnOnce()) {
        self.switch(json!({"wideIntegersRefused": false})).await;
        done().await;
        self.switch(json!({"wideIntegersRefused": true})).await;
    }

    async fn switch(&self, switches: Value) {
        let url = format!("{}/switches", self.control);
        let set = self.http.post(url).json(&switches).send().await.unwrap();
        assert!(set.status().is_success(), "{}", set.text().await.unwrap());
    }

    /// The one identity that is pending, for values that are refused: what is said of it.
    async fn refused(&self, id: &str) -> String {
        let pending = self.pending().await;
        assert_eq!(pending.len(), 1, "{pending:?}");
        assert_eq!(
            (&pending[0]["id"], &pending[0]["reason"]),
            (&json!(id), &json!("rejected")),
            "{pending:?}"
        );
        pending[0]["detail"].as_str().unwrap().to_owned()
    }
}

/// The twin of a device is answered as this text from now on.
async fn is_shown_as(hub: &Hub, device: &str, text: String) {
    let path = format!("/twins/{device}");
    hub.fault(
        json!({"method": "GET", "pathContains": path, "status": 200, "body": text, "times": 1_000_000}),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_device_with_one_refused_value_is_there_with_all_the_others_and_so_are_its_modules() {
    let world = World::start().await;
    world.host_post("/pause").await;
    world
        .before_the_limit(async || {
            world.primary.create("new").await;
            let desired: Value =
                (0..20).map(|n| (format!("m{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into();
            world
                .primary
                .patch_twin("new", json!({"tags": {"site": "A"}, "properties": {"desired": desired}}))
                .await;
            let wide = json!({"deep": {"wide": WIDE, "beside": 1}});
            world.primary.patch_twin("new", json!({"properties": {"desired": wide}})).await;
            world.primary.create_module("new", "m").await;
            world.primary.patch_twin("new/m", json!({"tags": {"wide": WIDE, "site": "B"}})).await;
            world.primary.create("beside").await;
        })
        .await;
    let mut device = world.connect(&world.primary, "new").await;
    assert_eq!(device.report(&json!({"fw": "1"})).await, 204);
    world.host_post("/resume").await;
    world.settle().await;
    let fleet = world.secondary.fleet().await;
    assert!(fleet.contains_key("beside"));
    assert_eq!(fleet["new"]["authentication"], world.primary.fleet().await["new"]["authentication"]);
    assert_eq!(fleet["new"]["tags"], json!({"site": "A"}));
    assert_eq!(fleet["new"]["desired"]["deep"], json!({"beside": 1}));
    assert_eq!(fleet["new"]["desired"].as_object().unwrap().len(), 21);
    assert_eq!(fleet["new"]["reported"], json!({"fw": "1"}));
    assert_eq!(fleet["new/m"]["tags"], json!({"site": "B"}));
    let pending = world.pending().await;
    let named =
        |id: &str| pending.iter().find(|note| note["id"] == id).map(|note| note["detail"].as_str().unwrap());
    let (of_device, of_module) = (named("new").unwrap(), named("new%2Fm").unwrap());
    assert!(of_device.starts_with("/properties/desired/deep/wide: "), "{of_device}");
    assert!(of_device.contains("out of range"), "{of_device}");
    assert!(of_module.starts_with("/tags/wide: ") && pending.len() == 2, "{pending:?}");
    // Whoever sets something that is taken has mended it.
    world.primary.patch_twin("new", json!({"properties": {"desired": {"deep": {"wide": 5}}}})).await;
    world.primary.patch_twin("new/m", json!({"tags": {"wide": null}})).await;
    world.settle().await;
    world.sweep().await;
    assert!(world.pending().await.is_empty());
    world.assert_hubs_equal().await;
}

/// Device `d` on both hubs, and a change of it brought over of which the secondary refuses one value.
async fn with_a_refused_value() -> (World, Handler) {
    let (world, handler) = with_a_copy("d", quick()).await;
    world
        .before_the_limit(async || {
            let wide = json!({"tags": {"site": "B"}, "properties": {"desired": {"wide": WIDE, "rate": 5}}});
            world.primary.patch_twin("d", wide).await;
        })
        .await;
    deliver_last(&world, &handler, "d").await;
    (world, handler)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_device_that_is_there_only_the_refused_value_stays_behind_and_later_events_do_not_try_it_again()
{
    let (world, handler) = with_a_refused_value().await;
    let twin = world.secondary.fleet().await["d"].clone();
    assert_eq!((&twin["tags"], &twin["desired"]), (&json!({"site": "B"}), &json!({"rate": 5})));
    assert!(world.refused("d").await.starts_with("/properties/desired/wide: "));
    // What the standby tells of the parts that were written is no drift.
    let told = world.last_told(&world.secondary, "d").await;
    world.hand_over(&handler, "devicetwin", &[told]).await;
    assert!(world.refused("d").await.starts_with("/properties/desired/wide: "));

    world.primary.patch_twin("d", json!({"tags": {"site": "C"}})).await;
    let event = world.last_told(&world.primary, "d").await;
    world.primary.forget_requests().await;
    world.secondary.forget_requests().await;
    for _ in 0..3 {
        world.hand_over(&handler, "devicetwin", std::slice::from_ref(&event)).await;
    }
    assert_eq!(world.secondary.writes().await, ["PATCH /twins/d"], "the new tag, once");
    assert_eq!((world.primary.reads_of("d").await, world.secondary.reads_of("d").await), (3, 3));
    assert_eq!(world.secondary.fleet().await["d"]["tags"], json!({"site": "C"}));
    assert!(world.refused("d").await.starts_with("/properties/desired/wide: "));
    // The duty asks again, with that value alone; and a hub that takes it has all.
    world.secondary.forget_requests().await;
    world.app(&["pending", "retry"]).await;
    assert_eq!(world.secondary.writes().await, ["PATCH /twins/d"]);
    world.switch(json!({"wideIntegersRefused": false})).await;
    let retried = world.app(&["pending", "retry"]).await;
    assert_eq!(retried.code, 0, "{retried:?}");
    world.assert_hubs_equal().await;
}

async fn deliver_last(world: &World, handler: &Handler, device: &str) {
    let event = world.last_told(&world.primary, device).await;
    world.hand_over(handler, "devicetwin", &[event]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_takes_what_was_brought_in_parts_for_no_drift() {
    let (world, _handler) = with_a_refused_value().await;
    let other = world.handler("other").await;
    for told in world.told("devicetwin", &world.secondary, "d").await {
        world.hand_over(&other, "devicetwin", &[told]).await;
    }
    assert!(world.refused("d").await.starts_with("/properties/desired/wide: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_value_that_is_refused_blocks_itself_alone() {
    let (world, handler) = with_a_copy("d", quick()).await;
    let mut device = world.connect(&world.primary, "d").await;
    world
        .before_the_limit(async || {
            let wide = json!({"fw": "1", "net": {"up": true, "bytes": WIDE}, "serial": WIDE});
            assert_eq!(device.report(&wide).await, 204);
            world.primary.patch_twin("d", json!({"tags": {"site": "B"}})).await;
        })
        .await;
    deliver_last(&world, &handler, "d").await;
    let twin = world.secondary.fleet().await["d"].clone();
    assert_eq!(
        (&twin["tags"], &twin["reported"]),
        (&json!({"site": "B"}), &json!({"fw": "1", "net": {"up": true}}))
    );
    let detail = world.refused("d").await;
    for path in ["/properties/reported/net/bytes: ", "/properties/reported/serial: "] {
        assert!(detail.contains(path), "{detail}");
    }
    world.secondary.forget_requests().await;
    assert_eq!(device.report(&json!({"fw": "2"})).await, 204);
    deliver_last(&world, &handler, "d").await;
    assert_eq!(world.secondary.count("MQTT-PATCH").await, 1);
    assert_eq!(world.secondary.fleet().await["d"]["reported"]["fw"], "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_the_source_shows_as_null_cause_no_write() {
    let (world, handler) = with_a_copy("d", quick()).await;
    world.primary.patch_twin("d", json!({"tags": {"site": "B"}})).await;
    deliver_last(&world, &handler, "d").await;
    let mut twin = world.primary.twin("d").await.unwrap();
    twin["tags"] = json!({"site": "B", "gone": null, "deep": null});
    twin["properties"]["desired"]["gone"] = Value::Null;
    is_shown_as(&world.primary, "d", twin.to_string()).await;
    world.secondary.forget_requests().await;
    deliver_last(&world, &handler, "d").await;
    assert!(world.secondary.writes().await.is_empty(), "{:?}", world.secondary.writes().await);
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_with_half_a_surrogate_pair_in_its_twin_is_made_all_the_same_and_the_member_is_named() {
    let world = with_a_device("d", quick()).await;
    world
        .primary
        .patch_twin("d", json!({"tags": {"site": "B"}, "properties": {"desired": {"name": "x"}}}))
        .await;
    let twin = world.primary.twin("d").await.unwrap().to_string();
    let half = twin.replace(r#""site":"B""#, r#""site":"B","torn":{"half":"\ud800","whole":"\ud83d\ude00"}"#);
    assert_ne!(half, twin);
    is_shown_as(&world.primary, "d", half).await;
    let handler = world.handler("half").await;
    world.hand_over_all(&handler).await;
    let copy = world.secondary.fleet().await["d"].clone();
    assert_eq!(copy["tags"], json!({"site": "B", "torn": {"whole": "😀"}}));
    assert_eq!(copy["desired"], json!({"name": "x"}));
    let detail = world.refused("d").await;
    assert!(detail.starts_with("/tags/torn/half: ") && detail.contains("surrogate"), "{detail}");
    world.secondary.forget_requests().await;
    deliver_last(&world, &handler, "d").await;
    assert!(world.secondary.writes().await.is_empty(), "nothing is written again");
    // What the standby had there before stays until the source says something that can be read.
    let readable = twin.replace(r#""site":"B""#, r#""site":"B","torn":{"half":"h","whole":"w"}"#);
    world.primary.clear_faults().await;
    is_shown_as(&world.primary, "d", readable).await;
    assert_eq!(world.app(&["pending", "retry"]).await.code, 0);
    world.primary.clear_faults().await;
    let torn = twin.replace(r#""site":"B""#, r#""site":"B","torn":{"half":"\udfff","whole":"w"}"#);
    is_shown_as(&world.primary, "d", torn).await;
    deliver_last(&world, &handler, "d").await;
    assert_eq!(world.secondary.fleet().await["d"]["tags"]["torn"], json!({"half": "h", "whole": "w"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_entry_of_which_a_member_is_refused_is_there_with_its_keys_and_follows_when_it_is_disabled()
 {
    let world = with_a_device("d", quick()).await;
    let entry = async |members: Value| {
        let mut entry = world.primary.device("d").await.unwrap();
        entry.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        world.primary.clear_faults().await;
        let path = "/devices/d";
        let fault =
            json!({"method": "GET", "pathContains": path, "status": 200, "body": entry, "times": 1000});
        world.primary.fault(fault).await;
    };
    let long = "x ".repeat(100);
    entry(json!({ "statusReason": long })).await;
    let handler = world.handler("entry").await;
    world.hand_over_all(&handler).await;
    let keys = world.primary.fleet().await["d"]["authentication"].clone();
    assert_eq!(world.secondary.fleet().await["d"]["authentication"], keys);
    assert!(world.refused("d").await.starts_with("/identity: statusReason"), "{:?}", world.pending().await);
    world.primary.clear_faults().await;
    world.primary.update("d", json!({"status": "disabled"})).await;
    entry(json!({ "statusReason": long })).await;
    world.primary.patch_twin("d", json!({"tags": {"site": "B"}})).await;
    deliver_last(&world, &handler, "d").await;
    let copy = world.secondary.fleet().await["d"].clone();
    assert_eq!((&copy["status"], &copy["tags"]), (&json!("disabled"), &json!({"site": "B"})));
    assert!(world.refused("d").await.starts_with("/identity: statusReason"));
    world.secondary.forget_requests().await;
    deliver_last(&world, &handler, "d").await;
    assert!(world.secondary.writes().await.is_empty(), "{:?}", world.secondary.writes().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_former_hub_said_is_brought_over_but_for_the_refused_value_which_an_operator_gives_up() {
    let (world, handler) = with_a_copy("d", busy()).await;
    world
        .before_the_limit(async || {
            let wide = json!({"tags": {"site": "B"}, "properties": {"desired": {"wide": WIDE, "rate": 5}}});
            world.primary.patch_twin("d", wide).await;
            world.primary.create("made").await;
            let wide =
                json!({"tags": {"wide": WIDE, "a": 1}, "properties": {"desired": {"wide": WIDE, "b": 2}}});
            world.primary.patch_twin("made", wide).await;
        })
        .await;
    world.promote("secondary", &["--force"]).await;
    world.hand_over_all(&handler).await;
    world
        .eventually("all that is taken is brought over", async || {
            let fleet = world.secondary.fleet().await;
            let (d, made) = (&fleet["d"], fleet.get("made"));
            d["tags"] == json!({"site": "B"})
                && d["desired"] == json!({"rate": 5})
                && made
                    .is_some_and(|made| made["tags"] == json!({"a": 1}) && made["desired"] == json!({"b": 2}))
        })
        .await;
    let pending = world.pending().await;
    for (id, path) in [("d", "/properties/desired/wide: "), ("made", "/tags/wide: ")] {
        let note = pending.iter().find(|note| note["id"] == id).unwrap();
        assert_eq!(note["reason"], "rejected");
        assert!(note["detail"].as_str().unwrap().starts_with(path), "{note}");
    }
    let accepted = world.app(&["rejoin", "--accept", "--give-up-refused"]).await;
    assert_eq!(accepted.code, 0, "{accepted:?}");
    let ended = hand_over_what_comes(&world, &handler, 60, async || is_in_sync(&world).await);
    assert!(ended.await, "{} {:?}", record(&world).await, world.pending().await);
    assert!(world.pending().await.is_empty());
    world.assert_hubs_equal().await;
    let reports = world.app_json(&["losses", "list", "--json"]).await;
    let losses = reports.as_array().unwrap().iter().flat_map(|report| report["losses"].as_array().unwrap());
    let mut named: Vec<_> = losses.map(|loss| (loss["section"].clone(), loss["path"].clone())).collect();
    named.sort_by_key(|(section, path)| (section.to_string(), path.to_string()));
    let expected = ["desired", "desired", "tags"].map(|section| (json!(section), json!(["wide"])));
    assert_eq!(named, expected, "just what was given up: {reports}");
}
