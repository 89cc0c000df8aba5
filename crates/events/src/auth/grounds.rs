//! The few state events that an event is judged by.

use super::{AuthEvent, StateView, third_party_invite};
use crate::id::{EventId, UserId};
use crate::membership::Membership;

/// What a state event is to the event that it judges. S2S API, "Auth events selection".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Create,
    PowerLevels,
    JoinRules,
    ThirdPartyInvite,
    /// The membership of the sender.
    Sender,
    /// The membership of the user that a member event is about: often the sender again.
    Target,
    /// The membership of the user who authorised a restricted join.
    Authoriser,
}

/// The state events that an event is judged by, each in its place.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Grounds<'a> {
    pub(crate) create: Option<&'a AuthEvent>,
    pub(crate) power_levels: Option<&'a AuthEvent>,
    pub(crate) join_rules: Option<&'a AuthEvent>,
    pub(crate) third_party_invite: Option<&'a AuthEvent>,
    pub(crate) sender: Option<&'a AuthEvent>,
    pub(crate) target: Option<&'a AuthEvent>,
    pub(crate) authoriser: Option<&'a AuthEvent>,
}

impl AuthEvent {
    /// Returns the types and state keys of the state events that the rules look at to judge this one, each once.
    pub fn judged_by(&self) -> Vec<(&'static str, &str)> {
        let mut keys = Vec::new();
        for (_, event_type, state_key) in self.places() {
            if !keys.contains(&(event_type, state_key)) {
                keys.push((event_type, state_key));
            }
        }
        keys
    }

    /// Returns the types and state keys of the events that judge this one. The same key may have two places.
    pub(crate) fn places(&self) -> Vec<(Place, &'static str, &str)> {
        if self.event_type() == "m.room.create" {
            return Vec::new();
        }
        let mut places = vec![
            (Place::Create, "m.room.create", ""),
            (Place::PowerLevels, "m.room.power_levels", ""),
            (Place::Sender, "m.room.member", self.sender().as_str()),
        ];
        let (Some(member), Some(target)) = (self.member(), self.state_key()) else { return places };
        places.push((Place::Target, "m.room.member", target));
        match self.membership() {
            Some(Membership::Join) => {
                places.push((Place::JoinRules, "m.room.join_rules", ""));
                let authoriser = member.authoriser.as_ref().filter(|_| self.rules().auth.restricted_joins);
                places.extend(authoriser.map(|by| (Place::Authoriser, "m.room.member", by.text.as_str())));
            }
            Some(Membership::Invite) => {
                places.push((Place::JoinRules, "m.room.join_rules", ""));
                let token = member.third_party_invite.as_deref().and_then(third_party_invite::token);
                places.extend(token.map(|token| (Place::ThirdPartyInvite, "m.room.third_party_invite", token)));
            }
            Some(Membership::Knock) => places.push((Place::JoinRules, "m.room.join_rules", "")),
            Some(Membership::Leave | Membership::Ban) | None => {}
        }
        places
    }
}

impl<'a> Grounds<'a> {
    /// Looks up in `state` what `event` is judged by.
    pub(crate) fn look_up(event: &AuthEvent, state: &'a dyn StateView) -> Self {
        let mut grounds = Self::default();
        for (place, event_type, state_key) in event.places() {
            if let Some(ground) = state.get(event_type, state_key) {
                grounds.put(place, ground);
            }
        }
        grounds
    }

    pub(crate) fn put(&mut self, place: Place, event: &'a AuthEvent) {
        let slot = match place {
            Place::Create => &mut self.create,
            Place::PowerLevels => &mut self.power_levels,
            Place::JoinRules => &mut self.join_rules,
            Place::ThirdPartyInvite => &mut self.third_party_invite,
            Place::Sender => &mut self.sender,
            Place::Target => &mut self.target,
            Place::Authoriser => &mut self.authoriser,
        };
        *slot = Some(event);
    }

    /// The target's membership, with the event that says so.
    pub(crate) fn target_membership(&self) -> (Option<Membership>, Option<&'a EventId>) {
        membership_in(self.target)
    }
}

/// The membership in a user's member event, with the event's id.
pub(crate) fn membership_in(member: Option<&AuthEvent>) -> (Option<Membership>, Option<&EventId>) {
    (member.and_then(AuthEvent::membership), member.map(AuthEvent::event_id))
}

/// A user is named by a state key, so a member event is about somebody only if its key is a user id.
pub(crate) fn target_of(event: &AuthEvent) -> Option<&UserId> {
    event.member().and_then(|member| member.target.as_ref())
}
