#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Of 32 and of 64 bytes, as an IoT hub and a storage account make them.
const HUB_KEY: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=";
const STORAGE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// What is shown of a text.
fn shown(text: &str) -> String {
    redacted(text).into_owned()
}

#[test]
fn a_key_is_removed_by_the_name_before_it_and_all_else_stays() {
    let table = [
        (
            "HostName=h.azure-devices.net;SharedAccessKeyName=owner;SharedAccessKey=abc+/=",
            "HostName=h.azure-devices.net;SharedAccessKeyName=owner;SharedAccessKey=(removed)",
        ),
        ("HostName=h;sharedaccesskey = abc=;DeviceId=d", "HostName=h;sharedaccesskey = (removed);DeviceId=d"),
        (
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abc==;EndpointSuffix=s",
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=(removed);EndpointSuffix=s",
        ),
        (
            "SharedAccessSignature sr=h%2Fdevices%2Fd&sig=a%2Bb%3D&se=1&skn=owner",
            "SharedAccessSignature sr=h%2Fdevices%2Fd&sig=(removed)&se=1&skn=owner",
        ),
        (
            "https://a.blob.core.windows.net/c?sv=1&sig=abc%3D",
            "https://a.blob.core.windows.net/c?sv=1&sig=(removed)",
        ),
        ("x%26sig%3Dabc%2Bd%26se%3D1", "x%26sig%3D(removed)%26se%3D1"),
        (
            "BlobEndpoint=e;SharedAccessSignature=sv=1&sig=abc",
            "BlobEndpoint=e;SharedAccessSignature=(removed)&sig=(removed)",
        ),
        ("no key: \"primaryKey\": \"abc\", more", "no key: \"primaryKey\": \"(removed)\", more"),
        ("{\\\"secondaryKey\\\":\\\"abc\\\",", "{\\\"secondaryKey\\\":\\\"(removed)\","),
        ("Primary key: abc\nnext", "Primary key: (removed)\nnext"),
        ("U2hhcmVkQWNjZXNzS2V5PWFiYw==", "(removed)"),
        ("{\"body\":\"eyJwcmltYXJ5S2V5IjoiYWJjIn0=\"}", "{\"body\":\"(removed)\"}"),
        ("cut off {\"Shared\\u0041ccessKey\\u003dabc", "cut off {\"SharedAccessKey=(removed)"),
        ("-----BEGIN EC PRIVATE KEY-----\nMHc=\n-----END EC PRIVATE KEY-----\n.", "(removed)\n."),
    ];
    for (text, expected) in table {
        assert_eq!(shown(text), expected);
        assert_eq!(shown(expected), expected, "what is cleared stays so");
    }
}

#[test]
fn a_key_of_the_services_is_removed_wherever_it_stands() {
    for key in [HUB_KEY, STORAGE_KEY] {
        for around in
            [("", ""), ("of hub ", "."), ("/IOTHUBS/", ""), ("\"", "\""), ("key=", ";x"), ("a-", "-b")]
        {
            let text = format!("{}{key}{}", around.0, around.1);
            assert_eq!(shown(&text), format!("{}{REMOVED}{}", around.0, around.1), "{text}");
        }
    }
}

#[test]
fn what_only_looks_a_little_like_a_key_stays() {
    for text in [
        "",
        "contoso-west.azure-devices.net",
        "$twin.tags.deviceId",
        "/SUBSCRIPTIONS/0/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.DEVICES/IOTHUBS/CONTOSO",
        "SharedAccessKeyName=owner",
        "x-opt-partition-key: pump-17",
        "{\"partitionKey\":\"pump-17\",\"etag\":\"AAAAAAAAAAE=\",\"primaryKey\":\"\",\"secondaryKey\":null,\"sig\":true}",
        "design=good; signal=5",
        "the primary key is lost; a monkey: x",
        "{\"body\":\"eyJ2ZXJzaW9uIjozLCJ0YWdzIjp7fX0=\"}",
        "wörtlich \\u00e9 \\n",
    ] {
        assert_eq!(shown(text), text);
        assert_eq!(redacted_body(text.as_bytes()), None);
    }
}

