//! A case as a person reads it: titles and names beside the ids, the same for every surface.

use machine::act::{AssignmentDuty, AssignmentStatus, Effect, Link, MoveReason};
use machine::explain::{self, Context, Explanation, MovedBy, standing};
use machine::state::{ChargedTo, DeadlineKind, Status, Subject};
use machine::time::Due;
use machine::value::{CaseId, PersonId, Value};
use machine::{Act, Instant, State};
use serde::Serialize;
use serde_json::json;

use crate::text::Language;
use crate::{Engine, EngineError};

mod next;
mod timeline;
mod told;
mod words;

pub use next::{Ask, Offer, Officers};
pub use timeline::{Entry, Post};
pub use told::About;
pub(crate) use told::needs_in_words;
pub use words::Words;

/// An id, and what people call it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// The id.
    pub id: String,
    /// The title or name.
    pub name: String,
}

/// A case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseView {
    /// Its number.
    pub number: String,
    /// Its id.
    pub case: CaseId,
    /// Number of its last act.
    pub version: u32,
    /// Its workflow.
    pub workflow: Named,
    /// Digest of the definition it runs under.
    pub definition: String,
    /// When it was opened.
    pub opened_at: Instant,
    /// Brought in from an old ledger and muted until then.
    pub muted_until: Option<Instant>,
    /// Where each track stands, the main one first.
    pub tracks: Vec<TrackView>,
    /// What is known of it.
    pub fields: Vec<FieldView>,
    /// Other cases that belong to it.
    pub links: Vec<LinkView>,
    /// Work sent to units.
    pub assignments: Vec<AssignmentView>,
    /// What waits or waited for a signer.
    pub proposals: Vec<ProposalView>,
    /// Its clocks: the open ones first, what blocks before what does not, the earliest at the top.
    pub clocks: Vec<ClockView>,
    /// What happened.
    pub timeline: Vec<Entry>,
}

/// Where a track stands.
#[derive(Clone, Debug, Serialize)]
pub struct TrackView {
    /// The track.
    pub track: Named,
    /// Its state.
    pub state: Named,
    /// Since when.
    pub since: Instant,
}

/// A field and its value.
#[derive(Clone, Debug, Serialize)]
pub struct FieldView {
    /// The field.
    pub field: Named,
    /// Its value; none where it is kept apart.
    pub value: Option<Value>,
    /// The value in words.
    pub text: String,
}

/// Another case.
#[derive(Clone, Debug, Serialize)]
pub struct LinkView {
    /// Its number.
    pub number: String,
    /// How it belongs to this one.
    pub link: Link,
    /// Its workflow.
    pub workflow: Named,
}

/// Work sent to a unit.
#[derive(Clone, Debug, Serialize)]
pub struct AssignmentView {
    /// Number in its case.
    pub no: u32,
    /// The unit.
    pub unit: Named,
    /// Lead or assisting.
    pub duty: AssignmentDuty,
    /// Where it stands.
    pub status: AssignmentStatus,
    /// Its way so far: each place, and when it got there.
    pub steps: Vec<AssignmentStep>,
    /// Its clocks.
    pub due: Vec<ShortClock>,
}

/// A place an assignment got to.
#[derive(Clone, Debug, Serialize)]
pub struct AssignmentStep {
    /// The place.
    pub status: AssignmentStatus,
    /// When.
    pub at: Instant,
}

/// A clock in a line.
#[derive(Clone, Debug, Serialize)]
pub struct ShortClock {
    /// Number in its case.
    pub no: u32,
    /// The clock.
    pub clock: Named,
    /// When it is or was due.
    pub due: Due,
    /// Where it stands.
    pub status: Status,
    /// Its date has passed without an answer.
    pub missed: bool,
}

/// Something that waits for a signer, or waited.
#[derive(Clone, Debug, Serialize)]
pub struct ProposalView {
    /// Number in its case.
    pub no: u32,
    /// What is proposed.
    pub what: Named,
    /// The role that decides.
    pub signer: Named,
    /// The people behind it today.
    pub people: Vec<Named>,
    /// Waiting since.
    pub since: Option<Instant>,
    /// The clocks of the decision.
    pub due: Vec<ShortClock>,
    /// The decision, once made.
    pub approved: Option<bool>,
    /// Who made it.
    pub decided_by: Option<Named>,
    /// When.
    pub decided_at: Option<Instant>,
    /// The number the signed document got.
    pub document: Option<String>,
}

