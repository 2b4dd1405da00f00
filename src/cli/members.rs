//! Members of a twin by name, without their values: a twin may hold what should not be on a screen.

use crate::model::{Path, SectionWrites, Written};

/// Members named of each section.
const NAMED: usize = 8;

/// What was written, a removed member with `-`.
pub(super) fn names(writes: &SectionWrites) -> String {
    let mut names: Vec<String> = writes.written().map(|(path, written)| name(path, written)).collect();
    if let Some(more) = names.len().checked_sub(NAMED).filter(|more| *more > 0) {
        names.truncate(NAMED);
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

fn name(path: &Path, written: &Written) -> String {
    let sign = if *written == Written::Removed { "-" } else { "" };
    match path.is_empty() {
        true => "all".to_owned(),
        false => format!("{sign}{}", path.join(".")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Object;

    #[test]
    fn of_many_members_some_are_named_and_the_others_counted() {
        let many: Object = (0..11).map(|n| (format!("m{n:02}"), json!(n))).collect();
        let names = names(&SectionWrites::from_patch(&many, None));
        assert_eq!(names, "m00, m01, m02, m03, m04, m05, m06, m07, and 3 more");
    }

    #[test]
    fn a_removed_member_and_a_section_replaced_as_a_whole_are_told_apart() {
        let patch: Object = [("a".to_owned(), json!({"b": null}))].into_iter().collect();
        assert_eq!(names(&SectionWrites::from_patch(&patch, None)), "-a.b");
        assert_eq!(names(&SectionWrites::replacement(&Object::new(), None)), "all");
    }
}
