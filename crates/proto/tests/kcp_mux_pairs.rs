//! Two muxes joined by pipes that are cut at random: all bytes arrive in order, ends mean what they
//! say, and nothing is left behind.

mod pipes;

use bytes::Bytes;
use ginnel_proto::session::kcp::mux::{Mux, Settings};
use ginnel_proto::session::{Event, Gone, Read, StreamId, WriteError};
use pipes::settings;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

const LANES: usize = 3;

/// How one direction of a stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ended {
    Clean,
    Reset(u32),
    Stopped(u32),
}

/// One end's view of a stream.
#[derive(Debug, Default)]
struct View {
    written: u64,
    write_end: Option<Ended>,
    read: u64,
    read_end: Option<Ended>,
    /// The application was told to wait.
    waits_to_read: bool,
    waits_to_write: bool,
}

struct Side {
    mux: Mux,
    views: BTreeMap<StreamId, View>,
    /// What is on its way from this end: pieces, bytes that have left, and that have arrived.
    pipes: Vec<(VecDeque<Bytes>, u64)>,
    wants_stream: bool,
}

/// The byte that a stream has at a place, in the direction of one end.
fn byte(id: StreamId, side: usize, at: u64) -> u8 {
    (at * 31 + at / 257 + id.0 * 7 + side as u64) as u8
}

