"""`python -m bench`: reads the arguments, measures, reports, and leaves nothing behind."""

import argparse
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import places, programs, report
from bench.compare import check_kinds
from bench.interrupts import INTERRUPTS
from bench.load import LoadProgram
from bench.options import LAST, parser
from bench.prepare import prepare_clean, prepare_wan
from bench.programs import BenchError
from bench.record import Kind, RecordError, Run, newest, read
from bench.wire import why_no_wire
from bench.wire_settings import CellError

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when something was measured, 1 when nothing was, 2 for arguments, 130 for Ctrl-C."""
    made = parser()
    options = made.parse_args(arguments)
    try:
        if options.show is not None:
            return show_stored(options)
        with INTERRUPTS.watched():
            return measure(options)
    except (RecordError, CellError) as error:
        made.exit(2, f"error: {error}\n")
    except (BenchError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def show_stored(options: argparse.Namespace) -> int:
    """Show a run that was measured before."""
    run = read(options.show)
    run.base = options.base
    old, name = old_run(options, run.kind)
    report.show(run, options.markdown, old, name)
    return 0


def old_run(options: argparse.Namespace, kind: Kind) -> tuple[Run | None, str]:
    """The run to compare with, read before anything is measured: whoever mistypes its name waits for nothing."""
    if options.compare is None:
        return None, ""
    path = newest(options.out, kind) if options.compare == LAST else Path(options.compare)
    old = read(path)
    check_kinds(old, kind)
    return old, str(path)


def measure(options: argparse.Namespace) -> int:
    """Measure and report. Raises RecordError, CellError and BenchError before anything was measured."""
    kind: Kind = "wan" if options.wan else "clean"
    old, name = old_run(options, kind)
    if not options.load.exists():
        raise BenchError(f"the load program is not there: {options.load}\n  make bench builds it")
    if options.wan and (reason := why_no_wire()):
        raise BenchError(f"the lossy laboratory cannot be had here: {reason}")
    # Now, not after ten minutes, is when it should be known that results cannot be kept.
    options.out.mkdir(parents=True, exist_ok=True)
    raise_descriptors()
    load = LoadProgram(options.load.resolve())
    prepared = prepare_wan(options, load) if options.wan else prepare_clean(options, load)
    run, interrupted = prepared.run, False
    try:
        prepared.work()
        run.finished = True
    except KeyboardInterrupt:
        interrupted = True
        sys.stderr.write("interrupted: this is what was measured until then\n")
    finally:
        programs.stop_all()
        places.remove_all()
    report.show(run, options.markdown, old, name)
    good = any(sample.error is None for sample in run.samples)
    if run.samples:
        date = run.date.replace("-", "").replace(":", "").replace("T", "-")[:15]
        sys.stdout.write("\n".join(report.store(run, options.out / f"{kind}-{date}.json")) + "\n")
    return INTERRUPTED if interrupted else 0 if good else 1


def raise_descriptors() -> None:
    """Let the programs that we start have as many descriptors as the system allows: idle connections take four each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
