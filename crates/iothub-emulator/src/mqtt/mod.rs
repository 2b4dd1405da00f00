//! The device protocol.
