"""Made-up runs."""

from collections.abc import Mapping, Sequence

from bench.record import Machine, Measure, Row, Run, Sample, SubjectInfo

RATE = Measure(key="rate", title="rate", unit="1/s", better="more", ratio=True)
CPU = Measure(key="cpu", title="CPU, both ends", unit="s", better="less", ratio=True)
P99 = Measure(key="p99", title="p99", unit="s", better="less")
MACHINE = Machine(cpu="Abacus <2> & sons", cores=2, memory_bytes=2**30, kernel="Linux 6", python="3.11.0")
REQUESTS = Row(key="requests", title="requests & answers", measures=(RATE, CPU, P99))
BULK = Row(
    key="bulk",
    title="bulk | down",
    measures=(Measure(key="rate", title="rate", unit="bit/s", better="more"),),
)

Values = Mapping[str, Sequence[float]]
"""By measure, one for each round."""


def run(cells: Mapping[tuple[str, str], Values], **more: object) -> Run:
    """A run with these cells, by row and subject, of the subjects that stand in them."""
    names = dict.fromkeys(subject for _, subject in cells)
    fields: dict[str, object] = {
        "kind": "clean",
        "date": "2026-01-02T03:04:05+00:00",
        "finished": True,
        "commit": "0123456789ab",
        "machine": MACHINE,
        "load_average": 0.5,
        "place": "loopback",
        "base": "relay",
        "options": {"rounds": 3, "seconds": 1.5},
        "rows": [REQUESTS, BULK],
        "subjects": [SubjectInfo(key=name, title=f"the {name}") for name in names],
        "samples": [sample for cell, values in cells.items() for sample in samples(cell, values)],
    }
    return Run.model_validate(fields | more)


def samples(cell: tuple[str, str], values: Values) -> list[Sample]:
    """A sample for each round."""
    rounds = max(len(list_) for list_ in values.values())
    return [
        Sample(
            row=cell[0],
            subject=cell[1],
            round=number,
            values={key: list_[number] for key, list_ in values.items() if number < len(list_)},
        )
        for number in range(rounds)
    ]
