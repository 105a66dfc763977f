"""Asks a running estimator about a photo: client.py GENERATED_CODE HOST:PORT PHOTO."""

import pathlib
import sys

import grpc
from google.protobuf.json_format import MessageToJson

generated, address, photo = sys.argv[1:]
sys.path.insert(0, generated)

from agespan.estimator.v1 import estimator_pb2, estimator_pb2_grpc  # noqa: E402

with grpc.insecure_channel(address) as channel:
    client = estimator_pb2_grpc.EstimatorServiceStub(channel)
    request = estimator_pb2.EstimateAgeRequest(image=pathlib.Path(photo).read_bytes())
    print(MessageToJson(client.EstimateAge(request, timeout=60)))
