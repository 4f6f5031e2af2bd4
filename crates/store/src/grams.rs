//! Pairs of neighbouring letters: what a text is found by. A language that writes no spaces has no words an index
//! could tell apart, and most of what is searched for is two characters long: pairs serve both databases alike.

/// The pairs of each run of letters and digits, in small letters, and the last letter of each by itself.
pub(crate) fn grams(text: &str) -> String {
    let mut grams = String::with_capacity(text.len() * 3);
    for run in runs(text) {
        for (index, letter) in run.iter().enumerate() {
            if !grams.is_empty() {
                grams.push(' ');
            }
            grams.push(*letter);
            grams.extend(run.get(index + 1));
        }
    }
    grams
}

/// A gram that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The pair.
    Pair(String),
    /// Whatever begins with this letter.
    From(char),
}

/// The grams every text has in which this one stands; none, where it holds no letter.
pub(crate) fn asked(text: &str) -> Vec<Asked> {
    let mut asked = Vec::new();
    for run in runs(text) {
        match run.as_slice() {
            [letter] => asked.push(Asked::From(*letter)),
            letters => asked.extend(letters.windows(2).map(|pair| Asked::Pair(pair.iter().collect()))),
        }
    }
    asked
}

fn runs(text: &str) -> impl Iterator<Item = Vec<char>> {
    let letter = |letter: &char| letter.is_alphanumeric();
    let runs: Vec<Vec<char>> = text
        .split(move |other: char| !letter(&other))
        .map(|run| run.chars().flat_map(char::to_lowercase).filter(letter).collect())
        .collect();
    runs.into_iter().filter(|run| !run.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{Asked, asked, grams};

    #[test]
    fn a_text_is_cut_into_pairs() {
        for (text, expected) in [
            ("", ""),
            ("消防", "消防 防"),
            ("消防，通道 A1", "消防 防 通道 道 a1 1"),
            ("YB-2026", "yb b 20 02 26 6"),
            ("火", "火"),
            ("--\0\n", ""),
        ] {
            assert_eq!(grams(text), expected, "{text}");
        }
    }

    #[test]
    fn whoever_asks_for_part_of_a_text_asks_for_some_of_its_grams() {
        let text = "一号仓库消防通道堵塞\nYB-2026-000001 Straße";
        let whole = grams(text);
        let grams: Vec<&str> = whole.split(' ').collect();
        let letters: Vec<char> = text.chars().collect();
        for from in 0..letters.len() {
            for to in from + 1..=letters.len() {
                let part: String = letters[from..to].iter().collect();
                for asked in asked(&part) {
                    let found = match &asked {
                        Asked::Pair(pair) => grams.contains(&pair.as_str()),
                        Asked::From(letter) => grams.iter().any(|gram| gram.starts_with(*letter)),
                    };
                    assert!(found, "{asked:?} of {part}");
                }
            }
        }
    }
}