struct World {
    sides: [Side; 2],
    now: Instant,
    rng: StdRng,
    to_open: [u32; 2],
    /// Whether room grows other than by what leaves.
    room_grows: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        // What one end tells the other, by its parameters.
        let told: [(u32, u32); 2] = [(); 2].map(|()| (rng.random_range(1..20), rng.random_range(0..5000)));
        let more: [(u32, u32); 2] = told.map(|(streams, window)| {
            (streams + rng.random_range(0..20), (window + rng.random_range(0..100_000)).max(1))
        });
        let sides = [0, 1].map(|side| {
            let mux = Mux::new(Settings {
                lanes: LANES,
                streams: more[side].0,
                streams_at_first: told[side].0,
                may_open: told[1 - side].0,
                peer_window: told[1 - side].1,
                stream_window: more[side].1,
                first_window: told[side].1,
                ..settings(side == 0)
            });
            Side { mux, views: BTreeMap::new(), pipes: vec![Default::default(); LANES], wants_stream: true }
        });
        let to_open = [rng.random_range(0..60), rng.random_range(0..60)];
        Self { sides, now: Instant::now(), rng, to_open, room_grows: true }
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(self.rng.random_range(0..50));
        let side = self.rng.random_range(0..2);
        match self.rng.random_range(0..6) {
            0 => self.open(side),
            1 | 2 => self.use_stream(side),
            3 => self.fill(side),
            4 => self.arrive(side),
            _ if self.room_grows => self.sides[side].mux.made_room(self.rng.random_range(0..60_000)),
            _ => {}
        }
        self.events(side);
    }

    fn open(&mut self, side: usize) {
        if self.to_open[side] == 0 || !self.sides[side].wants_stream {
            return;
        }
        let end = &mut self.sides[side];
        match end.mux.open() {
            Some(id) => {
                assert!(end.views.insert(id, View::default()).is_none(), "no number twice");
                self.to_open[side] -= 1;
            }
            None => end.wants_stream = false,
        }
    }

    fn use_stream(&mut self, side: usize) {
        let end = &mut self.sides[side];
        let open: Vec<StreamId> = end.views.keys().copied().collect();
        if open.is_empty() {
            return;
        }
        let id = open[self.rng.random_range(0..open.len())];
        let code = self.rng.random_range(1..100);
        let view = &mut end.views.get_mut(&id).expect("just found");
        match self.rng.random_range(0..100) {
            0..=39 if view.write_end.is_none() && !view.waits_to_write => {
                let length = self.rng.random_range(1..20_000u64);
                let bytes: Vec<u8> = (view.written..view.written + length).map(|at| byte(id, side, at)).collect();
                let room = self.rng.random_range(0..60_000);
                match end.mux.write(id, &mut [Bytes::from(bytes)].into(), room) {
                    Ok(0) => view.waits_to_write = true,
                    Ok(written) => view.written += written as u64,
                    Err(WriteError::Stopped(code)) => {
                        view.write_end = Some(Ended::Stopped(code));
                        end.mux.reset(id, 1234);
                    }
                    Err(WriteError::Gone(Gone)) => panic!("{id:?} is gone, but has not ended"),
                }
            }
            40..=79 if view.read_end.is_none() && !view.waits_to_read => {
                let (max, mut out) = (self.rng.random_range(1..40_000), Vec::new());
                let read = end.mux.read(id, max, &mut out).expect("it has not ended");
                let out = out.concat();
                assert!(out.len() <= max);
                for (at, found) in out.iter().enumerate() {
                    assert_eq!(*found, byte(id, 1 - side, view.read + at as u64), "{id:?} in its order");
                }
                view.read += out.len() as u64;
                match read {
                    Read::Data(bytes) => assert_eq!(bytes, out.len()),
                    Read::Blocked => view.waits_to_read = true,
                    Read::End(bytes) => {
                        assert_eq!(bytes, out.len());
                        view.read_end = Some(Ended::Clean);
                    }
                    Read::Reset(code) => view.read_end = Some(Ended::Reset(code)),
                }
            }
            80..=86 if view.write_end.is_none() => {
                end.mux.finish(id);
                view.write_end = Some(Ended::Clean);
            }
            87..=89 if view.write_end.is_none() => {
                end.mux.reset(id, code);
                view.write_end = Some(Ended::Reset(code));
            }
            90..=92 if view.read_end.is_none() => {
                end.mux.stop(id, code);
                view.read_end = Some(Ended::Stopped(code));
            }
            _ => {}
        }
    }

    fn fill(&mut self, side: usize) {
        let (lane, room) = (self.rng.random_range(0..LANES), self.rng.random_range(0..6000));
        let mut out = Vec::new();
        let end = &mut self.sides[side];
        let had_work = end.mux.has_work(lane);
        let bytes = end.mux.fill(self.now, lane, room, &mut out);
        assert_eq!(bytes, out.len());
        assert!(bytes <= room && (bytes > 0) <= had_work && (bytes > 0 || !had_work || room < 16));
        let mut out = Bytes::from(out);
        while !out.is_empty() {
            let cut = self.rng.random_range(1..=out.len().min(1500));
            end.pipes[lane].0.push_back(out.split_to(cut));
        }
    }

    fn arrive(&mut self, side: usize) {
        let lane = self.rng.random_range(0..LANES);
        for _ in 0..self.rng.random_range(1..8) {
            let (pieces, arrived) = &mut self.sides[side].pipes[lane];
            let Some(piece) = pieces.pop_front() else { return };
            *arrived += piece.len() as u64;
            let arrived = *arrived;
            self.sides[1 - side].mux.receive(self.now, lane, piece).expect("an honest peer");
            if self.rng.random() {
                self.sides[side].mux.delivered(lane, arrived);
            }
        }
        self.events(1 - side);
    }

    fn events(&mut self, side: usize) {
        let end = &mut self.sides[side];
        while let Some(event) = end.mux.poll_event() {
            match event {
                Event::Opened(id) => {
                    assert_eq!(id.0 % 2, side as u64, "the peer's own");
                    assert!(end.views.insert(id, View::default()).is_none(), "opened once");
                }
                Event::MayOpen => end.wants_stream = true,
                Event::Readable(id) => end.views.get_mut(&id).expect("it was opened").waits_to_read = false,
                Event::Writable(id) => end.views.get_mut(&id).expect("it was opened").waits_to_write = false,
                Event::Stopped(id, _) => end.views.get_mut(&id).expect("it was opened").waits_to_write = false,
                Event::Ready | Event::Crowded | Event::Closed => panic!("{event:?} is the session's"),
            }
        }
    }

    /// Has every stream come to its end. Whoever waits for room must hear of it first.
    fn finish(&mut self) {
        self.room_grows = false;
        for _ in 0..100_000 {
            for side in 0..2 {
                self.open(side);
                let end = &mut self.sides[side];
                for (id, view) in &mut end.views {
                    if view.write_end.is_none() && !view.waits_to_write {
                        end.mux.finish(*id);
                        view.write_end = Some(Ended::Clean);
                    }
                }
            }
            (0..20).for_each(|_| self.step());
            for side in 0..2 {
                for lane in 0..LANES {
                    let arrived = self.sides[side].pipes[lane].1;
                    self.sides[side].mux.delivered(lane, arrived);
                }
            }
            let is_over = |view: &View| view.write_end.is_some() && view.read_end.is_some();
            let over = self.sides.iter().all(|side| side.views.values().all(is_over) && side.mux.streams() == 0);
            if over && self.to_open == [0, 0] {
                return;
            }
        }
        panic!("{:?} never ended", self.sides.each_ref().map(|side| (side.mux.streams(), side.mux.unsent())));
    }

    fn check(&self) {
        for (side, end) in self.sides.iter().enumerate() {
            let other = &self.sides[1 - side];
            assert_eq!(end.views.len(), other.views.len());
            for (id, view) in &end.views {
                let read = &other.views[id];
                assert!(read.read <= view.written);
                match (view.write_end.expect("over"), read.read_end.expect("over")) {
                    (Ended::Clean, Ended::Clean) => assert_eq!(read.read, view.written, "all of it"),
                    (Ended::Reset(sent), Ended::Reset(got)) => assert_eq!(sent, got),
                    (Ended::Stopped(got), Ended::Stopped(sent)) => assert_eq!(sent, got),
                    (Ended::Clean | Ended::Reset(_), Ended::Stopped(_)) => {}
                    (sent, got) => panic!("{id:?} was ended {sent:?} and read {got:?}"),
                }
            }
            let mux = &end.mux;
            assert_eq!((mux.streams(), mux.unread(), mux.unread_streams()), (0, 0, 0));
            assert_eq!((mux.unsent(), mux.undelivered()), (0, 0));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_the_pipes_do_everything_arrives_and_nothing_is_left(seed in any::<u64>(), steps in 0usize..6000) {
        let mut world = World::new(seed);
        (0..steps).for_each(|_| world.step());
        world.finish();
        world.check();
    }
}
