//! Faults of the server, of the network and of callers: nothing acknowledged is lost, nothing is done twice.
//!
//! Each test says how many commands were in doubt at the moment of a fault: where none was, nothing was proved.

mod callers;
mod history;
mod server;
mod workers;
