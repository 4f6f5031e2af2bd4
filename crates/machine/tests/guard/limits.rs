//! Limits and hostile input.

use super::*;

#[track_caller]
fn check_fault(source: &str, expected: Option<(GuardFault, usize)>) {
    let outcome = Guard::parse(source, &variables(), &forbidden());
    let start: String = source.chars().take(40).collect();
    assert_eq!(outcome.err().map(|error| (error.fault, error.offset)), expected, "{start}…");
}

#[test]
fn length_depth_and_atoms_are_limited() {
    let padded = |len: usize| format!("urgent{}", " ".repeat(len - 6));
    check_fault(&padded(2_000), None);
    check_fault(&padded(2_001), Some((GuardFault::TooLong { most: 2_000 }, 2_000)));
    // Characters, not bytes
    check_fault(&format!("note == '{}'", "整".repeat(1_990)), None);
    check_fault(
        &format!("note == '{}'", "整".repeat(1_991)),
        Some((GuardFault::TooLong { most: 2_000 }, 2_000)),
    );

    let nested = |n: usize| format!("{}urgent{}", "(".repeat(n), ")".repeat(n));
    check_fault(&nested(32), None);
    check_fault(&nested(33), Some((GuardFault::TooDeep { most: 32 }, 32)));
    let negated = |n: usize| format!("{}urgent", "!".repeat(n));
    check_fault(&negated(32), None);
    check_fault(&negated(33), Some((GuardFault::TooDeep { most: 32 }, 32)));
    let both = |n: usize| format!("{}urgent{}", "!(signed || has(note) && ".repeat(n), ")".repeat(n));
    check_fault(&both(16), None);
    check_fault(&both(17), Some((GuardFault::TooDeep { most: 32 }, 16 * 25)));
    // Side by side is not nesting
    check_fault(&vec!["(!urgent)"; 100].join(" && "), None);

    let compared = |n: usize| (0..n).map(|i| format!("count == {i}")).collect::<Vec<_>>().join(" || ");
    check_fault(&compared(64), None);
    check_fault(&compared(65), Some((GuardFault::TooManyAtoms { most: 64 }, compared(64).len() + 4)));
    check_fault(&vec!["count == 1"; 100].join(" || "), None);
    assert_eq!(parse(&vec!["count == 1"; 100].join(" || ")).atoms().len(), 1);

    let unknown = GuardFault::UnknownVariable { name: ["a"; 8].join("."), close: None };
    check_fault(&["a"; 8].join("."), Some((unknown, 0)));
    check_fault(&["a"; 9].join("."), Some((GuardFault::TooManyParts { most: 8 }, 0)));
}

#[test]
fn hostile_guards_are_refused_on_a_small_stack() {
    let closes_nothing = |bracket: &str| GuardFault::ClosesNothing { bracket: bracket.to_owned() };
    let hostile = move || {
        let long = ["(", "!", "[", "{", "a.", "a<", "-", "a[", "has(", "!(", "a in [", "a?a:", "&&", "'"]
            .map(|unit| unit.repeat(100_000));
        for source in &long {
            check_fault(source, Some((GuardFault::TooLong { most: 2_000 }, 2_000)));
        }
        for source in &long {
            // The same within the length, so that nothing but the shape stops it
            let source: String = source.chars().take(1_900).collect();
            assert!(Guard::parse(&source, &variables(), &forbidden()).is_err());
        }
        // A bracket too many must not let the rest pass uncounted
        check_fault(&format!("urgent){}", "(".repeat(1_900)), Some((closes_nothing(")"), 6)));
        check_fault(&format!("urgent]{}", "!(".repeat(900)), Some((closes_nothing("]"), 6)));
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
