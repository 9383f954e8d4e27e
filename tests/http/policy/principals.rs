//! Every kind of principal: how it says who it is, and what it is expected to be allowed.
//!
//! Another kind of credentials is another line of [`all`].

use super::spots::Place;
use crate::auth::{self, login};
use crate::wire::Call;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// No credentials, but no wrong ones either.
    Anyone,
    /// To be logged in.
    Somebody,
    /// To be logged in, or to ask about what is public.
    Ask,
    /// To be a certain user.
    Be(&'static str),
    /// Rights in the repository.
    Read,
    Write,
    Delete,
    Manage,
    /// Any right in the project.
    Member,
    ManageProject,
    /// All rights in another project.
    Elsewhere,
    SeePackages,
    ChangePackages,
    Admin,
}
use Need::{
    Admin, Ask, Be, ChangePackages, Delete, Elsewhere, Manage, ManageProject, Member, Read,
    SeePackages, Somebody, Write,
};

/// How a principal says who it is.
#[derive(Debug, Clone, Copy)]
pub enum Says {
    /// Not at all.
    Nothing,
    /// `Basic` with a name and a password.
    Basic(&'static str, &'static str),
    /// An `Authorization` header with this value.
    Header(&'static str),
}

/// What becomes of what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It says nothing.
    Anonymous,
    /// It is not believed, whatever it asks for.
    Refused,
    /// It is.
    Somebody,
}

/// Where its rights are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    Repo,
    Project,
    Everything,
}

/// A kind of principal.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    pub name: &'static str,
    pub says: Says,
    pub known: Known,
    pub reach: Reach,
    /// Beside what everybody may do who is as known.
    pub can: &'static [Need],
}

const fn nobody(name: &'static str, says: Says, known: Known) -> Who {
    Who {
        name,
        says,
        known,
        reach: Reach::Repo,
        can: &[],
    }
}

/// A user whose password is their name.
const fn user(name: &'static str, reach: Reach, can: &'static [Need]) -> Who {
    Who {
        name,
        says: Says::Basic(name, name),
        known: Known::Somebody,
        reach,
        can,
    }
}

const IN_REPO: &[Need] = &[Member, Read, Write, Delete, Manage];
const IN_PROJECT: &[Need] = &[Member, Read, Write, Delete, Manage, ManageProject];
const EVERYTHING: &[Need] = &[
    Member,
    Read,
    Write,
    Delete,
    Manage,
    ManageProject,
    Elsewhere,
    SeePackages,
    ChangePackages,
    Admin,
];

/// All of them; who may most is last, so that what others were refused is still to be done then.
pub const ALL: [Who; 18] = [
    nobody("anonymous", Says::Nothing, Known::Anonymous),
    nobody(
        "wrong password",
        Says::Basic("admin", "wrong"),
        Known::Refused,
    ),
    nobody(
        "unknown user",
        Says::Basic("stranger to all", "x"),
        Known::Refused,
    ),
    nobody(
        "malformed header",
        Says::Header("Basic ???"),
        Known::Refused,
    ),
    nobody(
        "unknown scheme",
        Says::Header("Negotiate abc"),
        Known::Refused,
    ),
    nobody(
        "expired token",
        Says::Header("Bearer pht_expired"),
        Known::Refused,
    ),
    nobody(
        "unknown token",
        Says::Header("Bearer pht_unknown"),
        Known::Refused,
    ),
    Who {
        name: "reader with a token",
        says: Says::Header("Bearer pht_reader"),
        known: Known::Somebody,
        reach: Reach::Repo,
        can: &[Member, Read, Be("reader")],
    },
    user("reader", Reach::Repo, &[Member, Read, Be("reader")]),
    user("writer", Reach::Repo, &[Member, Write]),
    user("deleter", Reach::Repo, &[Member, Delete]),
    user("stranger", Reach::Repo, &[Elsewhere]),
    user("viewer", Reach::Repo, &[SeePackages]),
    user("packager", Reach::Repo, &[SeePackages, ChangePackages]),
    user("nobody", Reach::Repo, &[]),
    user("manager", Reach::Repo, IN_REPO),
    user("owner", Reach::Project, IN_PROJECT),
    Who {
        name: "admin",
        says: Says::Basic("admin", auth::PASSWORD),
        known: Known::Somebody,
        reach: Reach::Everything,
        can: EVERYTHING,
    },
];

impl Who {
    /// The request, as this principal says it.
    pub fn say(&self, call: Call) -> Call {
        match self.says {
            Says::Nothing => call,
            Says::Basic(name, password) => login(call, name, password),
            Says::Header(value) => call.header("Authorization", value),
        }
    }

    /// Whether the service has to hash a password to refuse it.
    pub fn costs_a_hash(&self) -> bool {
        self.known == Known::Refused && matches!(self.says, Says::Basic(..))
    }

    /// Whether it has what is needed, at a place.
    pub fn can(&self, need: Need, place: Place) -> bool {
        let public = place == Place::Public;
        match need {
            Need::Anyone => true,
            Somebody => self.known == Known::Somebody,
            Ask => public || self.known == Known::Somebody,
            Be(_) => self.can.contains(&need) || self.can.contains(&Admin),
            Read if public => true,
            Read | Write | Delete | Manage | Member | ManageProject => {
                self.can.contains(&need) && self.reaches(need, place)
            }
            Elsewhere | SeePackages | ChangePackages | Admin => self.can.contains(&need),
        }
    }

    /// Rights in a repository are none in another that is not there.
    fn reaches(&self, need: Need, place: Place) -> bool {
        match place {
            Place::Private | Place::Public => true,
            Place::NoRepo => need == Member || self.reach >= Reach::Project,
            Place::NoProject => self.reach == Reach::Everything,
        }
    }
}
