//! Which identities are listed, to be compared when the rejoining ends.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};

use crate::cli::listing::or_nothing;
use crate::model::IdentityId;
use crate::pending::{Changed, ChangedList};
use crate::storage::{Container, StorageError};

/// Parts of the lists read at a time.
const AT_ONCE: usize = 16;

/// Identities that changed since the roles did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Listed {
    /// These; `true` for one whose deletion was announced.
    These(BTreeMap<IdentityId, bool>),
    /// More than are listed: all that both hubs have.
    Everything,
}

impl Listed {
    /// How many; `None` for all.
    pub(in crate::cli) fn count(&self) -> Option<usize> {
        match self {
            Self::These(all) => Some(all.len()),
            Self::Everything => None,
        }
    }

    fn add(self, part: Option<Vec<Changed>>) -> Self {
        let (Self::These(mut all), Some(part)) = (self, part) else { return Self::Everything };
        for Changed { identity, deleted } in part {
            *all.entry(identity).or_default() |= deleted;
        }
        Self::These(all)
    }
}

/// As the lists in storage say, each identity once.
pub(in crate::cli) async fn listed(container: &Container) -> Result<Listed, StorageError> {
    let lists = ChangedList::new(container.clone());
    let parts = or_nothing(lists.all_parts().await)?;
    let parts = futures::stream::iter(&parts).map(|part| lists.part(part)).buffered(AT_ONCE);
    parts.try_fold(Listed::These(BTreeMap::new()), |listed, part| futures::future::ok(listed.add(part))).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn changed(id: &str, deleted: bool) -> Changed {
        Changed { identity: id.parse().unwrap(), deleted }
    }

    #[test]
    fn an_identity_of_several_parts_is_listed_once_and_a_deletion_in_any_of_them_counts() {
        let parts =
            [vec![changed("a", false), changed("b", true)], vec![changed("a", true), changed("b", false)]];
        let listed = parts.into_iter().map(Some).fold(Listed::These(BTreeMap::new()), Listed::add);
        let expected = ["a", "b"].map(|id| (id.parse().unwrap(), true));
        assert_eq!(listed, Listed::These(expected.into()));
    }

    #[test]
    fn one_part_that_stands_for_everything_makes_it_everything() {
        let parts = [Some(vec![changed("a", false)]), None, Some(vec![changed("b", false)])];
        let listed = parts.into_iter().fold(Listed::These(BTreeMap::new()), Listed::add);
        assert_eq!((listed.count(), listed), (None, Listed::Everything));
    }
}
