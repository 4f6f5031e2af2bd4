//! On PostgreSQL: the plans are those the server writes to its log as it follows them.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;
use store::Place;
use tests::home::Raw;
use tests::postgres::{Server, until};

use crate::asked::{Asked, CIRCULAR, questions};
use crate::made::{self, COPIED};

/// Asked so often, a statement gets the plan for any values where that is no worse than one for each.
const TIMES: usize = 8;
/// Tables no list may read whole.
const TABLES: [&str; 5] = ["cases", "obligations", "texts", "history", "acts"];
/// Counts the server walks the table for until it has found ten thousand, as it does where it believes that there are
/// many: no index has all that they ask for. Where most of what is found lies at the end, that is a long walk. For the
/// last of them it reads all cases that are bound to no unit.
const WALKED: [&str; 3] = [
    "ledger, unit with roles, counted",
    "ledger, overdue, counted",
    "ledger, a word all have, unit with roles, counted",
];
/// Makes the server tell the plans of a connection.
const EXPLAINED: &str = "&options=-c%20session_preload_libraries%3Dauto_explain\
    %20-c%20auto_explain.log_min_duration%3D0%20-c%20auto_explain.log_format%3Djson";

/// Makes it plan for any values at once.
const GENERAL: &str = "%20-c%20plan_cache_mode%3Dforce_generic_plan";

/// Fills the tables of a store: without a log, and without indexes that can be made at the end.
async fn fill(raw: &Raw) {
    let names = COPIED.map(|table| format!("'{}'", table.name)).join(", ");
    let dropped: Vec<(String, String)> = raw
        .rows(&format!(
            "SELECT CAST(indexname AS TEXT), indexdef FROM pg_indexes WHERE tablename IN ({names})
                AND indexname NOT IN (SELECT conname FROM pg_constraint)"
        ))
        .await;
    for (name, _) in &dropped {
        raw.run(&format!("DROP INDEX {name}")).await;
    }
    for table in COPIED {
        raw.run(&format!("ALTER TABLE {} SET UNLOGGED", table.name)).await;
        // Its tables are looked at once, and not again while lists are asked for.
        raw.run(&format!("ALTER TABLE {} SET (autovacuum_enabled = off)", table.name)).await;
        made::copy(raw, table).await;
    }
    raw.run("SET maintenance_work_mem = '512MB'").await;
    for (_, made) in &dropped {
        raw.run(made).await;
    }
    raw.run("VACUUM ANALYZE").await;
}

/// The plans in a part of a log, of statements that read any of the tables.
fn plans(log: &str) -> Vec<Value> {
    let mut plans = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        if line.ends_with(" plan:") {
            let mut text = String::new();
            while let Some(more) = lines.next_if(|line| line.starts_with('\t')) {
                text.push_str(more);
            }
            let plan: Value = serde_json::from_str(&text).expect("a plan");
            plans.push(plan["Plan"].clone());
        }
    }
    plans.retain(|plan| TABLES.iter().any(|table| plan.to_string().contains(&format!("\"{table}\""))));
    plans
}

/// How long the quoted text is that this begins with. Two quotes in it stand for one.
fn quoted(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == '\'' && letters.next_if(|(_, next)| *next == '\'').is_none() {
            return at + 1;
        }
    }
    text.len()
}

/// A condition without the values in it.
fn plain(condition: &str) -> String {
    let mut plain = String::new();
    let mut rest = condition;
    while let Some(first) = rest.chars().next() {
        let inside = plain.ends_with(|last: char| last.is_alphanumeric() || last == '_');
        let value = match first {
            '\'' => quoted(rest),
            '$' | '0'..='9' if !inside => {
                rest[1..].find(|next: char| !next.is_ascii_digit()).map_or(rest.len(), |end| end + 1)
            }
            _ => 0,
        };
        if value == 0 {
            plain.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            plain.push('?');
            rest = &rest[value..];
            // Its type is told of some values only.
            if let Some(kind) = rest.strip_prefix("::") {
                let name = |letter: char| letter.is_ascii_lowercase() || letter == '[' || letter == ']';
                rest = kind.trim_start_matches(name);
            }
        }
    }
    plain.replace(" COLLATE \"C\"", "")
}

