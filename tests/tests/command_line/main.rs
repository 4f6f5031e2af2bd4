//! The command line, end to end: what it shows, takes, refuses and prints.

mod show;
mod world;
