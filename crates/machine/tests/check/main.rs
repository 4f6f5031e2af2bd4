//! The model checker: what it finds, that its traces are real, and that it misses no deletion.

#[cfg(test)]
mod bad;
#[cfg(test)]
mod deletions;
#[cfg(test)]
mod files;
#[cfg(test)]
mod shipped;
