//! The connection to the Event Hubs namespace, as the host's triggers take it.

use super::connection_kind::{ConnectionKind, part};

/// Said where another is given.
const WANTED: &str =
    "that of an Event Hubs namespace is needed (Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…)";

/// What is wrong with a connection string for triggers that name their event hub themselves. Shows nothing of it.
pub(super) fn fault(text: &str) -> Option<String> {
    match ConnectionKind::of(text) {
        Some(ConnectionKind::EventHubs) => {}
        Some(other) => return Some(format!("{}: {WANTED}", other.in_words())),
        None => return Some(format!("is no connection string: {WANTED}")),
    }
    let given = |name: &str| part(text, name).is_some_and(|value| !value.is_empty());
    let host = part(text, "Endpoint").and_then(|endpoint| endpoint.split("://").last());
    if host.is_none_or(|host| host.trim_matches('/').is_empty()) {
        return Some("has an Endpoint without a host".to_owned());
    }
    if given("EntityPath") {
        return Some(
            "has an EntityPath, which both functions would read from instead of their own event hubs (read in the \
             extension's source): take the namespace's connection string"
                .to_owned(),
        );
    }
    let keys = given("SharedAccessKeyName") && given("SharedAccessKey");
    (!keys && !given("SharedAccessSignature"))
        .then(|| "has no SharedAccessKeyName and SharedAccessKey".to_owned())
}

/// What is wrong with the namespace of an identity-based connection.
pub(super) fn namespace_fault(namespace: &str) -> Option<String> {
    let is_host = namespace.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_'));
    (!is_host || namespace.contains("://"))
        .then(|| "is no host name: contoso.servicebus.windows.net would be one".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_the_triggers_cannot_use_is_named_and_not_shown() {
        let good = "Endpoint=sb://ns.example/;SharedAccessKeyName=n;SharedAccessKey=never-shown";
        for text in [
            good,
            "endpoint=sb://localhost;sharedaccesskeyname=n;sharedaccesskey=k;UseDevelopmentEmulator=true;",
            "Endpoint=sb://ns.example/;SharedAccessSignature=SharedAccessSignature sr=x&sig=y",
            &format!("{good};EntityPath="),
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
        for (text, said) in [
            ("HostName=h;SharedAccessKeyName=n;SharedAccessKey=never-shown", "IoT Hub"),
            ("AccountName=a;AccountKey=never-shown", "storage"),
            ("never-shown", "no connection string"),
            ("Endpoint=sb://;SharedAccessKeyName=n;SharedAccessKey=never-shown", "without a host"),
            (&format!("{good};EntityPath=registry"), "EntityPath"),
            ("Endpoint=sb://ns.example/;SharedAccessKeyName=never-shown", "SharedAccessKey"),
        ] {
            let why = fault(text).unwrap_or_default();
            assert!(why.contains(said) && !why.contains("never-shown"), "{text}: {why}");
        }
        assert_eq!(namespace_fault("contoso.servicebus.windows.net"), None);
        assert!(namespace_fault("sb://contoso.servicebus.windows.net/").is_some());
    }
}
