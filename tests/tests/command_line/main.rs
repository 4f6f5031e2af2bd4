//! The command line, end to end: what it shows, takes, refuses and prints.

mod acts;
mod asked;
mod files;
mod findings;
mod help;
mod lists;
mod show;
mod texts;
mod words;
mod worker;
mod world;