/// A plan as text: how each step reads what, and by which condition.
fn shown(step: &Value, depth: usize, text: &mut String) {
    let said = |name: &str| step[name].as_str().map(str::to_owned);
    let mut line = said("Node Type").expect("a step");
    for (before, name) in [(" using ", "Index Name"), (" on ", "Relation Name")] {
        line.extend(said(name).map(|said| format!("{before}{said}")));
    }
    for name in ["Index Cond", "Filter", "Sort Key"] {
        let said = match &step[name] {
            Value::Null => continue,
            Value::String(condition) => plain(condition),
            other => plain(&other.to_string()),
        };
        write!(line, "; {name}: {said}").expect("text");
    }
    writeln!(text, "{:1$}{line}", "", 4 * depth).expect("text");
    for step in step["Plans"].as_array().into_iter().flatten() {
        shown(step, depth + 1, text);
    }
}

/// The steps that read a whole table, or all of a jurisdiction without an end.
fn walks(step: &Value, ends: bool, found: &mut Vec<String>) {
    let kind = step["Node Type"].as_str().expect("a step");
    let listed = step["Relation Name"].as_str().is_some_and(|name| TABLES.contains(&name));
    let all = step["Index Cond"].as_str().is_none_or(|condition| plain(condition) == "(tenant_id = ?)");
    let whole = match kind {
        "Seq Scan" | "Parallel Seq Scan" => listed,
        "Index Scan" | "Index Only Scan" => listed && all && !ends,
        "Bitmap Index Scan" => all,
        _ => false,
    };
    if whole {
        let mut line = String::new();
        shown(step, 0, &mut line);
        found.push(line);
    }
    let ends = match kind {
        "Limit" => true,
        // They read all before they give anything.
        "Sort" | "Incremental Sort" | "Aggregate" | "Hash" | "Materialize" | "Bitmap Heap Scan" => false,
        _ => ends,
    };
    for step in step["Plans"].as_array().into_iter().flatten() {
        walks(step, ends, found);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_list_of_a_million_cases_walks_a_table() {
    let _alone = crate::ALONE.lock().await;
    let server = Server::start().await;
    let place = Place::Server(server.database().await);
    made::county(&place).await;
    fill(&Raw::of(&place).await).await;
    let Place::Server(url) = place else { unreachable!("a server") };
    let store = Place::Server(format!("{url}{EXPLAINED}")).open().await.expect("opened");
    let general = Place::Server(url + EXPLAINED + GENERAL).open().await.expect("opened");
    let (mut told, mut complaints) = (String::new(), Vec::new());
    let questions = questions(store.as_ref()).await;
    for (name, asked, wanted) in questions.into_iter().filter(|(name, ..)| !WALKED.contains(&name.as_str())) {
        // Whether a second worker is worth it to find texts is a near thing: their plans are not shown.
        let near = matches!(&asked, Asked::Ledger(filter) | Asked::Count(filter) if filter.text.is_some());
        let before = server.log().len();
        // A circular takes seconds, and is asked once for a plan of each kind.
        let circular = matches!(&asked, Asked::Circular);
        let plans_wanted = if circular {
            for store in [&store, &general] {
                assert_eq!(asked.of(store.as_ref()).await, wanted, "{name}");
            }
            2 * CIRCULAR
        } else {
            for _ in 0..TIMES {
                assert_eq!(asked.of(store.as_ref()).await, wanted, "{name}");
            }
            // Of a text it is asked first whether many have it.
            if near { 2 * TIMES } else { TIMES }
        };
        // Of an answer of one row the driver does not wait for the end.
        until("the plans are logged", || plans(&server.log()[before..]).len() >= plans_wanted).await;
        let mut shapes = BTreeSet::new();
        for plan in plans(&server.log()[before..]) {
            let mut shape = String::new();
            shown(&plan, 1, &mut shape);
            shapes.insert(shape);
            let mut found = Vec::new();
            walks(&plan, false, &mut found);
            // It looks at every case, once in each statement.
            if circular && let Some(cases) = found.iter().position(|line| line.contains(" on cases")) {
                found.remove(cases);
            }
            complaints.extend(found.iter().map(|line| format!("{name}: {line}")));
        }
        if !near {
            let shapes = shapes.into_iter().collect::<Vec<_>>().join("  or\n");
            writeln!(told, "{name}\n{shapes}").expect("text");
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    insta::assert_snapshot!("postgres", told);
}
