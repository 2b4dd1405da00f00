#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{Section, SectionWrites, TwinWrites, apply};

fn object(value: Value) -> Object {
    value.as_object().cloned().unwrap()
}

fn document() -> impl Strategy<Value = Object> {
    let leaf = prop_oneof![(0..3i64).prop_map(Value::from), Just(json!([1, 2])), Just(json!("x"))];
    let value = leaf.prop_recursive(2, 12, 3, |inner| {
        prop::collection::btree_map("[a-c]", inner, 0..3)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    });
    prop::collection::btree_map("[a-c]", value, 0..3).prop_map(|m| m.into_iter().collect())
}

/// A hub that holds one device, in memory.
#[derive(Debug, Clone)]
struct Hub {
    identity: Option<Object>,
    twin: TwinDocument,
}

impl Hub {
    fn twin(&self) -> Option<&TwinDocument> {
        self.identity.as_ref().map(|_| &self.twin)
    }

    fn document(&self) -> IdentityDocument {
        IdentityDocument::new(self.identity.clone().unwrap_or_default())
    }

    fn execute(&mut self, step: &Step) {
        match step {
            Step::Create { item } => {
                let properties = item.get("properties").unwrap();
                self.twin.tags = object(item.get("tags").unwrap().clone());
                self.twin.desired.values = object(properties.get("desired").unwrap().clone());
                let mut identity = item.clone();
                for name in ["id", "importMode", "tags", "properties"] {
                    identity.remove(name);
                }
                self.store(identity);
            }
            Step::UpdateIdentity { body, etag, .. } => {
                assert_eq!(Some(etag), self.document().etag().as_ref());
                self.store(body.clone());
            }
            Step::PatchTwin { patch, etag } => {
                assert_eq!(etag, &self.twin.etag);
                if let Some(Value::Object(tags)) = patch.get("tags") {
                    apply(&mut self.twin.tags, tags);
                }
                if let Some(Value::Object(desired)) = patch.get("properties").and_then(|p| p.get("desired")) {
                    apply(&mut self.twin.desired.values, desired);
                }
                self.twin.etag = ETag::new("after");
            }
            Step::PatchReported { patch, version } => {
                assert_eq!(*version, self.twin.reported.version);
                assert!(self.document().is_enabled(), "a disabled device cannot connect");
                apply(&mut self.twin.reported.values, patch);
                self.twin.reported.version += 1;
            }
            Step::Delete { etag } => {
                assert_eq!(etag, &self.twin.device_etag);
                self.identity = None;
            }
            Step::CreateAlone { body } => {
                self.twin.tags.clear();
                self.twin.desired.values.clear();
                self.store(body.clone());
            }
        }
    }

    fn store(&mut self, mut identity: Object) {
        identity.insert("etag".to_owned(), "next".into());
        let status = identity.get("status").cloned().unwrap_or_else(|| "enabled".into());
        self.twin.other.insert("status".to_owned(), status);
        self.twin.device_etag = ETag::new("next");
        self.identity = Some(identity);
    }
}

fn hub() -> impl Strategy<Value = Hub> {
    let identity = prop::option::of((prop::bool::ANY, 0..3u8, prop::option::of(0..2u8)));
    (identity, document(), document(), document()).prop_map(|(identity, tags, desired, reported)| {
        let identity = identity.map(|(enabled, key, reason)| {
            let mut identity = object(json!({
                "deviceId": "d", "etag": "e1", "generationId": "1",
                "status": if enabled { "enabled" } else { "disabled" },
                "authentication": {"type": "sas", "symmetricKey": {"primaryKey": format!("key{key}")}},
            }));
            if let Some(reason) = reason {
                identity.insert("statusReason".to_owned(), format!("because {reason}").into());
                identity.insert("memberOfTomorrow".to_owned(), json!({"x": reason}));
            }
            identity
        });
        let status = identity.as_ref().and_then(|i| i.get("status").cloned()).unwrap_or_default();
        let twin = TwinDocument {
            etag: ETag::new("t1"),
            device_etag: ETag::new("e1"),
            version: 2,
            tags,
            desired: Section { values: desired, version: 1, metadata: Value::Null },
            reported: Section { values: reported, version: 1, metadata: Value::Null },
            other: [("status".to_owned(), status)].into_iter().collect(),
            unreadable: Vec::new(),
        };
        Hub { identity, twin }
    })
}

