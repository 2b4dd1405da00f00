//! Bad weather: every world under the throttles of a small tier, with late queries that list what was deleted, and
//! with events that come twice, again, and in another order.
//!
//! `HADR_TEST_WEATHER=s1 tests/run --test it`: what the app promises holds all the same. Where a test counts calls that
//! a limit rightly makes more of, it says so through [`as_few_calls`].

/// The variable that makes it so.
const VARIABLE: &str = "HADR_TEST_WEATHER";

/// One unit of S1 whose minute passes in a second, so that a test of minutes is one of seconds.
const TIER: &str = "S1x1@60";

/// Everything that a hub may rightly do to whoever reads its events and asks it queries.
const SWITCHES: [&str; 8] = [
    "queryLagMs=1500",
    "queryGhostMs=60000",
    "registryDuplicatePercent=30",
    "devicetwinDuplicatePercent=30",
    "registryRewindPercent=10",
    "devicetwinRewindPercent=10",
    "registryReorderPercent=30",
    "eventTroubleSeed=1",
];

/// Whether the weather is bad.
pub fn is_bad() -> bool {
    match std::env::var(VARIABLE).as_deref() {
        Err(_) | Ok("") => false,
        Ok("s1") => true,
        Ok(other) => panic!("{VARIABLE} is s1 or not set, not {other}"),
    }
}

/// The tier of every hub, unless a test asks for another.
pub fn tier() -> Option<String> {
    is_bad().then(|| TIER.to_owned())
}

/// What the emulator is told.
pub fn switches() -> impl Iterator<Item = &'static str> {
    SWITCHES.into_iter().filter(|_| is_bad())
}

/// Whether a count of requests is as low as it is where nothing is limited: under a limit creates leave in calls of
/// what it lets through just then, so there are more of them. The identities they create are as many as ever.
pub fn as_few_calls(count: usize, most: usize) -> bool {
    is_bad() || count <= most
}
