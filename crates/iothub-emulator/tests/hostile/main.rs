//! Whatever a client sends: the emulator neither panics nor hangs, it answers or closes, and serves the next one.
//!
//! Every test drives a process of its own from outside and looks at the end whether it is still well. The cases are
//! random; a failing one is shrunk and printed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod amqp;
mod http;
mod mqtt;
mod opening;
mod process;
mod websocket;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::fmt::Debug;

use process::Emulator;

/// Sends so many cases one after the other, each on a connection of its own, and looks at the process in the end.
fn bombard<S: Strategy>(
    cases: u32,
    strategy: S,
    mut send: impl FnMut(&Emulator, S::Value) -> Result<(), TestCaseError>,
) where
    S::Value: Debug,
{
    let emulator = Emulator::start();
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let cell = std::cell::RefCell::new(&mut send);
    let outcome = TestRunner::new(config).run(&strategy, |case| (cell.borrow_mut())(&emulator, case));
    emulator.is_well();
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
