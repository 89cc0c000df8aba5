//! Finding people: users of ours, and those of other servers that one shares a room with. C-S API, "User Directory".

use events::{UserId, Value};
use persistence::transactions::{companions, events as event_rows, profiles, rooms as room_rows};
use persistence::{ReadTx, StoreError};

use crate::Messaging;

/// Users of ours that are looked at in one search.
const OURS_MAX: i64 = 10_000;
/// Memberships of users of other servers that are looked at in one search.
const OTHERS_MAX: i64 = 2_000;
/// Characters of a search term that count.
const TERM_CHARS_MAX: usize = 100;

/// Somebody who was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub user_id: UserId,
    /// What they call themselves.
    pub display_name: Option<String>,
    /// Their picture.
    pub avatar_url: Option<String>,
}

impl Messaging {
    /// Returns the people that `searcher` can find with `term`, the best matches first, at most `limit`; and whether there are
    /// more. Each word of the term must be in the user id or the display name.
    pub async fn find_people(
        &self,
        searcher: &UserId,
        term: &str,
        limit: usize,
    ) -> Result<(Vec<Person>, bool), StoreError> {
        let words = words(term);
        if words.is_empty() {
            return Ok((Vec::new(), false));
        }
        let (searcher, us) = (searcher.clone(), self.server_name().clone());
        self.database()
            .read(move |tx| {
                let mut people = ours(tx)?;
                let mut seen = None;
                for (user, room, event) in companions::companions_elsewhere(tx, &searcher, &us, OTHERS_MAX)? {
                    if seen.as_ref() != Some(&user) {
                        let version = room_rows::by_number(tx, room)?.version;
                        let stored = event_rows::load(tx, version, event)?;
                        let member = stored.map(|stored| stored.visible());
                        let text = |field: &str| Some(member.as_ref()?.content().get(field)?.as_str()?.to_owned());
                        let (display_name, avatar_url) = (text("displayname"), text("avatar_url"));
                        people.push(Person { user_id: user.clone(), display_name, avatar_url });
                        seen = Some(user);
                    }
                }
                let mut found: Vec<_> =
                    people.into_iter().filter_map(|person| Some((rank(&person, &words)?, person))).collect();
                found.sort_by(|(one, a), (other, b)| (one, &a.user_id).cmp(&(other, &b.user_id)));
                let more = found.len() > limit;
                Ok((found.into_iter().take(limit).map(|(_, person)| person).collect(), more))
            })
            .await
    }
}

fn ours(tx: &ReadTx<'_>) -> Result<Vec<Person>, StoreError> {
    let text = |value: Option<String>| -> Option<String> {
        let value: Value = serde_json::from_str(&value?).ok()?;
        value.as_str().map(str::to_owned)
    };
    let people = profiles::page(tx, OURS_MAX)?.into_iter().map(|found| Person {
        user_id: found.user_id,
        display_name: text(found.display_name),
        avatar_url: text(found.avatar_url),
    });
    Ok(people.collect())
}

fn words(term: &str) -> Vec<String> {
    let term: String = term.chars().take(TERM_CHARS_MAX).collect();
    term.split_whitespace().map(str::to_lowercase).collect()
}

/// How well somebody matches, the lower the better; `None` if not at all.
fn rank(person: &Person, words: &[String]) -> Option<u8> {
    let id = person.user_id.as_str().to_lowercase();
    let name = person.display_name.as_deref().unwrap_or_default().to_lowercase();
    let is_met = |word: &String| id.contains(word.as_str()) || name.contains(word.as_str());
    if !words.iter().all(is_met) {
        return None;
    }
    let term = words.join(" ");
    let localpart = person.user_id.localpart().to_lowercase();
    if [id.as_str(), name.as_str(), localpart.as_str()].contains(&term.as_str()) {
        Some(0)
    } else if name.starts_with(&term) || localpart.starts_with(&term) {
        Some(1)
    } else {
        Some(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_must_be_met_and_the_best_come_first() {
        let person = Person {
            user_id: UserId::parse("@alice:a.test").unwrap(),
            display_name: Some("Élise Wonder".to_owned()),
            avatar_url: None,
        };
        for (term, expected) in [
            ("alice", Some(0)),
            ("@Alice:a.test", Some(0)),
            ("élise wonder", Some(0)),
            ("ÉLI", Some(1)),
            ("ali", Some(1)),
            ("wonder ali", Some(2)),
            ("a.test", Some(2)),
            ("alice bob", None),
        ] {
            assert_eq!(rank(&person, &words(term)), expected, "{term}");
        }
        assert!(words("  ").is_empty());
    }
}