fn plan_of(source: &Hub, target: &Hub) -> Plan {
    let id = "d".parse().unwrap();
    let want = source.twin().map_or(Want::Absent, Want::Source);
    let (from, to, scopes) = (source.document(), target.document(), Object::new());
    let registry = match target.twin() {
        Some(_) => Registry::Both(&from, &to, &scopes),
        None => Registry::Source(&from, &scopes),
    };
    plan(&id, target.twin(), &want, registry)
}

fn with(twin: &TwinDocument, writes: &TwinWrites) -> Want<'static> {
    let mut twin = twin.clone();
    twin.apply(writes);
    Want::Twin(Box::new(twin))
}

proptest! {
    #[test]
    fn what_is_wanted_is_reached_from_any_target_and_then_nothing_is_planned(source in hub(), target in hub()) {
        let mut target = target;
        let mut last = plan_of(&source, &target);
        for _ in 0..3 {
            if target.identity.is_none() {
                target.twin.reported.values.clear();
            }
            for step in &last.steps {
                target.execute(step);
            }
            last = plan_of(&source, &target);
        }
        prop_assert!(last.steps.is_empty(), "{:?}", last);
        prop_assert_eq!(source.identity.is_some(), target.identity.is_some());
        if source.identity.is_some() {
            prop_assert!(want::same_identity(&source.document(), &target.document(), &Object::new()));
            prop_assert_eq!(&source.twin.tags, &target.twin.tags);
            prop_assert_eq!(&source.twin.desired.values, &target.twin.desired.values);
            let equal = source.twin.reported.values == target.twin.reported.values;
            prop_assert_eq!(equal, last.left.is_none());
        }
    }

    #[test]
    fn a_twin_made_in_memory_is_reached_and_then_changes_nothing(target in hub(), patch in document()) {
        let mut target = target;
        prop_assume!(target.twin().is_some());
        let writes = TwinWrites { desired: SectionWrites::from_patch(&patch, None), ..Default::default() };
        let id: IdentityId = "d".parse().unwrap();
        let want = with(target.twin().unwrap(), &writes);
        for step in plan(&id, target.twin(), &want, Registry::Assumed).steps {
            target.execute(&step);
        }
        let again = with(target.twin().unwrap(), &writes);
        prop_assert!(plan(&id, target.twin(), &again, Registry::Assumed).steps.is_empty());
    }
}

fn present(other: Value, reported: Value) -> TwinDocument {
    let mut members = object(other);
    members.insert("etag".to_owned(), "t".into());
    members.insert("deviceEtag".to_owned(), "e".into());
    members.insert("properties".to_owned(), json!({"desired": {}, "reported": reported}));
    TwinDocument::from_json(members).unwrap()
}

#[test]
fn reported_is_left_while_the_device_is_connected_to_the_target() {
    let target = present(json!({"connectionState": "Connected"}), json!({}));
    let source = present(json!({}), json!({"fw": "1"}));
    let plan = plan(&"d".parse().unwrap(), Some(&target), &Want::Source(&source), Registry::Assumed);
    assert!(plan.steps.is_empty());
    assert_eq!(plan.left.unwrap().reason, Reason::Connected);
}

#[test]
fn a_device_being_disabled_is_stopped_before_anything_else() {
    let (target, mut source) =
        (present(json!({}), json!({})), present(json!({"status": "disabled"}), json!({})));
    source.tags.insert("a".to_owned(), 1.into());
    let auth = json!({"type": "sas"});
    let from = IdentityDocument::new(object(json!({"status": "disabled", "authentication": auth})));
    let to = IdentityDocument::new(object(json!({"status": "enabled", "authentication": auth, "etag": "e"})));
    let scopes = Object::new();
    let registry = Registry::Both(&from, &to, &scopes);
    let plan = plan(&"d".parse().unwrap(), Some(&target), &Want::Source(&source), registry);
    assert!(matches!(plan.steps.first(), Some(Step::UpdateIdentity { .. })), "{plan:?}");
    assert_eq!(plan.steps.len(), 2);
}

#[test]
fn an_identity_without_authentication_is_left_and_never_written() {
    let twin = present(json!({}), json!({}));
    let from = IdentityDocument::new(object(json!({"status": "disabled"})));
    let to = IdentityDocument::new(object(json!({"status": "enabled", "etag": "e"})));
    let scopes = Object::new();
    for (target, registry) in
        [(None, Registry::Source(&from, &scopes)), (Some(&twin), Registry::Both(&from, &to, &scopes))]
    {
        let plan = plan(&"d".parse().unwrap(), target, &Want::Source(&twin), registry);
        assert!(plan.steps.is_empty(), "{plan:?}");
        assert_eq!(plan.left.unwrap().reason, Reason::NoAuthentication);
    }
}