/// A clock.
#[derive(Clone, Debug, Serialize)]
pub struct ClockView {
    /// Number in its case.
    pub no: u32,
    /// The clock.
    pub clock: Named,
    /// What it belongs to: the case, an assignment or a proposal.
    pub subject: Subject,
    /// The unit or the proposal it belongs to, in words.
    pub of: Option<String>,
    /// Legal date, step clock or parallel duty.
    pub kind: DeadlineKind,
    /// Whose overdue flag it raises.
    pub charged_to: ChargedTo,
    /// A supplementary date (补充期限), which stands beside the legal one and moves nothing.
    pub supplementary: bool,
    /// Where it stands.
    pub status: Status,
    /// When it is or was due.
    pub due: Due,
    /// The first due date.
    pub first_due: Due,
    /// Counted beyond the published calendar.
    pub provisional: bool,
    /// The breach has fallen, for good.
    pub missed: bool,
    /// When it fell, or falls.
    pub breach_at: Instant,
    /// Calendar days after the due date.
    pub days_overdue: Option<i64>,
    /// Every earlier date, and what changed it.
    pub earlier: Vec<EarlierDate>,
    /// When it stood still.
    pub pauses: Vec<PauseView>,
    /// The rung that comes next.
    pub next: Option<NextRungView>,
    /// The role that owes it.
    pub owner: Named,
    /// The unit, where the role is bound to one.
    pub unit: Option<Named>,
    /// The people behind it today.
    pub people: Vec<Named>,
}

/// A due date that was, and what changed it.
#[derive(Clone, Debug, Serialize)]
pub struct EarlierDate {
    /// The date it was.
    pub due: Due,
    /// The date it became.
    pub became: Due,
    /// Why.
    pub why: MoveReason,
    /// By which act.
    pub by: Cause,
}

/// The act behind a change of a clock.
#[derive(Clone, Debug, Serialize)]
pub struct Cause {
    /// Its number.
    pub version: u32,
    /// The act.
    pub act: Named,
    /// When.
    pub at: Instant,
    /// Who; none for the worker.
    pub person: Option<Named>,
    /// Why.
    pub reason: Option<String>,
}

/// A time a clock stood still.
#[derive(Clone, Debug, Serialize)]
pub struct PauseView {
    /// What stopped it.
    pub by: Cause,
    /// When it ran again.
    pub until: Option<Instant>,
}

/// The rung that comes next.
#[derive(Clone, Debug, Serialize)]
pub struct NextRungView {
    /// The rung.
    pub rung: Named,
    /// The ladder.
    pub ladder: String,
    /// When.
    pub at: Instant,
    /// The people told.
    pub people: Vec<Named>,
}

impl Engine {
    /// A case as a person reads it.
    pub async fn view(&self, number: &str, language: Language) -> Result<CaseView, EngineError> {
        let (state, definition) = self.case(number).await?;
        let acts = self.acts(state.case).await?;
        let directory = self.catalog().directory().await?;
        let calendar = self.catalog().calendar(&definition.file().calendar).await?;
        let now = self.store().clock().await?;
        let words = Words { language, definition: &definition, directory: &directory, calendar: &calendar };
        // Each date is told by the calendar it was counted with, not by the newest.
        let counted_with = self.catalog().counted_with(calendar.id(), &acts).await?;
        let context = Context {
            definition: &definition,
            state: &state,
            acts: &acts,
            calendar: &calendar,
            counted_with: &counted_with,
            directory: &directory,
            now,
        };
        let told = state.deadlines.iter().map(|deadline| explain::explain(&context, deadline));
        let mut clocks: Vec<ClockView> = told.map(|told| words.clock_view(&state, &told)).collect();
        clocks.sort_by_key(|clock| {
            let ended = matches!(clock.status, Status::Ended { .. });
            (ended, clock.kind == DeadlineKind::Duty, clock.breach_at, clock.no)
        });
        let mut links = Vec::new();
        for link in &state.links {
            let (_, other) = self.case(&link.number).await?;
            links.push(LinkView {
                number: link.number.clone(),
                link: link.link,
                workflow: words.workflow(&other),
            });
        }
        Ok(CaseView {
            number: state.number.clone(),
            case: state.case,
            version: state.version,
            workflow: words.workflow(&definition),
            definition: state.definition.clone(),
            opened_at: state.opened_at,
            muted_until: state.muted_until,
            tracks: words.tracks(&state),
            fields: words.fields(&state),
            links,
            assignments: words.assignments(&state, &acts),
            proposals: words.proposals(&state, &acts),
            clocks,
            timeline: words.timeline(&acts, &state),
        })
    }
}

