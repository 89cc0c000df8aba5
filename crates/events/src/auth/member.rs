//! "If type is `m.room.member`".

use super::event::{Claim, Member, Parents};
use super::grounds::{Grounds, membership_in, target_of};
use super::{AuthEvent, Rejection, require_level, third_party_invite};
use crate::id::{EventId, UserId};
use crate::membership::{JoinRule, Membership};
use crate::power::{Level, Levels};

/// A change of membership under judgement, with the state that it is judged by.
struct Change<'a> {
    event: &'a AuthEvent,
    member: &'a Member,
    target: &'a UserId,
    levels: &'a Levels<'a>,
    grounds: &'a Grounds<'a>,
}

pub(super) fn check(
    event: &AuthEvent,
    member: &Member,
    levels: &Levels<'_>,
    create: &AuthEvent,
    grounds: &Grounds<'_>,
) -> Result<(), Rejection> {
    // That the state key is a user id is no rule of its own, but follows: all rules speak of the user that it names. Synapse
    // fails to judge an event whose state key has no server name.
    let Some(target) = target_of(event) else {
        return Err(Rejection::MemberWithoutUser { state_key: event.state_key().map(str::to_owned) });
    };
    let membership = match &member.membership {
        Claim::Known(membership) => *membership,
        Claim::Unknown(name) => return Err(Rejection::UnknownMembership { membership: name.to_string() }),
        Claim::None => return Err(Rejection::MemberWithoutMembership),
    };
    let change = Change { event, member, target, levels, grounds };
    match membership {
        Membership::Join => change.check_join(create),
        Membership::Invite => change.check_invite(),
        Membership::Leave => change.check_leave(),
        Membership::Ban => change.check_ban(),
        Membership::Knock if event.rules().auth.knocking => change.check_knock(),
        Membership::Knock => Err(Rejection::UnknownMembership { membership: membership.to_string() }),
    }
}

/// "If the `sender`'s current membership state is not `join`, reject." `member` is the sender's member event.
pub(super) fn require_joined(user: &UserId, member: Option<&AuthEvent>) -> Result<(), Rejection> {
    if member.and_then(AuthEvent::membership) == Some(Membership::Join) {
        return Ok(());
    }
    let (membership, member) = membership_in(member);
    Err(Rejection::NotJoined { user: user.clone(), membership, member: member.cloned() })
}

