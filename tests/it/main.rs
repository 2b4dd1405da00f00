//! The app from outside: two hubs, storage, the host and the real handler process.
//!
//! Where the failures that others have shipped are held off:
//!
//! | failure | module |
//! |---|---|
//! | changes of a batch mixed up between devices; tags-only changes; desired or reported lost; removed keys kept; replaced twins merged | `twins`, `reported` |
//! | only the first of several events read; module twins written over device twins; thumbprints, status, parents not copied; rolled keys minted anew | `registry` |
//! | the standby wiped while the active hub is down, throttled or answers for nobody; deletes in any number; a second life deleted | `registry`, `schedules`, `deletes` |
//! | accepted writes lost when the roles change; old values over new ones; removals undone; what is pending turned round | `rejoining`, `ending`, `backlog`, `accepted` |
//! | what one process remembers decides; a frozen process writes to the hub that is active meanwhile | `moved`, `frozen`, `drift` |
//! | many notes, or a bad one, holding up everybody; a dead hub making the live one work | `notes` |
//! | acknowledged before it was done; one bad event or device stopping the others; errors of the source ending the process | `failures`, `edges`, `handler` |
//! | real devices kicked off by the copy of their own reported properties | `reported` |
//! | two active hubs, stale writers, half promotions, a lost record | `promotion`, `schedules` |
//! | a router without an answer, or one that a device cannot find | `router`, `door` |
//! | settings that only the host reads, wrong in silence; batches that the host may send and the handler refuses | `host_settings`, `handler` |
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod accepted;
mod any_lives;
mod backlog;
mod circles;
mod cleared;
mod cli;
mod deletes;
mod door;
mod drift;
mod duties;
mod edges;
mod ended;
mod ending;
mod failures;
mod floors;
mod frozen;
mod handler;
mod host_settings;
mod hub_names;
mod keys;
mod kill;
mod lives;
mod modules;
mod moved;
mod notes;
mod observed;
mod operator;
mod outdated;
mod path;
mod promotion;
mod refused;
mod registry;
mod rejoining;
mod reported;
mod returning;
mod router;
mod schedules;
mod sdk;
mod secrets;
mod stamps;
mod switching;
mod throttled;
mod twins;
mod unknown_hubs;
mod values;
mod world;