#[test]
fn an_edge_device_keeps_its_own_scope_when_it_is_updated() {
    let own = "ms-azure-iot-edge://d-222";
    let edge = |status: &str, scope: &str| {
        IdentityDocument::new(object(json!({
            "etag": "e", "status": status, "capabilities": {"iotEdge": true}, "deviceScope": scope,
            "authentication": {"type": "sas"},
        })))
    };
    let (from, to) = (edge("disabled", "ms-azure-iot-edge://d-111"), edge("enabled", own));
    let id = "d".parse().unwrap();
    let body = want::identity_body(&id, &from, &Object::new(), Some(&to));
    assert_eq!(body.get("deviceScope"), Some(&Value::from(own)));
    let item = want::bulk_item(&id, &from, &Object::new(), &present(json!({}), json!({})));
    assert!(!item.contains_key("deviceScope"));
}

#[test]
fn a_module_that_the_hub_makes_itself_is_never_created() {
    let twin = present(json!({}), json!({}));
    let from = IdentityDocument::new(object(json!({"authentication": {"type": "none"}})));
    let scopes = Object::new();
    let id = "d/$edgeAgent".parse().unwrap();
    let plan = plan(&id, None, &Want::Source(&twin), Registry::Source(&from, &scopes));
    assert!(plan.steps.is_empty());
    assert_eq!(plan.left.unwrap().reason, Reason::MadeByTheHub);
}

fn unreadable(mut twin: TwinDocument, paths: &[&[&str]]) -> TwinDocument {
    let path = |names: &&[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    twin.unreadable = paths.iter().map(path).collect();
    twin
}

#[test]
fn what_cannot_be_read_on_the_source_is_neither_written_nor_taken_away_and_is_named() {
    let id = "d".parse().unwrap();
    let mut target = present(json!({}), json!({"fw": "1"}));
    target.tags = object(json!({"a": {"x": 1, "y": 1}, "b": 1}));
    let paths: [&[&str]; 2] = [&["tags", "a", "x"], &["properties", "reported", "fw"]];
    let mut source = unreadable(present(json!({}), json!({})), &paths);
    source.tags = object(json!({"a": {"y": 2}}));
    let plan = plan(&id, Some(&target), &Want::Source(&source), Registry::Assumed);
    let [Step::PatchTwin { patch, .. }] = plan.steps.as_slice() else { panic!("{plan:?}") };
    assert_eq!(Value::Object(patch.clone()), json!({"tags": {"a": {"y": 2}, "b": null}}));
    let left = plan.left.unwrap();
    assert_eq!(left.reason, Reason::Rejected);
    assert!(left.detail.starts_with("/tags/a/x: ") && left.detail.contains("; /properties/reported/fw: "));
}

#[test]
fn what_cannot_be_read_on_the_target_goes_where_it_is_not_wanted_and_has_a_name() {
    let id = "d".parse().unwrap();
    let paths: [&[&str]; 3] = [&["tags", "a", "x"], &["tags", "b"], &["tags", NO_NAME]];
    let mut target = unreadable(present(json!({}), json!({})), &paths);
    target.tags = object(json!({"a": {}}));
    let mut source = present(json!({}), json!({}));
    source.tags = object(json!({"a": {}, "b": 1}));
    let plan = plan(&id, Some(&target), &Want::Source(&source), Registry::Assumed);
    let [Step::PatchTwin { patch, .. }] = plan.steps.as_slice() else { panic!("{plan:?}") };
    assert_eq!(Value::Object(patch.clone()), json!({"tags": {"b": 1, "a": {"x": null}}}));
    assert!(plan.left.is_none());
    let itself = Want::Twin(Box::new(target.clone()));
    assert_eq!(super::plan(&id, Some(&target), &itself, Registry::Assumed), Plan::default());
}

#[test]
fn what_an_identity_cannot_be_without_is_told_from_the_rest() {
    let entry = |status: &str, reason: &str| {
        IdentityDocument::new(object(json!({"deviceId": "d", "etag": "e", "status": status,
            "statusReason": reason, "authentication": {"type": "sas"}, "memberOfTomorrow": 1})))
    };
    let essential = want::essentials(entry("enabled", "why").members());
    assert_eq!(essential.keys().collect::<Vec<_>>(), ["authentication", "deviceId", "status"]);
    let same = |one, other| want::same_essentials(&one, &other, &Object::new());
    assert!(same(entry("enabled", "why"), entry("Enabled", "")));
    assert!(!same(entry("enabled", "why"), entry("disabled", "why")));
}
