//! Who changes the record.

use jiff::Timestamp;

use super::record::Authorship;

/// A signature for the next write, with a number of its own.
pub fn authorship(by: &str, reason: &str) -> Authorship {
    Authorship {
        by: by.to_owned(),
        reason: reason.to_owned(),
        at: Timestamp::now(),
        nonce: uuid::Uuid::new_v4().simple().to_string(),
    }
}
