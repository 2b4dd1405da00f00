//! What must hold for every record that is packed.

use proptest::prelude::*;
use serde_json::{Map, Number, Value};

use super::super::authentication::{Authentication, Owner};
use super::super::merge::without_nulls;
use super::super::twin::{Cleared, EventNulls, TwinWrite};
use super::*;

/// Numbers as people write them: they come back as they were sent.
fn number() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "-?[1-9][0-9]{0,25}",
        "-?[0-9]\\.[0-9]{1,20}",
        "[1-9]\\.[0-9]0{1,3}[eE][+-]?[0-9]{1,3}",
        Just("-0".to_owned()),
        Just("1.0".to_owned()),
    ];
    text.prop_filter_map("a number", |text| text.parse::<Number>().ok().map(Value::Number))
}

fn members(nulls: bool) -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        number(),
        "\\PC{0,6}".prop_map(Value::from),
        prop::collection::vec(any::<bool>(), 0..3).prop_map(Value::from),
        Just(if nulls { Value::Null } else { Value::Bool(true) }),
    ];
    let object = |inner| prop::collection::btree_map("[a-dé\"\\\\]", inner, 0..5).prop_map(Map::from_iter);
    let value = leaf.prop_recursive(3, 24, 5, move |inner| object(inner).prop_map(Value::Object));
    object(value.boxed())
}

#[derive(Debug, Clone)]
enum Step {
    Patch(TwinWrite),
    Replace(Map<String, Value>, Map<String, Value>),
    Report(Map<String, Value>),
}

fn step() -> impl Strategy<Value = Step> {
    let maybe = || prop::option::of(members(true));
    prop_oneof![
        (maybe(), maybe(), any::<[bool; 2]>()).prop_map(|(tags, desired, [all_tags, all_desired])| {
            let cleared = Cleared { tags: all_tags, desired: all_desired };
            Step::Patch(TwinWrite { tags, desired, cleared })
        }),
        (members(false), members(false)).prop_map(|(tags, desired)| Step::Replace(tags, desired)),
        members(true).prop_map(Step::Report),
    ]
}

const NULLS: EventNulls = EventNulls { members: true, sections: true };

fn sections(tags: Map<String, Value>, desired: Map<String, Value>) -> TwinWrite {
    TwinWrite { tags: Some(tags), desired: Some(desired), ..TwinWrite::default() }
}

/// Takes a step; gives the event that tells of it.
fn take(twin: &mut TwinRecord, step: &Step, at: Stamp) -> Value {
    match step.clone() {
        Step::Patch(write) => twin.patch(&write, at, NULLS).event,
        Step::Replace(tags, desired) => twin.replace(&sections(tags, desired), at).event,
        Step::Report(patch) => twin.report(&patch, at, NULLS),
    }
}

fn device(twin: TwinRecord) -> DeviceRecord {
    DeviceRecord {
        identity: IdentityRecord::new(Stamp::NEVER, Authentication::minted(), twin),
        enabled: true,
        status_reason: None,
        status_updated: Stamp::NEVER,
        capabilities: usual_capabilities(),
        scope: None,
        parent_scopes: Vec::new(),
    }
}

fn repacked(device: &DeviceRecord) -> Option<DeviceRecord> {
    Packed::device(device).to_device(Depth::Whole)
}

proptest! {
    #[test]
    fn writing_a_packed_twin_is_writing_the_twin(
        tags in members(false), desired in members(false), reported in members(true), steps in prop::collection::vec(step(), 0..8)
    ) {
        let write = sections(tags, desired);
        let mut plain = device(TwinRecord::with_content(Stamp::now(), Stamp::NEVER, write, reported));
        let mut packed = repacked(&plain);
        prop_assert_eq!(packed.as_ref(), Some(&plain));
        for step in &steps {
            let at = Stamp::unique_now();
            let told = take(&mut plain.identity.twin, step, at);
            let told_packed = packed.as_mut().map(|device| take(&mut device.identity.twin, step, at));
            prop_assert_eq!(told_packed, Some(told));
            packed = packed.as_ref().and_then(repacked);
            prop_assert_eq!(packed.as_ref(), Some(&plain));
        }
    }

    #[test]
    fn whatever_a_device_says_of_itself_comes_back(
        extra in members(false), capabilities in members(false), scopes in prop::collection::vec("\\PC{0,9}", 0..3),
        texts in prop::collection::vec(prop::option::of("\\PC{0,9}"), 2), enabled: bool, connected: bool, counter: u32,
    ) {
        let mut plain = device(TwinRecord::new(Stamp::now()));
        plain.identity.extra = without_nulls(&extra);
        plain.identity.connected = connected;
        plain.identity.model = texts.first().cloned().flatten().unwrap_or_default();
        plain.identity.counter = counter;
        plain.identity.last_activity = Stamp::now();
        plain.enabled = enabled;
        plain.capabilities = capabilities;
        plain.parent_scopes = scopes;
        (plain.status_reason, plain.scope) = (texts.first().cloned().flatten(), texts.get(1).cloned().flatten());
        let packed = Packed::device(&plain);
        prop_assert_eq!(packed.standing(), Some(Standing { enabled, connected }));
        prop_assert_eq!(packed.to_device(Depth::Whole), Some(plain));
    }

    #[test]
    fn keys_and_thumbprints_come_back_to_the_letter(
        bytes in prop::collection::vec(any::<u8>(), 16..=64), thumbprint in "[0-9A-Fa-f]{40}", extra in "[a-z]{1,5}", by_key: bool
    ) {
        use base64::Engine;
        let key = base64::engine::general_purpose::STANDARD.encode(bytes);
        let body = match by_key {
            true => serde_json::json!({"symmetricKey": {"primaryKey": key, "secondaryKey": key}, extra: 1}),
            false => serde_json::json!({"x509Thumbprint": {"primaryThumbprint": thumbprint}}),
        };
        let read = Authentication::read(Some(&body), Owner::Module);
        prop_assume!(read.is_ok());
        let Ok(authentication) = read else { return Ok(()) };
        let identity = IdentityRecord::new(Stamp::now(), authentication, TwinRecord::new(Stamp::now()));
        let plain = ModuleRecord { identity, managed_by: Some("me".to_owned()) };
        prop_assert_eq!(Packed::module(&plain).to_module(Depth::Whole), Some(plain));
    }

    #[test]
    fn bytes_that_are_no_record_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        // Not looked at any further: that nothing panics or runs away is the point.
        let packed = Packed(bytes.into());
        let _any = (packed.to_device(Depth::Whole), packed.to_module(Depth::Whole), packed.standing());
    }
}

#[test]
fn a_device_of_one_kilobyte_costs_little_more_than_its_text() {
    let value = "x".repeat(50);
    let members: Map<String, Value> =
        (0..16).map(|n| (format!("property{n}"), value.as_str().into())).collect();
    let text = serde_json::to_string(&members).unwrap_or_default().len();
    let write = TwinWrite { desired: Some(members), ..TwinWrite::default() };
    let plain = device(TwinRecord::with_content(Stamp::now(), Stamp::NEVER, write, Map::new()));
    let packed = Packed::device(&plain).0.len();
    assert!(packed < text + 250, "{packed} for {text}");
}
