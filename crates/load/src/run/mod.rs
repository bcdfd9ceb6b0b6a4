//! A run: connections that work for a while, and what came of it as one JSON object.

mod outcome;
mod tally;
mod work;

use crate::arguments::{Run, Work};
use crate::processor::Usage;
use crate::serving::{processors, raise_descriptors};
use outcome::Outcome;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tally::{Counts, FirstBytes, Tally, Window};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};
use work::Worker;
pub(crate) use work::request;

/// How long the threads may take to hand in their counts once the time is over.
const HAND_IN_TIME: Duration = Duration::from_secs(10);

/// Connections that `hold` opens at the same time.
const OPENING: usize = 64;

/// The longest that `hold` counts: a day.
const HOLD_TIME: Duration = Duration::from_secs(86_400);

/// Does the work and prints its report.
pub(crate) fn run(arguments: &Run) -> io::Result<()> {
    raise_descriptors();
    // A process that is not there is better known before than after.
    Usage::now(&arguments.pids)?;
    let outcome = match arguments.work {
        Work::Hold => hold(arguments)?,
        _ => measure(arguments)?,
    };
    if let Some(why) = outcome.nothing(arguments) {
        return Err(io::Error::other(why));
    }
    println!("{}", outcome.json(arguments));
    Ok(())
}

/// What the loops of a thread do.
#[derive(Clone, Copy)]
enum Share {
    /// The run's work, on so many connections.
    Work(u32),
    /// Requests beside it, on so many.
    Beside(u32),
}

fn measure(arguments: &Run) -> io::Result<Outcome> {
    let begun = Instant::now();
    let start = begun + arguments.warmup;
    let window = Window { start, end: start + arguments.seconds };
    let first = Arc::new(FirstBytes::new(begun));
    let (over, is_over) = watch::channel(false);
    let spawn = |shares: Vec<Share>| -> io::Result<Threads> {
        let (hand_in, threads) = mpsc::channel();
        for share in shares {
            let (run, first, is_over, hand_in) = (arguments.clone(), first.clone(), is_over.clone(), hand_in.clone());
            std::thread::Builder::new().spawn(move || {
                // Fails only when nobody wants the counts any more.
                let _ = hand_in.send(thread(run, share, window, first, is_over));
            })?;
        }
        Ok(threads)
    };
    let work = spawn(shares(arguments.connections))?;
    let beside = spawn((arguments.beside > 0).then_some(Share::Beside(arguments.beside)).into_iter().collect())?;

    std::thread::sleep(start.saturating_duration_since(Instant::now()));
    let before = Usage::now(&arguments.pids)?;
    let mut counts = Counts::default();
    // With a number of bytes the work may be done before.
    collect(&work, window.end, &mut counts)?;
    let end = Instant::now();
    let used = Usage::now(&arguments.pids)?.since(&before);
    // Whoever still works has no one left to tell when this fails: they have all ended.
    let _ = over.send(true);
    for threads in [work, beside] {
        if !collect(&threads, end + HAND_IN_TIME, &mut counts)? {
            return Err(io::Error::other("a thread of the load does not end"));
        }
    }
    let seconds = (end.min(window.end) - start).as_secs_f64();
    Ok(Outcome { counts, seconds, first: first.time(), used })
}

/// What comes from threads, each once.
type Threads = mpsc::Receiver<io::Result<Counts>>;

/// Adds what has come until then; whether all threads have handed in theirs.
fn collect(threads: &Threads, until: Instant, counts: &mut Counts) -> io::Result<bool> {
    loop {
        match threads.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(outcome) => counts.add(outcome?),
            Err(error) => return Ok(error == mpsc::RecvTimeoutError::Disconnected),
        }
    }
}

/// A thread for each processor, as long as there are connections for it.
fn shares(connections: u32) -> Vec<Share> {
    let threads = connections.min(processors() as u32);
    let (each, more) = (connections / threads, connections % threads);
    (0..threads).map(|thread| Share::Work(each + u32::from(thread < more))).collect()
}

/// Works until all is done, until the window ends, or until it is over, whatever comes first.
fn thread(
    run: Run,
    share: Share,
    window: Window,
    first: Arc<FirstBytes>,
    mut is_over: watch::Receiver<bool>,
) -> io::Result<Counts> {
    let worker = Rc::new(Worker { run, tally: Tally::new(window), first });
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async {
        let loops = start(&worker, share);
        tokio::select! {
            _ = loops.join_all() => {}
            () = tokio::time::sleep_until(window.end.into()) => {}
            _ = is_over.wait_for(|over| *over) => {}
        }
    });
    Ok(worker.tally.take())
}

fn start(worker: &Rc<Worker>, share: Share) -> JoinSet<()> {
    let mut loops = JoinSet::new();
    let (Share::Work(connections) | Share::Beside(connections)) = share;
    for _ in 0..connections {
        let worker = worker.clone();
        loops.spawn_local(async move {
            match (share, worker.run.work) {
                (Share::Beside(_), _) => worker.beside().await,
                (_, Work::Down) => worker.down().await,
                (_, Work::Up) => worker.up().await,
                (_, Work::Connect) => worker.connect().await,
                (_, Work::Requests | Work::Hold) => worker.requests().await,
            }
        });
    }
    loops
}

/// Opens all connections, says how many, and keeps them until standard input ends.
fn hold(arguments: &Run) -> io::Result<Outcome> {
    let begun = Instant::now();
    let window = Window { start: begun, end: begun + HOLD_TIME };
    let first = Arc::new(FirstBytes::new(begun));
    let worker = Rc::new(Worker { run: arguments.clone(), tally: Tally::new(window), first });
    let before = Usage::now(&arguments.pids)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    let held = tasks.block_on(&runtime, async {
        let turns = Rc::new(Semaphore::new(OPENING));
        let mut opening = JoinSet::new();
        for _ in 0..arguments.connections {
            let (worker, turns) = (worker.clone(), turns.clone());
            opening.spawn_local(async move {
                // Never closed, so that this is always a turn.
                let _turn = turns.acquire().await;
                worker.held().await.inspect_err(|error| worker.tally.failed(error)).ok()
            });
        }
        opening.join_all().await.into_iter().flatten().collect::<Vec<_>>()
    });
    if !held.is_empty() {
        let mut out = io::stdout();
        writeln!(out, "held {}", held.len())?;
        out.flush()?;
        io::copy(&mut io::stdin(), &mut io::sink())?;
    }
    let used = Usage::now(&arguments.pids)?.since(&before);
    let mut counts = worker.tally.take();
    counts.intervals.clear();
    Ok(Outcome { counts, seconds: begun.elapsed().as_secs_f64(), first: None, used })
}