impl Change<'_> {
    fn check_join(&self, create: &AuthEvent) -> Result<(), Rejection> {
        self.check_authoriser_signed()?;
        let is_creator = create.creators().next() == Some(self.target);
        if is_creator && matches!(self.event.parents(), Parents::One(only) if only == create.event_id()) {
            return Ok(());
        }
        self.require_own()?;
        self.require_not_banned()?;
        let (membership, _) = self.grounds.target_membership();
        let is_let_in = matches!(membership, Some(Membership::Join | Membership::Invite));
        let (rule, join_rules) = self.join_rule();
        match rule {
            JoinRule::Public => Ok(()),
            JoinRule::Other(name) => Err(Rejection::NobodyMayJoin {
                user: self.target.clone(),
                join_rule: name.clone(),
                join_rules: join_rules.cloned(),
            }),
            _ if is_let_in => Ok(()),
            JoinRule::Restricted(_) | JoinRule::KnockRestricted(_) => self.check_authoriser(join_rules),
            JoinRule::Invite | JoinRule::Knock => Err(Rejection::NotInvited {
                user: self.target.clone(),
                join_rule: rule.as_str().to_owned(),
                join_rules: join_rules.cloned(),
            }),
        }
    }

    /// "If `content` has a `join_authorised_via_users_server` key".
    ///
    /// The rule speaks of all memberships. Synapse asks for the signature of joins only, and so does the selection of auth
    /// events; elsewhere the key has no effect, so a leave with it does not split the room.
    fn check_authoriser_signed(&self) -> Result<(), Rejection> {
        match &self.member.authoriser {
            Some(authoriser) if self.event.rules().auth.restricted_joins && !authoriser.signed => {
                Err(Rejection::NotSignedByAuthoriser { authoriser: authoriser.text.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// "If the `join_authorised_via_users_server` key in `content` is not a user with sufficient permission to invite other
    /// users or is not a joined member of the room, reject."
    fn check_authoriser(&self, join_rules: Option<&EventId>) -> Result<(), Rejection> {
        let Some(authoriser) = &self.member.authoriser else {
            return Err(Rejection::NotAuthorised { user: self.target.clone(), join_rules: join_rules.cloned() });
        };
        let Some(user) = &authoriser.user else {
            return Err(Rejection::AuthoriserNotJoined { authoriser: authoriser.text.clone(), member: None });
        };
        let (membership, member) = membership_in(self.grounds.authoriser);
        if membership != Some(Membership::Join) {
            return Err(Rejection::AuthoriserNotJoined {
                authoriser: authoriser.text.clone(),
                member: member.cloned(),
            });
        }
        let (level, required) = (self.levels.user_level(user), self.levels.invite());
        if level >= required {
            return Ok(());
        }
        let power_levels = self.levels.event_id().cloned();
        Err(Rejection::AuthoriserMayNotInvite { authoriser: user.clone(), level, required, power_levels })
    }

    fn check_invite(&self) -> Result<(), Rejection> {
        if let Some(invite) = &self.member.third_party_invite {
            self.require_not_banned()?;
            return third_party_invite::check(self.event, self.target, invite, self.grounds.third_party_invite);
        }
        require_joined(self.event.sender(), self.grounds.sender)?;
        self.require_not_banned()?;
        if let (Some(Membership::Join), Some(member)) = self.grounds.target_membership() {
            return Err(Rejection::InviteOfMember { target: self.target.clone(), member: member.clone() });
        }
        self.require_level(self.levels.user_level(self.event.sender()), "inviting", self.levels.invite())
    }

    fn check_leave(&self) -> Result<(), Rejection> {
        let (membership, member) = self.grounds.target_membership();
        if self.event.sender() == self.target {
            return match membership {
                Some(Membership::Invite | Membership::Join | Membership::Knock) => Ok(()),
                Some(Membership::Leave | Membership::Ban) | None => {
                    Err(Rejection::NothingToLeave { user: self.target.clone(), membership, member: member.cloned() })
                }
            };
        }
        require_joined(self.event.sender(), self.grounds.sender)?;
        let level = self.levels.user_level(self.event.sender());
        if membership == Some(Membership::Ban) {
            self.require_level(level, "lifting a ban", self.levels.ban())?;
        }
        self.require_level(level, "kicking", self.levels.kick())?;
        self.require_target_below(level)
    }

    fn check_ban(&self) -> Result<(), Rejection> {
        require_joined(self.event.sender(), self.grounds.sender)?;
        let level = self.levels.user_level(self.event.sender());
        self.require_level(level, "banning", self.levels.ban())?;
        self.require_target_below(level)
    }

    fn check_knock(&self) -> Result<(), Rejection> {
        let (rule, join_rules) = self.join_rule();
        let user = self.target;
        if !rule.allows_knocking() {
            let join_rule = rule.as_str().to_owned();
            return Err(Rejection::KnockingNotAllowed {
                user: user.clone(),
                join_rule,
                join_rules: join_rules.cloned(),
            });
        }
        self.require_own()?;
        match self.grounds.target_membership() {
            (Some(membership @ (Membership::Ban | Membership::Invite | Membership::Join)), Some(member)) => {
                Err(Rejection::KnockOfMember { user: user.clone(), membership, member: member.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The join rule, with the event that sets it. Without one the room is for the invited.
    fn join_rule(&self) -> (&JoinRule, Option<&EventId>) {
        let event = self.grounds.join_rules;
        let rule = event.and_then(AuthEvent::join_rule).unwrap_or(&JoinRule::Invite);
        (rule, event.map(AuthEvent::event_id))
    }

    fn require_own(&self) -> Result<(), Rejection> {
        let sender = self.event.sender();
        if sender == self.target {
            return Ok(());
        }
        let membership = self.event.membership().unwrap_or(Membership::Join);
        Err(Rejection::MembershipOfOtherUser { sender: sender.clone(), target: self.target.clone(), membership })
    }

    fn require_not_banned(&self) -> Result<(), Rejection> {
        match self.grounds.target_membership() {
            (Some(Membership::Ban), Some(ban)) => {
                Err(Rejection::Banned { user: self.target.clone(), ban: ban.clone() })
            }
            _ => Ok(()),
        }
    }

    /// `level` is the sender's.
    fn require_level(&self, level: Level, action: &str, required: Level) -> Result<(), Rejection> {
        require_level((self.event.sender(), level), self.levels, action, required)
    }

    /// `level` is the sender's.
    fn require_target_below(&self, level: Level) -> Result<(), Rejection> {
        let sender = self.event.sender();
        let target_level = self.levels.user_level(self.target);
        if target_level < level {
            return Ok(());
        }
        Err(Rejection::TargetNotBelow {
            sender: sender.clone(),
            level,
            target: self.target.clone(),
            target_level,
            power_levels: self.levels.event_id().cloned(),
        })
    }
}
