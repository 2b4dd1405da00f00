//! Two or more IoT Hubs on this machine.

fn main() {}
