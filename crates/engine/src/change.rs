//! A decision becomes rows.

use std::borrow::Cow;

use machine::act::{ALGORITHM, Measure, RungRecord, RungResult, canonical, chain, digest_hex, hex};
use machine::command::Decision;
use machine::file::Column;
use machine::project::{Progress, Projection, column, progress};
use machine::{Act, Definition, Effect, State, apply};
use store::cells::found_by;
use store::{ActRow, Change, DocumentRow, HistoryRow, NoticeRow, RungRow};

use crate::EngineError;

/// The rows of a decision. `previous` is the hash of the last act before it.
pub(crate) fn change(
    definition: &Definition,
    before: Option<&State>,
    decision: Decision,
    previous: &str,
    key: Option<(String, String)>,
) -> Result<Change, EngineError> {
    let mut previous = from_hex(previous).ok_or_else(|| EngineError::Stored("last_hash".to_owned()))?;
    let (mut acts, mut rungs, mut notices, mut taken) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for act in &decision.acts {
        let body = canonical(act).map_err(|error| EngineError::Stored(error.to_string()))?;
        previous = chain(&previous, &body);
        let body = String::from_utf8(body).map_err(|error| EngineError::Stored(error.to_string()))?;
        acts.push(ActRow {
            case_id: act.case,
            version: act.version,
            at: act.at.micros(),
            name: act.name.clone(),
            person_id: act.actor.person().map(|who| who.person.clone()),
            algorithm: ALGORITHM.to_owned(),
            body,
            hash: hex(&previous),
        });
        let (rung_rows, notice_rows) = outbox(act);
        rungs.extend(rung_rows);
        notices.extend(notice_rows);
        taken.extend(document(act));
    }
    let projection = machine::project::project(definition, &decision.state);
    let text = text(definition, before, &decision.state, &projection);
    let history = history(definition, before, &decision.acts, &projection.progress);
    Ok(Change {
        expected_version: before.map_or(0, |state| state.version),
        workflow: definition.file().workflow.clone(),
        last_hash: hex(&previous),
        acts,
        state: decision.state,
        projection,
        text,
        history,
        rungs,
        notices,
        documents: taken,
        personal: decision.personal,
        key,
    })
}

/// What the case is found by from now on, where that changed.
fn text(
    definition: &Definition,
    before: Option<&State>,
    after: &State,
    projection: &Projection,
) -> Option<String> {
    // It is made of these alone, and most acts touch neither.
    if before.is_some_and(|before| before.number == after.number && before.fields == after.fields) {
        return None;
    }
    let until_now = before.map(|state| found_by(state, column(definition, state, Column::Text).as_ref()));
    let text = found_by(after, projection.columns.get(&Column::Text));
    (until_now.as_ref() != Some(&text)).then_some(text)
}

/// The rungs an act recorded, and their notices.
pub(crate) fn outbox(act: &Act) -> (Vec<RungRow>, Vec<NoticeRow>) {
    let (mut rungs, mut notices) = (Vec::new(), Vec::new());
    for effect in &act.effects {
        if let Effect::RungRecorded { rung } = effect {
            rungs.push(rung_row(act, rung));
            notices.extend(notice_rows(act, rung));
        }
    }
    (rungs, notices)
}

/// The number an act took from a register. Of a document over several cases this may be any part.
pub(crate) fn document(act: &Act) -> Option<DocumentRow> {
    let number = act.document()?.clone();
    Some(DocumentRow { number, part: 0, act_version: act.version })
}

/// What the case counted as, from each act on that changed it. `after` is what it counts as after the last.
pub(crate) fn history(
    definition: &Definition,
    before: Option<&State>,
    acts: &[Act],
    after: &Progress,
) -> Vec<HistoryRow> {
    let known = before.map(|state| progress(definition, state));
    // The state after the last act is known already: a single act costs no folding.
    let mut state = before.filter(|_| acts.len() > 1).cloned();
    let mut rows: Vec<HistoryRow> = Vec::new();
    for (index, act) in acts.iter().enumerate() {
        let now = if index + 1 == acts.len() {
            Cow::Borrowed(after)
        } else {
            let folded = state.take().unwrap_or_else(|| State::empty(act.case, &act.definition, act.at));
            Cow::Owned(progress(definition, state.insert(apply(folded, act))))
        };
        if rows.last().map(|row| &row.progress).or(known.as_ref()) != Some(&*now) {
            rows.push(HistoryRow { version: act.version, from: act.at, progress: now.into_owned() });
        }
    }
    rows
}

fn rung_row(act: &Act, rung: &RungRecord) -> RungRow {
    RungRow {
        deadline_no: rung.deadline_no,
        revision: rung.revision,
        ladder: rung.ladder.clone(),
        rung: rung.rung.clone(),
        repeat: rung.repeat,
        act_version: act.version,
        result: rung.result,
        measure: rung.measure,
        due_at: rung.due_at.micros(),
        recorded_at: act.at.micros(),
    }
}

/// One notice per recipient. Its id is derived, so that the same rung can never make two.
fn notice_rows(act: &Act, rung: &RungRecord) -> Vec<NoticeRow> {
    if rung.result != RungResult::Fired {
        return Vec::new();
    }
    let rows = rung.recipients.iter().map(|recipient| {
        let id = format!(
            "{}\n{}\n{}\n{}\n{}\n{}\n{}\n{recipient}",
            act.tenant, act.case, rung.deadline_no, rung.revision, rung.ladder, rung.rung, rung.repeat
        );
        let measure: Measure = rung.measure;
        NoticeRow {
            notice_id: digest_hex(id.as_bytes()),
            act_version: act.version,
            recipient: recipient.clone(),
            measure,
            template: rung.template.clone(),
            unreached: rung.unreached.join(","),
            ladder: rung.ladder.clone(),
            rung: rung.rung.clone(),
            deadline_no: rung.deadline_no,
            created_at: act.at.micros(),
        }
    });
    rows.collect()
}

/// Reads 64 hex digits; the empty text is the hash before the first act.
pub(crate) fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.is_empty() {
        return Some([0; 32]);
    }
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let digit = |digit: u8| char::from(digit).to_digit(16);
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = (digit(digits[0])? * 16 + digit(digits[1])?) as u8;
    }
    Some(hash)
}
