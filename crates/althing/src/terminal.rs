//! What is printed may have been made up by others.

/// Writes out what a terminal would take as an order, or what would turn the order of the letters.
pub(crate) fn harmless(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for character in line.chars() {
        let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns || matches!(character, '\u{2028}' | '\u{2029}') {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_written_out() {
        assert_eq!(harmless("m.\u{1b}[2J\u{202e}ö\r\n\u{9b}x"), "m.\\u{1b}[2J\\u{202e}ö\\u{d}\\u{a}\\u{9b}x");
    }
}
