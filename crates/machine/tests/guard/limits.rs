//! Limits, hostile input and codes.

use super::*;

#[track_caller]
fn check_kind(source: &str, expected: Option<(GuardErrorKind, usize)>) {
    let outcome = Guard::parse(source, &variables(), &forbidden());
    let start: String = source.chars().take(40).collect();
    assert_eq!(outcome.err().map(|error| (error.kind, error.offset)), expected, "{start}…");
}

#[test]
fn length_depth_and_atoms_are_limited() {
    let padded = |len: usize| format!("urgent{}", " ".repeat(len - 6));
    check_kind(&padded(2_000), None);
    check_kind(&padded(2_001), Some((GuardErrorKind::TooLong, 2_000)));
    // Characters, not bytes
    check_kind(&format!("note == '{}'", "整".repeat(1_990)), None);
    check_kind(&format!("note == '{}'", "整".repeat(1_991)), Some((GuardErrorKind::TooLong, 2_000)));

    let nested = |n: usize| format!("{}urgent{}", "(".repeat(n), ")".repeat(n));
    check_kind(&nested(32), None);
    check_kind(&nested(33), Some((GuardErrorKind::TooDeep, 32)));
    let negated = |n: usize| format!("{}urgent", "!".repeat(n));
    check_kind(&negated(32), None);
    check_kind(&negated(33), Some((GuardErrorKind::TooDeep, 32)));
    let both = |n: usize| format!("{}urgent{}", "!(signed || has(note) && ".repeat(n), ")".repeat(n));
    check_kind(&both(16), None);
    check_kind(&both(17), Some((GuardErrorKind::TooDeep, 16 * 25)));
    // Side by side is not nesting
    check_kind(&vec!["(!urgent)"; 100].join(" && "), None);

    let compared = |n: usize| (0..n).map(|i| format!("count == {i}")).collect::<Vec<_>>().join(" || ");
    check_kind(&compared(64), None);
    check_kind(&compared(65), Some((GuardErrorKind::TooManyAtoms, compared(64).len() + 4)));
    check_kind(&vec!["count == 1"; 100].join(" || "), None);
    assert_eq!(parse(&vec!["count == 1"; 100].join(" || ")).atoms().len(), 1);

    check_kind(&["a"; 8].join("."), Some((GuardErrorKind::UnknownVariable, 0)));
    check_kind(&["a"; 9].join("."), Some((GuardErrorKind::TooDeep, 0)));
}

#[test]
fn hostile_guards_are_refused_on_a_small_stack() {
    let hostile = || {
        let long = ["(", "!", "[", "{", "a.", "a<", "-", "a[", "has(", "!(", "a in [", "a?a:", "&&", "'"]
            .map(|unit| unit.repeat(100_000));
        for source in &long {
            check_kind(source, Some((GuardErrorKind::TooLong, 2_000)));
        }
        for source in &long {
            // The same within the length, so that nothing but the shape stops it
            let source: String = source.chars().take(1_900).collect();
            assert!(Guard::parse(&source, &variables(), &forbidden()).is_err());
        }
        // A bracket too many must not let the rest pass uncounted
        check_kind(&format!("urgent){}", "(".repeat(1_900)), Some((GuardErrorKind::Syntax, 6)));
        check_kind(&format!("urgent]{}", "!(".repeat(900)), Some((GuardErrorKind::Syntax, 6)));
    };
    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(hostile).unwrap();
    thread.join().unwrap();
}

#[test]
fn the_deepest_guard_parses_on_a_small_stack() {
    let deepest = || {
        for source in [
            format!("{}urgent{}", "(".repeat(32), ")".repeat(32)),
            format!("{}urgent{}", "(signed || has(note) && ".repeat(32), ")".repeat(32)),
            vec!["urgent"; 200].join("||"),
        ] {
            let guard = parse(&source);
            assert!(matches!(verdict(&guard, &Facts::new()), Verdict::Fails { .. }));
        }
    };
    std::thread::Builder::new().stack_size(256 * 1024).spawn(deepest).unwrap().join().unwrap();
}

#[test]
fn codes_are_stable() {
    use GuardErrorKind::*;
    let kinds = [
        Empty,
        TooLong,
        TooDeep,
        TooManyAtoms,
        Syntax,
        Unsupported,
        UnknownVariable,
        PersonalField,
        Type,
        UnknownValue,
        Literal,
    ];
    let codes: Vec<&str> = kinds.iter().map(|kind| kind.code()).collect();
    assert_eq!(
        codes.join(" "),
        "guard-empty guard-too-long guard-too-deep guard-too-many-atoms guard-syntax guard-unsupported \
         guard-unknown-variable guard-personal-field guard-type guard-unknown-value guard-literal"
    );
}
