//! JSON merge patches (RFC 7396), the way the hub applies them to tags and properties.

use serde_json::Value;

use super::Object;

/// Applies `patch` to `target`: `null` removes a member, objects merge, all else replaces.
pub fn apply(target: &mut Object, patch: &Object) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(name);
            }
            Value::Object(members) => {
                if let Some(Value::Object(existing)) = target.get_mut(name) {
                    apply(existing, members);
                } else {
                    let mut fresh = Object::new();
                    apply(&mut fresh, members);
                    target.insert(name.clone(), Value::Object(fresh));
                }
            }
            other => {
                target.insert(name.clone(), other.clone());
            }
        }
    }
}

/// The patch that turns `from` into `to`; empty when they are equal.
///
/// Every object in `to` is reached, with one exception that no merge patch can express: an object
/// that replaces a scalar is written as it is, and an object that lost its last member becomes `{}`.
pub fn diff(from: &Object, to: &Object) -> Object {
    let mut patch = Object::new();
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, wanted) in to {
        match (from.get(name), wanted) {
            (Some(existing), wanted) if existing == wanted => {}
            (Some(Value::Object(existing)), Value::Object(wanted)) => {
                patch.insert(name.clone(), Value::Object(diff(existing, wanted)));
            }
            (_, wanted) => {
                patch.insert(name.clone(), wanted.clone());
            }
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    /// Any document a twin section can hold (no nulls), a few levels deep.
    fn document() -> impl Strategy<Value = Object> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..5i64).prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
            Just(json!([1, {"a": 2}])),
        ];
        let value = leaf.prop_recursive(3, 24, 4, |inner| {
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
        });
        prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|m| m.into_iter().collect())
    }

    #[test]
    fn null_removes_a_member_and_leaves_an_empty_object_behind() {
        let mut target = object(json!({"a": {"b": 1}, "c": 2}));
        apply(&mut target, &object(json!({"a": {"b": null}, "c": null})));
        assert_eq!(target, object(json!({"a": {}})));
    }

    #[test]
    fn arrays_are_replaced_whole() {
        let patch = diff(&object(json!({"a": [1, 2]})), &object(json!({"a": [1, 3]})));
        assert_eq!(patch, object(json!({"a": [1, 3]})));
    }

    proptest! {
        #[test]
        fn the_difference_applied_to_any_document_gives_the_wanted_one(from in document(), to in document()) {
            let mut target = from.clone();
            apply(&mut target, &diff(&from, &to));
            prop_assert_eq!(target, to);
        }

        #[test]
        fn equal_documents_have_no_difference(document in document()) {
            prop_assert!(diff(&document, &document).is_empty());
        }
    }
}
