//! Why a link has ended, in words.

use ginnel_proto::envelope::control::close;
use ginnel_proto::link::Lost;

/// Why a link ended, as a person reads it.
pub(super) fn reason(why: Lost) -> &'static str {
    match why {
        Lost::Closed(close::REVOKED) => "the user was removed, or has a new key",
        Lost::Closed(close::REPLACED) => "replaced by a newer link of the same client",
        Lost::Closed(close::CROWDED) => "it made room for another link of the user",
        Lost::Closed(close::RETIRED) => "its share link is from before the change of the secret",
        Lost::Closed(_) => "closed here",
        Lost::ByPeer(close::SHUTDOWN) => "the other end was stopped",
        Lost::ByPeer(close::REVOKED) => "this user is no longer allowed",
        Lost::ByPeer(close::REPLACED) => "replaced by a newer link",
        Lost::ByPeer(close::CROWDED) => "this user has too many links",
        Lost::ByPeer(close::RETIRED) => "the server's secret has been changed: a new share link is needed",
        Lost::ByPeer(close::SESSION_FAILED) => "the session failed at the other end",
        Lost::ByPeer(_) => "closed by the other end",
        Lost::Silent => "no answer any more",
        Lost::Session => "the session failed",
        Lost::Worn => "used up",
        Lost::Hollow => "the handshake worked, but nothing came back on the link",
        Lost::Forgotten => "the server answers, but no longer on this link",
        Lost::Fault => "a fault in the session; its report is on standard error",
    }
}
