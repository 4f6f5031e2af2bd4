//! Bad input, end to end: each gets a clear message in both languages and the right exit code, and changes
//! nothing. The tags (B1, B2…) are those of the catalogue of bad inputs in the reference.

mod commands;
mod definitions;
mod limits;
mod organisation;
mod world;
