"""Asks a running estimator as a client of Triton does: triton.py HOST:PORT PHOTO."""

import json
import pathlib
import sys

import numpy
import tritonclient.grpc as triton

address, photo = sys.argv[1:]
client = triton.InferenceServerClient(address)
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("age")
assert not client.is_model_ready("nobody")
metadata = client.get_model_metadata("age")
images = numpy.array([pathlib.Path(photo).read_bytes()] * 3, dtype=object)
image = triton.InferInput(metadata.inputs[0].name, [len(images)], metadata.inputs[0].datatype)
image.set_data_from_numpy(images)


def ask(outputs=None, **named):
    return client.infer("age", [image], outputs=outputs, **named)


answer = ask(parameters={"coverage": "0.8"})
found = {output.name: answer.as_numpy(output.name).tolist() for output in metadata.outputs}
only = ask([triton.InferRequestedOutput("age")], request_id="seven").get_response()
assert [output.name for output in only.outputs] == ["age"] and only.id == "seven"
for wrong in [triton.InferInput("photo", [3], "BYTES"), triton.InferInput("image", [2], "BYTES")]:
    wrong.set_data_from_numpy(images[: wrong.shape()[0]])
    try:
        client.infer("age" if wrong.name() == "photo" else "nobody", [wrong])
        raise SystemExit(f"{wrong.name()} was answered")
    except triton.InferenceServerException as error:
        found[wrong.name()] = error.status()
found["model"] = answer.get_response().model_name
print(json.dumps(found))
