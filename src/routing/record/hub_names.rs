//! Which two hubs a record is about. Pure: no I/O, no clock.

use serde::{Deserialize, Serialize};

/// Host names of both hubs, as they were configured when the record was made. Names compare without
/// regard to case.
#[derive(Debug, Clone, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HubNames {
    /// `iothub1`.
    pub primary: String,
    /// `iothub2`.
    pub secondary: String,
}

impl PartialEq for HubNames {
    fn eq(&self, other: &Self) -> bool {
        same(&self.primary, &other.primary) && same(&self.secondary, &other.secondary)
    }
}

impl HubNames {
    /// Whether these are the same hubs in each other's places.
    pub fn swapped_from(&self, configured: &Self) -> bool {
        same(&self.primary, &configured.secondary) && same(&self.secondary, &configured.primary)
    }

    /// Which setting is about another hub than the record, and what to do; none when they agree.
    pub fn differences(&self, configured: &Self) -> Option<String> {
        if self == configured {
            return None;
        }
        if self.swapped_from(configured) {
            return Some(format!(
                "iothub1 and iothub2 are swapped: in the routing record {} is the primary and {} the secondary \
                 hub; put the settings back (a promotion changes roles, never settings)",
                self.primary, self.secondary
            ));
        }
        let settings = [
            ("iothub1", &configured.primary, "primary", &self.primary),
            ("iothub2", &configured.secondary, "secondary", &self.secondary),
        ];
        let wrong = settings.into_iter().filter(|(_, set, _, known)| !same(set, known));
        let wrong = wrong.map(|(setting, set, role, known)| {
            format!("{setting} is {set}, but in the routing record the {role} hub is {known}")
        });
        Some(format!(
            "{}; put the setting right, or, when a hub was really replaced, `iot-hadr init --hubs-replaced`",
            wrong.collect::<Vec<_>>().join("; ")
        ))
    }
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(primary: &str, secondary: &str) -> HubNames {
        HubNames { primary: primary.to_owned(), secondary: secondary.to_owned() }
    }

    #[test]
    fn names_that_differ_in_case_alone_are_the_same() {
        assert_eq!(
            names("one.example", "two.example").differences(&names("ONE.example", "two.Example")),
            None
        );
    }

    #[test]
    fn swapped_settings_are_called_so_and_never_a_replacement() {
        let why = names("one", "two").differences(&names("two", "one")).unwrap();
        assert!(why.contains("iothub1 and iothub2 are swapped") && !why.contains("--hubs-replaced"), "{why}");
    }

    #[test]
    fn the_setting_that_names_another_hub_is_named_and_the_way_out_too() {
        let why = names("one", "two").differences(&names("one", "three")).unwrap();
        assert!(
            why.starts_with("iothub2 is three, but in the routing record the secondary hub is two;"),
            "{why}"
        );
        assert!(why.contains("`iot-hadr init --hubs-replaced`") && !why.contains("iothub1"), "{why}");
    }
}
