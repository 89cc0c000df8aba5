//! The known name that a mistyped one is most like.

/// A key that has the right name but stands in the wrong table is this far off, in letters.
const WRONG_TABLE_DISTANCE: usize = 2;

/// Returns the one of `known` that is most like `written`, and how many letters they differ in.
///
/// Keys compare by their whole path, or by their last part alone when the table was forgotten or is another.
pub(super) fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<(&'a str, usize)> {
    known.map(|known| (known, difference(written, known))).min_by_key(|(_, difference)| *difference)
}

fn difference(written: &str, known: &str) -> usize {
    let last_part = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let misplaced = edits(&last_part(written), &last_part(known)) + WRONG_TABLE_DISTANCE;
    edits(written, known).min(misplaced)
}

/// How many letters must be put in, taken out or replaced to make `b` of `a` (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // Entry j: the edits from what was read of `a` to the first j letters of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for j in 0..b.len() {
            let replaced = diagonal + usize::from(letter != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, expected) in
            [("", "", 0), ("", "abc", 3), ("listen", "listen", 0), ("lisen", "listen", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!((edits(a, b), edits(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn a_mistyped_or_misplaced_key_finds_its_neighbour() {
        let known = ["server_name", "client.listen", "client.public_url", "federation.listen", "federation.tls"];
        for (written, expected) in [
            ("server_nmae", "server_name"),
            ("clinet.listen", "client.listen"),
            ("federation.lisen", "federation.listen"),
            ("federation.public_url", "client.public_url"),
            ("tls", "federation.tls"),
        ] {
            assert_eq!(nearest(written, known.into_iter()).map(|(name, _)| name), Some(expected), "{written}");
        }
    }
}