impl Words<'_> {
    fn tracks(&self, state: &State) -> Vec<TrackView> {
        let mut tracks: Vec<TrackView> = state
            .tracks
            .iter()
            .map(|(track, position)| TrackView {
                track: self.named_track(track),
                state: Named {
                    id: position.state.clone(),
                    name: self.state(track, &position.state).to_owned(),
                },
                since: position.since,
            })
            .collect();
        tracks.sort_by_key(|track| track.track.id != "main");
        tracks
    }

    fn fields(&self, state: &State) -> Vec<FieldView> {
        let fields = state.fields.iter().map(|(name, value)| {
            let personal = self.definition.field(name).is_some_and(|field| field.personal);
            // The state holds its digest; the value itself is nothing for everybody who looks at the case.
            let text =
                if personal { self.text("show.kept_apart", &json!({})) } else { self.value(name, value) };
            FieldView { field: self.named_field(name), value: (!personal).then(|| value.clone()), text }
        });
        fields.collect()
    }

    fn short_clocks(&self, state: &State, subject: Subject) -> Vec<ShortClock> {
        let clocks = state.deadlines.iter().filter(|deadline| deadline.subject == subject);
        let short = clocks.map(|deadline| ShortClock {
            no: deadline.no,
            clock: self.named_clock(&deadline.name),
            due: deadline.due,
            status: deadline.status.clone(),
            missed: deadline.missed_at.is_some(),
        });
        short.collect()
    }

    fn assignments(&self, state: &State, acts: &[Act]) -> Vec<AssignmentView> {
        let steps = |wanted: u32| {
            let effects =
                standing(acts).flat_map(|act| act.effects.iter().map(move |effect| (act.at, effect)));
            let steps = effects.filter_map(|(at, effect)| match effect {
                Effect::AssignmentSent { no, .. } if *no == wanted => {
                    Some(AssignmentStep { status: AssignmentStatus::Sent, at })
                }
                Effect::AssignmentMoved { no, to } if *no == wanted => {
                    Some(AssignmentStep { status: *to, at })
                }
                _ => None,
            });
            steps.collect()
        };
        let views = state.assignments.iter().map(|assignment| AssignmentView {
            no: assignment.no,
            unit: self.named_unit(assignment.unit.as_str()),
            duty: assignment.duty,
            status: assignment.status,
            steps: steps(assignment.no),
            due: self.short_clocks(state, Subject::Assignment(assignment.no)),
        });
        views.collect()
    }

    fn proposals(&self, state: &State, acts: &[Act]) -> Vec<ProposalView> {
        let act_with =
            |wanted: &dyn Fn(&Effect) -> bool| standing(acts).find(|act| act.effects.iter().any(wanted));
        let views = state.proposals.iter().map(|proposal| {
            let no = proposal.no;
            let made = act_with(&|effect| matches!(effect, Effect::ProposalMade { no: of, .. } if *of == no));
            let decided =
                act_with(&|effect| matches!(effect, Effect::ProposalDecided { no: of, .. } if *of == no));
            ProposalView {
                no,
                what: self.named_notice(&proposal.what),
                signer: self.named_role(&proposal.signer),
                people: self.holders(state, &proposal.signer),
                since: made.map(|act| act.at),
                due: self.short_clocks(state, Subject::Proposal(no)),
                approved: proposal.approved,
                decided_by: decided
                    .and_then(|act| act.actor.person())
                    .map(|who| self.named_person(&who.person)),
                decided_at: decided.map(|act| act.at),
                document: decided.and_then(Act::document).map(ToString::to_string),
            }
        });
        views.collect()
    }

    fn people(&self, people: &[PersonId]) -> Vec<Named> {
        people.iter().map(|person| self.named_person(person)).collect()
    }

    fn cause(&self, by: &MovedBy) -> Cause {
        Cause {
            version: by.version,
            act: self.named_act(&by.act),
            at: by.at,
            person: by.person.as_ref().map(|person| self.named_person(person)),
            reason: by.reason.clone(),
        }
    }

    fn clock_view(&self, state: &State, told: &Explanation) -> ClockView {
        let legs = told.legs.iter().zip(told.legs.iter().skip(1));
        let earlier = legs.filter_map(|(before, after)| {
            let moved = after.why.zip(after.by.as_ref()).filter(|_| before.due != after.due);
            let (why, by) = moved?;
            Some(EarlierDate { due: before.due, became: after.due, why, by: self.cause(by) })
        });
        let pauses =
            told.pauses.iter().map(|pause| PauseView { by: self.cause(&pause.by), until: pause.until });
        ClockView {
            no: told.no,
            clock: self.named_clock(&told.name),
            subject: told.subject,
            of: self.of(state, told.subject),
            kind: told.kind,
            charged_to: told.charged_to,
            supplementary: self.definition.deadline(&told.name).is_some_and(|spec| spec.supplementary),
            status: told.status.clone(),
            due: told.due,
            first_due: told.first_due,
            provisional: told.provisional,
            missed: told.missed,
            breach_at: told.breach_at,
            days_overdue: told.days_overdue,
            earlier: earlier.collect(),
            pauses: pauses.collect(),
            next: told.next.as_ref().map(|next| NextRungView {
                rung: Named { id: next.rung.clone(), name: self.rung(&next.ladder, &next.rung) },
                ladder: next.ladder.clone(),
                at: next.at,
                people: self.people(&next.people),
            }),
            owner: self.named_role(&told.owner.role),
            unit: told.owner.unit.as_ref().map(|unit| self.named_unit(unit.as_str())),
            people: self.people(&told.owner.people),
        }
    }

    /// The unit or the proposal a clock belongs to, in words.
    fn of(&self, state: &State, subject: Subject) -> Option<String> {
        match subject {
            Subject::Case => None,
            Subject::Assignment(no) => {
                let assignment = state.assignments.iter().find(|assignment| assignment.no == no)?;
                Some(self.unit(assignment.unit.as_str()).to_owned())
            }
            Subject::Proposal(no) => {
                let proposal = state.proposals.iter().find(|proposal| proposal.no == no)?;
                Some(self.notice(&proposal.what).to_owned())
            }
        }
    }
}
