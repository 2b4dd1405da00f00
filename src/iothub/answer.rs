//! The topics of the device twin protocol.

/// Where the answers to this session's requests arrive.
pub(crate) const ANSWERS: &str = "$iothub/twin/res/#";

const ANSWER: &str = "$iothub/twin/res/";

/// Where a patch of the reported properties at `version` is published.
pub(crate) fn patch_topic(request: &str, version: u64) -> String {
    format!("$iothub/twin/PATCH/properties/reported/?$rid={request}&$version={version}")
}

/// What an answer's topic says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// An HTTP-like status; 204 when a patch was applied (observed, the older documentation says 200).
    pub(crate) code: u16,
    /// The reported `$version` then.
    pub(crate) version: Option<u64>,
}

/// Reads `$iothub/twin/res/{status}/?$rid={request}[&$version={n}]`; `None` for any other topic and
/// for the answer to another request.
pub(crate) fn status(topic: &str, request: &str) -> Option<Status> {
    let (code, query) = topic.strip_prefix(ANSWER)?.split_once("/?")?;
    let code = code.parse().ok()?;
    let (mut ours, mut version) = (false, None);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "$rid" => ours = value == request,
            "$version" => version = value.parse().ok(),
            _ => {}
        }
    }
    ours.then_some(Status { code, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_names_its_request_and_the_version_it_was_planned_on() {
        assert_eq!(patch_topic("1", 7), "$iothub/twin/PATCH/properties/reported/?$rid=1&$version=7");
    }

    #[test]
    fn an_answer_gives_status_and_new_version() {
        let answer = status("$iothub/twin/res/204/?$rid=1&$version=8", "1");
        assert_eq!(answer, Some(Status { code: 204, version: Some(8) }));
        let answer = status("$iothub/twin/res/412/?$version=8&$rid=1", "1");
        assert_eq!(answer, Some(Status { code: 412, version: Some(8) }));
    }

    #[test]
    fn other_topics_are_no_answer() {
        for topic in [
            "$iothub/twin/res/204/?$rid=2&$version=8",
            "$iothub/twin/res/204/",
            "$iothub/twin/res/many/?$rid=1",
            "$iothub/twin/PATCH/properties/desired/?$version=3",
            "devices/x/messages/devicebound/",
        ] {
            assert_eq!(status(topic, "1"), None, "{topic}");
        }
    }
}
