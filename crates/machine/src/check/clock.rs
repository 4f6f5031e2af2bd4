//! Where a clock of the abstract machine stands.

use crate::check::model::UNKNOWN;

pub(crate) const OFF: u8 = 0;
pub(crate) const RUNNING: u8 = 1;
/// Its day has come.
pub(crate) const DUE: u8 = 2;
pub(crate) const MISSED: u8 = 3;
/// Extended after it was missed: it can be missed once more.
pub(crate) const RESPITE: u8 = 4;
pub(crate) const PAUSED: u8 = 5;
pub(crate) const ENDED: u8 = 6;
pub(crate) const ENDED_DUE: u8 = 7;
pub(crate) const ENDED_MISSED: u8 = 8;
pub(crate) const ENDED_RESPITE: u8 = 9;
/// As far above the way a clock was met is the way it was cancelled.
const CANCELLED: u8 = 4;
pub(crate) const ALL: [u8; 14] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];

pub(crate) fn is_open(value: u8) -> bool {
    (RUNNING..=PAUSED).contains(&value)
}

pub(crate) fn is_running(value: u8) -> bool {
    (RUNNING..=RESPITE).contains(&value)
}

pub(crate) fn is_cancelled(value: u8) -> bool {
    value > ENDED_RESPITE && value != UNKNOWN
}

/// The value as if the clock had been met where it was cancelled.
pub(crate) fn as_met(value: u8) -> u8 {
    if is_cancelled(value) { value - CANCELLED } else { value }
}

pub(crate) fn is_met(value: u8) -> bool {
    (ENDED..=ENDED_RESPITE).contains(&value)
}

pub(crate) fn was_missed(value: u8) -> bool {
    matches!(as_met(value), MISSED | RESPITE | ENDED_MISSED | ENDED_RESPITE)
}

/// Missed, and nothing new was granted.
pub(crate) fn is_past(value: u8) -> bool {
    matches!(as_met(value), MISSED | ENDED_MISSED)
}

pub(crate) fn is_due(value: u8) -> bool {
    was_missed(value) || matches!(as_met(value), DUE | ENDED_DUE)
}

pub(crate) fn met(value: u8) -> u8 {
    match value {
        DUE => ENDED_DUE,
        MISSED => ENDED_MISSED,
        RESPITE => ENDED_RESPITE,
        RUNNING | PAUSED => ENDED,
        other => other,
    }
}

pub(crate) fn cancelled(value: u8) -> u8 {
    if is_open(value) { cancelled_as(met(value)) } else { value }
}

/// Cancelled instead of met.
pub(crate) fn cancelled_as(met: u8) -> u8 {
    met + CANCELLED
}
