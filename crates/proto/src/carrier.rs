//! Which carriers there are. What moves their packets is another crate's business.

/// How datagrams travel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum CarrierKind {
    /// As UDP datagrams.
    #[default]
    Udp,
    /// As TCP segments, written and read below the kernel's TCP.
    RawTcp,
}

impl CarrierKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Udp, Self::RawTcp];

    /// As settings, logs and events call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::RawTcp => "rawtcp",
        }
    }

    /// The carrier of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The longest datagram that it moves on a path of 1,500 bytes over IPv4: less the headers of IP and UDP, or of IP
    /// and TCP with timestamps.
    pub const fn datagram_largest(self) -> u16 {
        match self {
            Self::Udp => 1472,
            Self::RawTcp => 1448,
        }
    }
}
