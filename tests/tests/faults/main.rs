//! Faults of servers, networks, callers and clocks: nothing acknowledged is lost, nothing is done twice.
//!
//! Where commands are sent, the test says how many were in doubt at the moment of a fault: where none was, nothing was
//! proved.

mod callers;
mod clocks;
mod history;
mod server;
mod workers;
