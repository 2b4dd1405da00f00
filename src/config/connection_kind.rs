//! What a connection string is for: one in the place of another is the commonest mistake, and deserves its name.

/// What a text connects to, as far as its parts tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionKind {
    IotHub,
    EventHubs,
    Storage,
}

impl ConnectionKind {
    /// By the one part that the others never have.
    pub(super) fn of(text: &str) -> Option<Self> {
        let has = |name: &str| part(text, name).is_some();
        if has("HostName") {
            return Some(Self::IotHub);
        }
        if has("Endpoint") {
            return Some(Self::EventHubs);
        }
        let storage = ["AccountName", "BlobEndpoint", "DefaultEndpointsProtocol", "UseDevelopmentStorage"];
        storage.iter().any(|name| has(name)).then_some(Self::Storage)
    }

    /// For the operator.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::IotHub => "is an IoT Hub connection string",
            Self::EventHubs => "is an Event Hubs connection string",
            Self::Storage => "is a storage account's connection string",
        }
    }
}

/// The value of one part; names in any case, as all clients take them.
pub(super) fn part<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    let pairs = text.split(';').filter_map(|part| part.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
    named.next().map(|(_, value)| value.trim())
}

/// What a setting is when the platform has passed on the reference instead of what it refers to (documented: it does so when it
/// cannot read the secret).
pub(super) fn unresolved_reference(text: &str) -> Option<&'static str> {
    let begins = |prefix: &str| {
        text.trim_start().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if begins("@Microsoft.KeyVault(") {
        return Some(
            "is a Key Vault reference that was not resolved: see whether the secret is there and the app's identity may read it",
        );
    }
    begins("@Microsoft.AppConfiguration(").then_some(
        "is an App Configuration reference that was not resolved: see whether the key is there and the app's identity may read it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_is_known_by_its_parts() {
        for (text, kind) in [
            ("HostName=h;SharedAccessKeyName=p;SharedAccessKey=k", Some(ConnectionKind::IotHub)),
            ("sharedaccesskey=k; hostname =h", Some(ConnectionKind::IotHub)),
            ("Endpoint=sb://h/;SharedAccessKeyName=p;SharedAccessKey=k", Some(ConnectionKind::EventHubs)),
            ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=k", Some(ConnectionKind::Storage)),
            ("UseDevelopmentStorage=true", Some(ConnectionKind::Storage)),
            ("nonsense", None),
            ("", None),
        ] {
            assert_eq!(ConnectionKind::of(text), kind, "{text}");
        }
    }

    #[test]
    fn a_reference_that_was_not_resolved_is_one_in_any_form_and_case() {
        for text in [
            "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s/)",
            "@microsoft.keyvault(VaultName=v;SecretName=s)",
            " @Microsoft.KeyVault(VaultName=v",
        ] {
            assert!(unresolved_reference(text).is_some_and(|why| why.contains("Key Vault")), "{text}");
        }
        assert!(unresolved_reference("@Microsoft.AppConfiguration(Endpoint=e; Key=k)").is_some());
        assert!(unresolved_reference("Microsoft.KeyVault").is_none() && unresolved_reference("@é").is_none());
    }
}
