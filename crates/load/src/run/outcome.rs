//! What a run came to, as one JSON object.

use super::tally::Counts;
use crate::arguments::{Run, Work};
use crate::processor::Used;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What a run came to.
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    /// How long was measured.
    pub(crate) seconds: f64,
    /// How long the first 10 MB took to come, if they came.
    pub(crate) first: Option<Duration>,
    pub(crate) used: Used,
}

impl Outcome {
    /// Why this is no measurement at all; none if anything has worked.
    pub(crate) fn nothing(&self, run: &Run) -> Option<String> {
        let worked = match run.work {
            Work::Down | Work::Up => self.counts.bytes,
            Work::Requests | Work::Connect | Work::Hold => self.counts.requests,
        };
        if worked > 0 {
            return None;
        }
        let (work, target, via) = (run.work.name(), run.target, run.via);
        Some(match &self.counts.first_error {
            Some(error) => format!("{work} to {target} by {via}: all has failed; the first error: {error}"),
            None => format!("{work} to {target} by {via}: nothing has come in {:.1} s", self.seconds),
        })
    }

    /// The report.
    pub(crate) fn json(&self, run: &Run) -> Value {
        let counts = &self.counts;
        // A window without length has no rate.
        let rate = |amount: f64| (self.seconds > 0.0).then(|| amount / self.seconds);
        let processes: Map<_, _> =
            self.used.processes.iter().map(|(pid, seconds)| (pid.to_string(), json!(seconds))).collect();
        json!({
            "work": run.work.name(),
            "via": run.via.to_string(),
            "target": run.target.to_string(),
            "connections": run.connections,
            "seconds": self.seconds,
            "bytes": counts.bytes,
            "requests": counts.requests,
            "errors": counts.errors,
            "first_error": counts.first_error,
            "rate_bits": rate(counts.bytes as f64 * 8.0),
            "per_second": rate(counts.requests as f64),
            "latency_us": counts.latency.report(),
            "cpu_seconds": processes,
            "machine_cpu_seconds": self.used.machine,
            "load_cpu_seconds": self.used.own,
            "intervals": counts.intervals,
            "first_10mb_seconds": self.first.map(|time| time.as_secs_f64()),
            "beside": counts.beside.report(),
        })
    }
}
