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

    /// Bytes of the headers around a datagram, without those of IP: UDP's, or TCP's with timestamps.
    pub const fn headers(self) -> u16 {
        match self {
            Self::Udp => 8,
            Self::RawTcp => 32,
        }
    }
}
