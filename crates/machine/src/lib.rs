//! The pure state machine of a case.
//!
//! A *workflow file* (YAML) is read by [`file`], compiled with its guards into a [`Definition`],
//! and run by two total functions: [`decide`] turns a command into acts or a
//! refusal, [`apply`] folds an act into the state. Everything an act changes stands in the act as an
//! [`Effect`], so folding needs neither the definition nor a calendar.
//!
//! Architecture invariant: nothing here knows a clock, randomness, I/O or async. Time, ids, salts and
//! the directory of people are arguments. What comes back is data with codes, never prose.

pub mod act;
mod assignment;
mod builtin;
mod canonical;
pub mod check;
pub mod command;
mod deadline;
pub mod decide;
pub mod definition;
pub mod explain;
mod fact;
pub mod file;
pub mod guard;
mod ladder;
pub mod next;
pub mod organisation;
mod people;
mod problem;
pub mod project;
mod refusal;
pub mod register;
mod requirement;
pub mod state;
mod step;
mod sweep;
pub mod time;
pub mod value;

pub use act::{Act, Actor, Effect, Person};
pub use command::{Command, Directory, Facts, Refusal};
pub use decide::decide;
pub use definition::Definition;
pub use next::{Possible, Signable, last_day_to_ask, next, signable};
pub use people::hands;
pub use problem::Problem;
pub use state::{State, apply, fold};
pub use time::Instant;
