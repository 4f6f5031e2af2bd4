//! Proves a workflow file before it may run.
