//! A flame graph of what `perf script` prints.

use crate::arguments::Flame;
use inferno::collapse::Collapse;
use inferno::collapse::perf::{Folder, Options as FolderOptions};
use inferno::flamegraph::{self, Options};
use std::io::{self, BufRead, Write};

/// Reads samples from standard input and writes an SVG to standard output.
pub(crate) fn flame(arguments: &Flame) -> io::Result<()> {
    let graph = draw(io::stdin().lock(), arguments.title.clone())?;
    io::stdout().write_all(&graph)
}

fn draw(samples: impl BufRead, title: String) -> io::Result<Vec<u8>> {
    let mut folded = Vec::new();
    let mut options = FolderOptions::default();
    options.annotate_kernel = true;
    Folder::from(options).collapse(samples, &mut folded)?;
    if folded.is_empty() {
        return Err(io::Error::other(
            "standard input has no samples with call chains: it is to be what perf script prints",
        ));
    }
    let mut graph = Vec::new();
    let mut options = Options::default();
    options.title = title;
    options.count_name = "samples".to_owned();
    flamegraph::from_reader(&mut options, &folded[..], &mut graph)?;
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::draw;

    const SAMPLES: &str = "\
ginnel-engine  4242 10.000001:    1001001 cpu-clock:pppH:
\t        55d0 ginnel_engine::relay::upstream+0x20 (/x/_engine.abi3.so)
\t        44a0 ginnel_engine::relay::both+0x10 (/x/_engine.abi3.so)

ginnel-engine  4242 10.000002:    1001001 cpu-clock:pppH:
\tffffffff8100 tcp_sendmsg+0x5 ([kernel.kallsyms])
\t        44a0 ginnel_engine::relay::both+0x10 (/x/_engine.abi3.so)

";

    #[test]
    fn samples_become_a_graph_with_their_names() {
        let graph = String::from_utf8(draw(SAMPLES.as_bytes(), "a bulk run".into()).unwrap()).unwrap();
        for word in
            ["<svg", "a bulk run", "ginnel_engine::relay::upstream", "tcp_sendmsg_[k]", "relay::both (2 samples"]
        {
            assert!(graph.contains(word), "no {word:?}");
        }
    }

    #[test]
    fn what_has_no_samples_is_refused() {
        for text in ["", "hello\n", "# comment\n\n"] {
            let error = draw(text.as_bytes(), String::new()).unwrap_err();
            assert!(error.to_string().contains("perf script"), "{error}");
        }
    }
}
