//! Working days, calendar days and hours, counted and explained.
//!
//! A [`Calendar`] holds what was published for each year: the days off and the weekend days that
//! work instead. Every question it answers depends on its arguments alone; it never asks what
//! day it is.
//!
//! Two rules run through the whole crate:
//!
//! * **The start is not counted.** One working day after Friday is Monday.
//! * **A year nobody has published yet is computed on weekends alone, and says so.** Each result
//!   that leaned on such a year is marked provisional, so that it can be computed again once the
//!   year is known.
//!
//! ```
//! use calendar::{china, parse_date};
//!
//! let friday = parse_date("2026-09-18")?;
//! // Sunday the 20th works that week.
//! assert_eq!(china().add_working_days(friday, 5)?.date, parse_date("2026-09-24")?);
//! # Ok::<(), calendar::CalendarError>(())
//! ```

mod calendar;
mod count;
mod error;
mod explain;
mod file;
mod text;
pub mod yaml;
mod zone;

pub use calendar::{Calendar, DayKind, Off, Year, china, shipped};
pub use count::{Counted, Roll};
pub use error::{CalendarError, CountUnit, DateFault};
pub use explain::Day;
pub use file::{parse_calendar, parse_year};
pub use text::{EARLIEST, LATEST, parse_date};
pub use zone::parse_zone;
