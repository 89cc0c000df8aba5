//! The configuration that `althing generate-config` prints.

use std::fmt::Write;

use events::ServerName;

use super::setting::{Default, SETTINGS};

/// Returns a commented configuration for `server_name`, with every key and its default.
pub(crate) fn template(server_name: &ServerName) -> String {
    let mut text = String::from(
        "# The configuration of Althing. A line that begins with # is a comment.\n\
         # Environment variables override keys: ALTHING_CLIENT__LISTEN overrides listen in [client].\n",
    );
    let mut open_section = "";
    for setting in SETTINGS {
        let (section, name) = setting.section_and_name();
        if section != open_section {
            write_line(&mut text, &format!("\n[{section}]"));
            open_section = section;
        } else if !setting.about.is_empty() {
            text.push('\n');
        }
        for line in setting.about.lines() {
            write_line(&mut text, &format!("# {line}"));
        }
        match setting.default {
            Default::Is(value) => write_line(&mut text, &format!("{name} = {value}")),
            Default::Unset(example) => write_line(&mut text, &format!("# {name} = {example}")),
            // The server's name is the only key that must be set.
            Default::Required(_) => write_line(&mut text, &format!("{name} = \"{server_name}\"")),
        }
    }
    text
}

fn write_line(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}