#[test]
fn members_are_cleared_by_their_names_however_deep_and_in_strings_that_hold_json() {
    let deep =
        json!({"authentication": {"symmetricKey": {"primaryKey": "abc", "secondary_key": 7}}, "n": 1.50});
    let cleared = json!({"authentication": {"symmetricKey": {"primaryKey": REMOVED, "secondary_key": REMOVED}}, "n": 1.50});
    let mut value = deep;
    let mut expected = cleared;
    for _ in 0..4 {
        assert_eq!(serde_json::from_str::<Value>(&shown(&value.to_string())).unwrap(), expected);
        (value, expected) = (json!([{"body": value.to_string()}]), json!([{"body": expected.to_string()}]));
    }
}

#[test]
fn names_of_members_and_members_of_one_name_hide_no_key() {
    let members = json!({"SharedAccessKey=abc;": 1, "connectionStrings": ["HostName=h;SharedAccessKey=abc"]});
    let cleared = redacted_members(members.as_object().unwrap());
    assert_eq!(
        Value::Object(cleared),
        json!({"SharedAccessKey=(removed);": 1, "connectionStrings": ["HostName=h;SharedAccessKey=(removed)"]})
    );
    let twice = r#"{"a":"SharedAccessKey=abc","a":"fine"}"#;
    assert!(!shown(twice).contains("abc"), "{}", shown(twice));
}

#[test]
fn a_body_that_is_no_text_hides_no_key() {
    let text = format!("HostName=h;SharedAccessKey={HUB_KEY}");
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let broken = [b"\xff\xfe".as_slice(), text.as_bytes(), b"\x80"].concat();
    let marked = [b"\xEF\xBB\xBF".as_slice(), br#"{"a":{"primaryKey":"abc"}}"#].concat();
    for body in [wide, broken, marked] {
        let kept = redacted_body(&body).unwrap();
        assert!(kept.contains(REMOVED) && !kept.contains("q83v") && !kept.contains("abc"), "{kept}");
    }
    assert_eq!(redacted_body(&[0xff, 0xfe, 0x00]), None);
}

#[test]
fn the_largest_events_are_cleared_without_going_back_and_forth() {
    // In a square of their length these would take hours.
    for part in
        ["/", "a-", "sig ", "\\\\", "SharedAccessKey=", "-----BEGIN ", "%3B", "\"primaryKey\":\"", "{\"a\":"]
    {
        let text = part.repeat(256 * 1024 / part.len());
        assert!(shown(&text).len() <= text.len(), "{part}");
    }
}

proptest! {
    #[test]
    fn any_text_is_cleared_and_then_stays(text in ".{0,200}") {
        let once = shown(&text);
        prop_assert_eq!(shown(&once), once);
    }

    #[test]
    fn a_key_behind_its_name_never_comes_through(
        before in "[^\\\\\"']{0,20}[ ;&?\\n]", after in "[ ;&\"\\n].{0,20}", key in "[A-Za-z0-9+/]{20,60}={0,2}",
        name in prop::sample::select(vec!["SharedAccessKey=", "AccountKey=", "sig=", "\"primaryKey\":\"", "secondaryKey: "]),
    ) {
        let text = format!("{before}{name}{key}{after}");
        prop_assert!(!shown(&text).contains(&key), "{}", shown(&text));
        prop_assert!(!redacted_body(text.as_bytes()).unwrap().contains(&key));
        let inside = json!({"a": [json!({"b": text}).to_string()]}).to_string();
        prop_assert!(!shown(&inside).contains(&key), "{}", shown(&inside));
    }
}

#[test]
fn json_in_json_however_deep_is_cleared_on_a_small_stack() {
    let nested = |inner: &str, (open, close): (&str, &str)| {
        let text = Value::from(inner).to_string();
        format!("{}{text}{}", open.repeat(120), close.repeat(120))
    };
    for brackets in [("[", "]"), ("{\"a\":", "}")] {
        let key = format!("SharedAccessKey={HUB_KEY}");
        let text = (0..8).fold(key, |inner, _| nested(&inner, brackets));
        // Half of what a worker has, less what calls it.
        let small = std::thread::Builder::new().stack_size(768 << 10);
        let kept = small.spawn(move || redacted_body(text.as_bytes())).unwrap().join().unwrap();
        assert!(!kept.unwrap().contains(HUB_KEY));
    }
}
