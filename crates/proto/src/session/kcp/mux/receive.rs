//! From the pipes into the streams. Whatever comes is wrong until it is proven right.

use super::frame::Frame;
use super::list::Kind;
use super::parse::Part;
use super::{Mux, Violation, name};
use crate::session::Event;
use bytes::Bytes;
use std::time::Instant;

impl Mux {
    /// Takes in the next bytes of a lane's pipe. What streams get of it are slices of `piece`,
    /// unless very much waits to be read.
    pub fn receive(&mut self, now: Instant, lane: usize, mut piece: Bytes) -> Result<(), Violation> {
        self.clock.set(now);
        let state = self.lanes.get_mut(lane).ok_or(Violation::Lane(lane))?;
        state.lately.add(&self.clock, piece.len());
        let mut parser = std::mem::take(&mut state.parser);
        let result = loop {
            match parser.next(&mut piece) {
                Ok(Some(part)) => {
                    if let Err(violation) = self.take_in(lane, part) {
                        break Err(violation);
                    }
                }
                Ok(None) => break Ok(()),
                Err(violation) => break Err(violation),
            }
        };
        self.lanes[lane].parser = parser;
        result
    }

    fn take_in(&mut self, lane: usize, part: Part) -> Result<(), Violation> {
        match part {
            Part::Data(id, data) => self.take_data(lane, id, data),
            Part::Frame(Frame::Nop) => {}
            Part::Frame(Frame::Grt(allowed)) => {
                if self.ours.grant(allowed) {
                    self.events.push_back(Event::MayOpen);
                }
            }
            Part::Frame(Frame::Syn(id)) => self.take_syn(lane, id)?,
            Part::Frame(Frame::Psh(id, length)) => {
                if let Some(key) = self.find(lane, id) {
                    self.streams[key].incoming.announce(id, length)?;
                }
            }
            Part::Frame(Frame::Fin(id)) => self.take_end(lane, id, None)?,
            Part::Frame(Frame::Rst(id, code)) => self.take_end(lane, id, Some(code))?,
            Part::Frame(Frame::Upd(id, consumed, window)) => self.take_window(lane, id, consumed, window)?,
            Part::Frame(Frame::Stp(id, code)) => self.take_stop(lane, id, code),
        }
        Ok(())
    }

    /// A stream of this lane. A stream of another lane is none of it.
    fn on(&self, lane: usize, id: u32) -> Option<usize> {
        self.keys.get(&id).copied().filter(|key| self.streams[*key].lane == lane)
    }

    /// The stream of a frame; a frame whose stream is gone is counted.
    fn find(&mut self, lane: usize, id: u32) -> Option<usize> {
        let key = self.on(lane, id);
        self.ignored += u64::from(key.is_none());
        key
    }

    fn take_syn(&mut self, lane: usize, id: u32) -> Result<(), Violation> {
        if id <= self.lanes[lane].last_opened {
            return Err(Violation::Order(id));
        }
        self.theirs.open(id)?;
        self.lanes[lane].last_opened = id;
        self.add(id, lane, false);
        self.events.push_back(Event::Opened(name(id)));
        Ok(())
    }

    fn take_data(&mut self, lane: usize, id: u32, data: Bytes) {
        let Some(key) = self.on(lane, id) else { return };
        self.lanes[lane].receiving = Some(id);
        let pieces = self.totals.pieces;
        if self.change(key, |stream| stream.incoming.push(data, pieces)) {
            self.tell_readable(key);
        }
    }

    fn take_end(&mut self, lane: usize, id: u32, code: Option<u32>) -> Result<(), Violation> {
        let Some(key) = self.find(lane, id) else { return Ok(()) };
        if self.change(key, |stream| stream.incoming.end(id, code))? {
            self.tell_readable(key);
        }
        Ok(())
    }

    fn tell_readable(&mut self, key: usize) {
        let stream = &mut self.streams[key];
        if !std::mem::replace(&mut stream.told_readable, true) {
            self.events.push_back(Event::Readable(name(stream.id)));
        }
    }

    fn take_window(&mut self, lane: usize, id: u32, consumed: u32, window: u32) -> Result<(), Violation> {
        let Some(key) = self.find(lane, id) else { return Ok(()) };
        self.change(key, |stream| stream.outgoing.update(id, consumed, window))?;
        let stream = &self.streams[key];
        // Whoever waited for the peer alone waits for room now, like everybody else.
        if stream.outgoing.wants_room && !stream.outgoing.is_held_up() && !stream.places.has(Kind::Waiting) {
            self.waiting.push(&mut self.streams, key);
            self.share_room();
        }
        Ok(())
    }

    /// The peer reads no more: unless our direction is over, it is given up, and the application hears of it.
    fn take_stop(&mut self, lane: usize, id: u32, code: u32) {
        let Some(key) = self.find(lane, id) else { return };
        let is_news = self.change(key, |stream| {
            let is_news = stream.outgoing.give_up(code);
            if is_news {
                stream.outgoing.stopped = Some(code);
            }
            is_news
        });
        if is_news {
            self.events.push_back(Event::Stopped(name(id), code));
            self.share_room();
        }
    }
}
