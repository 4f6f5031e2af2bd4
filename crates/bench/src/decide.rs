//! What a command costs without a database: it is decided, encoded and hashed, in one thread, by the same public
//! functions the engine calls.

use engine::Engine;
use machine::act::{Auth, canonical, chain, hex};
use machine::command::NOBODY;
use machine::register::Registers;
use machine::{Definition, Facts, State};
use store::{Clock, Place};

use crate::Result;
use crate::county::{self, Case, tenant};
use crate::measure;

/// Commands decided.
const COMMANDS: u32 = 4_000;
/// After so many the case is as it was: its state stays as small as that of the cases measured.
const AGAIN: u32 = 8;

/// Microseconds of processor time of a command.
pub struct Cost {
    /// To decide, encode and hash it.
    pub decide_us: f64,
    /// To read the state it is decided on.
    pub decode_us: f64,
}

/// Measures it.
pub async fn cost() -> Result<Cost> {
    let folder = tempfile::tempdir()?;
    let now = store::sqlite::host_time();
    let site = county::found(&Place::File(folder.path().join("decide.db")), Clock::Real, now).await?;
    let due_on = calendar::china().local_date(now.utc()) + chrono::Days::new(90);
    let opened = county::open_hazard(&site.engine, "decided", 0, due_on).await?;
    let page = site.store.page(&tenant(), &store::table::CASES, None, 1).await?;
    let number = page[0]["number"].as_str().ok_or("a number")?;
    let (state, definition) = site.engine.case(number).await?;
    let case = Case {
        id: opened.case,
        text: opened.case.to_string(),
        version: 1,
        reported: false,
        enterprise: state.text("responsible").unwrap_or_default().to_owned(),
    };
    let decide_us = decide(&site.engine, &definition, &state, &case).await?;
    let text = serde_json::to_string(&state)?;
    let begun = measure::own_cpu_us();
    for _ in 0..COMMANDS {
        std::hint::black_box(serde_json::from_str::<State>(&text)?);
    }
    let decode_us = (measure::own_cpu_us() - begun) as f64 / f64::from(COMMANDS);
    Ok(Cost { decide_us, decode_us })
}

async fn decide(engine: &Engine, definition: &Definition, opened: &State, fresh: &Case) -> Result<f64> {
    let (directory, calendar) =
        (engine.catalog().directory().await?, engine.catalog().local_calendar().await?);
    let (mut state, mut case, mut previous) = (opened.clone(), fresh.clone(), [0; 32]);
    let tenant = tenant();
    let begun = measure::own_cpu_us();
    for command in 0..COMMANDS {
        if command % AGAIN == 0 {
            (state, case) = (opened.clone(), fresh.clone());
        }
        let request = case.next();
        let facts = Facts {
            tenant: &tenant,
            case: case.id,
            now: state.last_at,
            actor: request.actor.as_ref(),
            auth: Auth::Asserted,
            key: request.key.as_deref(),
            calendar: &calendar,
            directory: &directory,
            expected_version: None,
            number: None,
            linked: None,
            hands: NOBODY,
            registers: Registers::NONE,
            salt: &[7; 32],
        };
        let decision = machine::decide(definition, Some(&state), &request.command, &facts)?;
        for act in &decision.acts {
            let body = canonical(act).map_err(|error| error.to_string())?;
            previous = chain(&previous, &body);
            std::hint::black_box(hex(&previous));
        }
        let projection = machine::project::project(definition, &decision.state);
        std::hint::black_box(machine::project::progress(definition, &state));
        let head = store::cells::head(&case.text, "", "", &decision.state, &projection);
        std::hint::black_box(head);
        state = decision.state;
        case.moved();
    }
    Ok((measure::own_cpu_us() - begun) as f64 / f64::from(COMMANDS))
}
