//! Types with wildcards.

/// Says whether `text` is what `pattern` describes: `*` stands for any characters, also none. Linear in both.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, others)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut others = others;
    while let Some((part, after)) = others.split_once('*') {
        // The earliest place leaves the most for what follows.
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        others = after;
    }
    rest.ends_with(others)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("m.room.message", "m.room.message", true),
            ("m.room.message", "m.room.messages", false),
            ("m.room.*", "m.room.name", true),
            ("m.room.*", "m.roomname", false),
            ("*", "", true),
            ("*.name", "m.room.name", true),
            ("m.*.*e", "m.room.name", true),
            ("m*m", "m", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("*a*a*", "a", false),
            ("m.**.name", "m.room.name", true),
            ("", "m", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
