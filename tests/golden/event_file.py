"""Makes event_file.json: bytes of an event file by TensorBoard's own writer.

Run once, by hand:

    pip install tensorboard==2.21.0
    python event_file.py
"""

import io
import json
import pathlib
from importlib.metadata import version

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


def scalars(wall_time, step, figures):
    values = [Summary.Value(tag=tag, simple_value=value) for tag, value in figures.items()]
    return Event(wall_time=wall_time, step=step, summary=Summary(value=values))


EVENTS = [
    Event(wall_time=1_700_000_000.25, file_version="brain.Event:2"),
    scalars(1_700_000_001.5, 0, {"training/loss": 3.25}),
    scalars(1_700_000_002.0, 230, {"validation/mae": 4.8, "validation/within five": 0.64}),
]

if __name__ == "__main__":
    file = io.BytesIO()
    writer = RecordWriter(file)
    for event in EVENTS:
        writer.write(event.SerializeToString())
    golden = {"tensorboard": version("tensorboard"), "hex": file.getvalue().hex()}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, indent=1) + "\n")
