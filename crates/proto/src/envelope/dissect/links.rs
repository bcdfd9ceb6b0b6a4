//! The links of key logs, and what opens with their keys.

use super::{Data, Opened, Sealed};
use crate::envelope::OVERHEAD;
use crate::envelope::control::Control;
use crate::envelope::data::{Onlooker, OpenError};
use crate::envelope::header::{Header, HeaderKey, Kind};
use crate::envelope::key_log::LoggedKeys;
use crate::limits::{DISSECTED_KEYS, DISSECTED_LINKS};
use crate::link::shape::untrim;
use crate::link::{DATAGRAM_LARGEST, Side};
use bytes::BytesMut;
use std::collections::VecDeque;

/// All links that are known, the latest last.
#[derive(Default)]
pub(super) struct Links {
    links: VecDeque<Known>,
    /// Sets of keys of all of them.
    keys: usize,
}

/// One link: its sets of keys have all that does not change in common.
struct Known {
    header: HeaderKey,
    keys: VecDeque<LoggedKeys>,
    /// Which of them opened a datagram last.
    last: usize,
}

impl Links {
    pub(super) fn add(&mut self, keys: LoggedKeys) {
        let [of_link, of_all] = DISSECTED_KEYS;
        let header = HeaderKey::new(&keys.header_to_client);
        match self.links.iter_mut().rev().find(|known| known.is_link_of(&keys)) {
            // Both ends may have written it down.
            Some(known) if known.keys.iter().any(|old| old.number == keys.number) => return,
            Some(known) => {
                known.keys.push_back(keys);
                if known.keys.len() > of_link {
                    known.keys.pop_front();
                    self.keys -= 1;
                }
            }
            None => self.links.push_back(Known { header, keys: VecDeque::from([keys]), last: 0 }),
        }
        self.keys += 1;
        while (self.keys > of_all || self.links.len() > DISSECTED_LINKS)
            && let Some(oldest) = self.links.pop_front()
        {
            self.keys -= oldest.keys.len();
        }
    }

    pub(super) fn open_to_server(&mut self, header: Header, datagram: &[u8]) -> Data {
        let of_session = self.links.iter_mut().rev().filter(|known| known.keys[0].server_session == header.session);
        let mut payload = Err(Sealed::NoKeys);
        for known in of_session {
            payload = known.open(Side::Server, &header, datagram);
            // Ids are drawn at random, and another link may have had this one before.
            if payload != Err(Sealed::OtherKeys) {
                break;
            }
        }
        Data { to: Side::Server, header, payload }
    }

    /// `None`: it is of no link that is known.
    pub(super) fn open_to_client(&mut self, datagram: &[u8]) -> Option<Data> {
        self.links.iter_mut().rev().find_map(|known| {
            let header = known.header_to_client(datagram)?;
            Some(Data { to: Side::Client, header, payload: known.open(Side::Client, &header, datagram) })
        })
    }

    pub(super) fn header_to_client(&self, datagram: &[u8]) -> Option<(&HeaderKey, Header)> {
        self.links.iter().rev().find_map(|known| Some((&known.header, known.header_to_client(datagram)?)))
    }
}

impl Known {
    fn is_link_of(&self, keys: &LoggedKeys) -> bool {
        let known = &self.keys[0];
        (known.server_session, known.client_session) == (keys.server_session, keys.client_session)
            && known.header_to_client == keys.header_to_client
            && known.aead == keys.aead
    }

    fn header_to_client(&self, datagram: &[u8]) -> Option<Header> {
        self.header.open(datagram).filter(|header| header.session == self.keys[0].client_session)
    }

    /// Tries the keys of the header's epoch, those that opened the datagram before this one first.
    fn open(&mut self, to: Side, header: &Header, datagram: &[u8]) -> Result<Opened, Sealed> {
        let count = self.keys.len();
        for at in (0..count).map(|step| (self.last + step) % count) {
            let keys = &self.keys[at];
            if (keys.number & 1 == 1) != header.epoch {
                continue;
            }
            let key = if to == Side::Server { &keys.to_server } else { &keys.to_client };
            match Onlooker::new(keys.aead, key).open(header, datagram) {
                Ok((payload, padding)) => {
                    self.last = at;
                    return opened(keys, header.kind, payload, padding);
                }
                Err(OpenError::Malformed) => return Err(Sealed::Malformed),
                Err(_) => {}
            }
        }
        Err(Sealed::OtherKeys)
    }
}

fn opened(keys: &LoggedKeys, kind: Kind, payload: Vec<u8>, padding: usize) -> Result<Opened, Sealed> {
    let length = payload.len();
    let (plaintext, zeros) = match kind {
        Kind::Trimmed => {
            let roomy = BytesMut::from(&[&payload[..], &[0; OVERHEAD]].concat()[..]);
            let whole = untrim(roomy, DATAGRAM_LARGEST.into()).ok_or(Sealed::Malformed)?;
            let whole = whole[..whole.len() - OVERHEAD].to_vec();
            let zeros = whole.len() + 2 - length;
            (whole, zeros)
        }
        Kind::Session | Kind::Control => (payload, 0),
    };
    let control = if kind == Kind::Control { Control::decode(&plaintext) } else { None };
    Ok(Opened {
        link: (keys.server_session, keys.client_session),
        aead: keys.aead,
        number: keys.number,
        padding,
        zeros,
        plaintext,
        control,
    })
}
