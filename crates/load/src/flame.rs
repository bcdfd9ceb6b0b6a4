//! A flame graph of what `perf script` prints.

use crate::arguments::Flame;
use inferno::collapse::Collapse;
use inferno::collapse::perf::{Folder, Options as FolderOptions};
use inferno::flamegraph::{self, Options};
use std::io::{self, Read, Write};

/// Reads samples from standard input and writes an SVG to standard output.
pub(crate) fn flame(arguments: &Flame) -> io::Result<()> {
    let mut samples = Vec::new();
    io::stdin().read_to_end(&mut samples)?;
    // A name that is no UTF-8 is a name all the same.
    let graph = draw(&String::from_utf8_lossy(&samples), arguments.title.clone())?;
    io::stdout().write_all(&graph)
}

fn draw(samples: &str, title: String) -> io::Result<Vec<u8>> {
    let mut options = FolderOptions::default();
    options.annotate_kernel = true;
    let mut folder = Folder::from(options);
    if folder.is_applicable(samples) != Some(true) {
        return Err(io::Error::other(
            "standard input has no samples with call chains: it is to be what perf script prints",
        ));
    }
    let (mut folded, mut graph) = (Vec::new(), Vec::new());
    folder.collapse(samples.as_bytes(), &mut folded)?;
    let mut options = Options::default();
    options.title = title;
    // A sample weighs as much as the time since the one before.
    options.count_name = "ns".to_owned();
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
        let graph = String::from_utf8(draw(SAMPLES, "a bulk run".into()).unwrap()).unwrap();
        let (relay, kernel) = ("ginnel_engine::relay::both (2,002,002 ns, 100.00%)", "tcp_sendmsg (1,001,001 ns");
        for word in ["<svg", "a bulk run", "ginnel_engine::relay::upstream", relay, kernel] {
            assert!(graph.contains(word), "no {word:?}");
        }
    }

    #[test]
    fn what_has_no_samples_is_refused() {
        for text in ["", "hello\n", "# comment\n\n", "hello\n\tworld\n\n"] {
            let error = draw(text, String::new()).unwrap_err();
            assert!(error.to_string().contains("perf script"), "{error}");
        }
    }
}
