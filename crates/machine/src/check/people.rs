//! The properties about who did what.

use std::collections::BTreeSet;

use crate::check::behaviour::{Checker, Tally, last_act};
use crate::check::search::{Answer, Budget, Followed, Question, View, ask, no_mark};
use crate::check::{Bad, PEOPLE, Problem};
use crate::file::CountsAs;
use crate::value::Name;

impl Checker<'_> {
    /// Four people are enough to do every act, and to get a case to its best end.
    pub(super) fn four_people(&self, tally: &mut Tally, budget: &Budget<'_>) {
        let model = &self.model;
        for (at, act) in model.acts.iter().enumerate() {
            let apart = &act.spec.apart;
            if apart.actor.is_empty() && apart.officers.is_empty() {
                continue;
            }
            let done = |view: &View<'_>| view.act == Some(at) && !view.is_refused();
            let question = Question {
                cone: BTreeSet::new(),
                followed: Some(Followed::from([(at, 0)])),
                cast_of: BTreeSet::new(),
                skip: BTreeSet::new(),
                whole: Some(at),
                mark: &no_mark,
                bad: &done,
            };
            if let Answer::Never { .. } = ask(model, question, budget) {
                // An act that nobody at all can do is another finding.
                if let Answer::Found { .. } = self.way_to_act(at, budget) {
                    tally.problem(Problem::new("CK04", format!("acts.{}.apart", act.name)));
                }
            }
        }
        let rectified = model.tracks[model.main].states.iter().any(|state| state.rectified);
        let ended = |view: &View<'_>| {
            let state = model.tracks[model.main].states.get(usize::from(view.after[model.main]));
            state.is_some_and(|state| if rectified { state.rectified } else { state.outcome || state.rest })
        };
        let question = |followed: Option<Followed>| Question {
            cone: BTreeSet::from([model.main]),
            followed,
            cast_of: BTreeSet::new(),
            skip: BTreeSet::new(),
            whole: None,
            mark: &no_mark,
            bad: &ended,
        };
        let answer = ask(model, question(Some(Followed::new())), budget);
        match answer {
            Answer::Never { states } => {
                tally.states(states);
                if let Answer::Found { .. } = ask(model, question(None), budget) {
                    tally.problem(Problem::new("CK04", "tracks.main"));
                }
            }
            Answer::Found { states, .. } => tally.states(states),
            Answer::TooLarge { .. } => tally.take(answer, |_| Problem::new("CK04", "tracks.main")),
        }
    }

    /// I1: who passes the re-inspection did not do the work, nor report it, nor enter that for another;
    /// who closes out did neither.
    pub(super) fn third_person(&self, tally: &mut Tally, budget: &Budget<'_>) {
        let model = &self.model;
        let counting = |wanted: &[CountsAs]| -> BTreeSet<usize> {
            let acts = model.acts.iter().enumerate();
            let acts = acts.filter(|(_, act)| act.spec.counts_as.is_some_and(|as_| wanted.contains(&as_)));
            acts.map(|(at, _)| at).collect()
        };
        let hands = counting(&[CountsAs::Rectification, CountsAs::CompletionReport]);
        let passes = counting(&[CountsAs::PassedReinspection]);
        let mut followed = Followed::new();
        for (bit, act) in (0u8..).zip(hands.union(&passes)) {
            followed.insert(*act, bit);
        }
        if followed.len() > 8 {
            tally.take(Answer::TooLarge { states: 0 }, |_| Problem::new("CK22", "acts"));
            return;
        }
        // The places of bits may grow while the search looks closer; those given here stay.
        let bits = |acts: &BTreeSet<usize>| {
            acts.iter().filter_map(|act| followed.get(act)).fold(0u8, |bits, bit| bits | 1 << bit)
        };
        let (hand_bits, pass_bits) = (bits(&hands), bits(&passes));
        let took_part = |view: &View<'_>, bits: u8| {
            let everybody = view.cast.everybody();
            (0..PEOPLE).any(|who| everybody & (1 << who) != 0 && view.columns[who] & bits != 0)
        };
        let inspects =
            |view: &View<'_>| view.act.is_some_and(|act| passes.contains(&act)) && took_part(view, hand_bits);
        let closes = |view: &View<'_>| self.enters_rectified(view) && took_part(view, hand_bits | pass_bits);
        let main = &model.tracks[model.main].states;
        let closing: BTreeSet<usize> = (0..model.acts.len())
            .filter(|act| model.moves_main_to(*act).iter().any(|state| main[usize::from(*state)].rectified))
            .collect();
        let ask_for = |bad: &dyn Fn(&View<'_>) -> bool| {
            let question = Question {
                cone: BTreeSet::from([model.main]),
                followed: Some(followed.clone()),
                cast_of: closing.clone(),
                skip: BTreeSet::new(),
                whole: None,
                mark: &no_mark,
                bad,
            };
            ask(model, question, budget)
        };
        let problem = |trace: Vec<crate::check::Happening>| {
            let path = last_act(&trace);
            let act = path.strip_prefix("acts.").unwrap_or_default().to_owned();
            Problem::new("CK06", format!("{path}.apart")).traced(trace, Bad::Done { act })
        };
        tally.take(ask_for(&inspects), problem);
        tally.take(ask_for(&closes), problem);
    }

    /// Nobody who took part in one of some acts does another.
    pub(super) fn never_does(
        &self,
        index: usize,
        who: &[Name],
        does: &Name,
        tally: &mut Tally,
        budget: &Budget<'_>,
    ) {
        let model = &self.model;
        let place = |name: &Name| model.acts.iter().position(|act| act.name == name);
        let Some(does) = place(does) else { return };
        let mut followed = Followed::new();
        for (bit, act) in (0u8..8).zip(who.iter().filter_map(place)) {
            followed.insert(act, bit);
        }
        let bits = followed.values().fold(0u8, |bits, bit| bits | 1 << bit);
        let both = |view: &View<'_>| {
            let everybody = view.cast.everybody();
            view.act == Some(does)
                && !view.is_refused()
                && (0..PEOPLE).any(|who| everybody & (1 << who) != 0 && view.columns[who] & bits != 0)
        };
        let question = Question {
            cone: BTreeSet::new(),
            followed: Some(followed),
            cast_of: BTreeSet::from([does]),
            skip: BTreeSet::new(),
            whole: None,
            mark: &no_mark,
            bad: &both,
        };
        let title = model.definition.file().never.get(index).map(|never| never.title.clone());
        let title = title.unwrap_or_default();
        tally.take(ask(model, question, budget), |trace| {
            let act = last_act(&trace).strip_prefix("acts.").unwrap_or_default().to_owned();
            Problem::new("CK16", format!("never[{index}]"))
                .with("title_zh", title.zh)
                .with("title_en", title.en)
                .traced(trace, Bad::Done { act })
        });
    }
}
