//! What a link takes in: datagrams, opened; packets for its session; control messages, answered.

use super::{DATAGRAM_LARGEST, Event, Link, Lost, Path, shape};
use crate::envelope::OVERHEAD;
use crate::envelope::control::Control;
use crate::envelope::data::OpenError;
use crate::envelope::header::{Header, Kind};
use crate::session::PathChange;
use bytes::BytesMut;
use rand::CryptoRng;
use std::time::Instant;

impl Link {
    /// Takes in a datagram whose header block has been decrypted. An error changes nothing.
    pub fn handle(
        &mut self,
        now: Instant,
        path: Path,
        header: &Header,
        mut datagram: BytesMut,
        rng: &mut impl CryptoRng,
    ) -> Result<(), OpenError> {
        let length = datagram.len();
        let opened = self.opener.open(header, &mut datagram)?;
        if self.lost {
            return Ok(());
        }
        if opened.next_key {
            self.next_key(now, rng);
        }
        self.locate(now, path, length, opened.newest, rng);
        self.take_in(now, path, header, datagram, rng);
        Ok(())
    }

    /// Takes in a datagram that this link's own opener has opened already: the one that
    /// confirmed its handshake; `length` is what it had on the wire. Even it proves no address but
    /// the one that the answer went to.
    pub fn handle_opened(
        &mut self,
        now: Instant,
        path: Path,
        header: &Header,
        length: usize,
        datagram: BytesMut,
        rng: &mut impl CryptoRng,
    ) {
        self.locate(now, path, length, true, rng);
        self.take_in(now, path, header, datagram, rng);
    }

    /// The peer has used the link's next keys for the first time.
    fn next_key(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        if let Some(keys) = self.rekey.taken_up(now, &mut self.sealer, rng) {
            self.shaper.draw_segment(rng);
            self.log_keys(&keys);
        }
    }

    /// Takes note of where an authentic datagram came from.
    fn locate(&mut self, now: Instant, path: Path, length: usize, newest: bool, rng: &mut impl CryptoRng) {
        if let Some(challenge) = self.roaming.received(now, path, length, newest, rng) {
            self.send_control(challenge, path);
        }
    }

    fn take_in(&mut self, now: Instant, path: Path, header: &Header, mut datagram: BytesMut, rng: &mut impl CryptoRng) {
        let heard = self.liveness.received(now, rng);
        if heard.trusted {
            self.events.push_back(Event::Trusted);
        }
        match header.kind {
            Kind::Session | Kind::Trimmed => self.take_in_packet(now, header.kind, datagram, rng),
            Kind::Control => {
                datagram.truncate(datagram.len() - OVERHEAD);
                if let Some(control) = Control::decode(&datagram) {
                    self.handle_control(now, path, control, rng);
                }
            }
        }
        if heard.interrupted {
            self.interruption_ends(now);
        } else if header.kind != Kind::Control {
            self.forget_interruption(now);
        }
        self.settle();
    }

    fn take_in_packet(&mut self, now: Instant, kind: Kind, packet: BytesMut, rng: &mut impl CryptoRng) {
        let packet = match kind {
            // The previous version knows no such packets.
            Kind::Trimmed => shape::untrim(packet, DATAGRAM_LARGEST.into()).filter(|_| self.rekey.is_spoken()),
            _ => Some(packet),
        };
        let Some(packet) = packet else { return };
        if let Some(ask) = self.rekey.used(now, packet.len(), rng) {
            self.send_control(ask, *self.roaming.path());
        }
        let taken = self.guarded(|session| session.handle(now, packet));
        if !self.lost {
            self.length.heard(now, self.known_length());
        }
        if taken.is_some() && self.liveness.proven() {
            self.events.push_back(Event::Proven);
        }
    }

    fn handle_control(&mut self, now: Instant, path: Path, control: Control, rng: &mut impl CryptoRng) {
        match control {
            // To where the peer is known to be: a copied probe must not draw packets elsewhere.
            Control::Probe(token) => self.send_control(Control::Echo(token), *self.roaming.path()),
            Control::Echo(token) => {
                if let Some(rtt) = self.liveness.echoed(now, token, rng) {
                    self.events.push_back(Event::Echoed(rtt));
                }
            }
            Control::WideProbe(token) => self.send_control(Control::WideEcho(token), *self.roaming.path()),
            Control::LongProbe(token, _) => self.send_control(Control::LongEcho(token), *self.roaming.path()),
            Control::LongEcho(token) => {
                if let Some(length) = self.length.answered(now, token) {
                    self.guarded(|session| session.carries(length));
                }
            }
            Control::WideEcho(token) => self.width = self.width.take().filter(|width| !width.is_answered(token)),
            Control::Challenge(token) => self.send_control(Control::ChallengeEcho(token), path),
            Control::ChallengeEcho(token) => {
                let from = self.roaming.path().remote;
                let to = path.remote;
                // A client that only uses another of our ports is where it was.
                if self.roaming.proven(now, path, token) && to != from {
                    let change = if from.ip() == to.ip() { PathChange::Rebound } else { PathChange::New };
                    self.guarded(|session| session.path_changed(now, change));
                    self.events.push_back(Event::Moved { from, to });
                }
            }
            Control::Close(code) => self.lose(Lost::ByPeer(code)),
            Control::Rekey(number, key) => {
                if let Some(answer) = self.rekey.asked(number, key, &mut self.opener, rng) {
                    self.send_control(answer, *self.roaming.path());
                }
            }
            Control::RekeyAnswer(number, key) => {
                if let Some(keys) = self.rekey.answered(number, key, &mut self.sealer, &mut self.opener) {
                    self.shaper.draw_segment(rng);
                    self.log_keys(&keys);
                }
            }
        }
    }
}
