"""Holds KEDA's resources, a JSON list on standard input, to its schemas; a field that KEDA does not
know is a fault. Prints one line for each fault.

The schemas are those of KEDA 2.16's resource definitions, as cloudcoil-models-keda has them.
"""

import json
import sys

from cloudcoil.models.keda.v1alpha1 import ScaledObject, TriggerAuthentication
from jsonschema import Draft202012Validator


def closed(schema):
    """The schema with every object closed that lists its fields."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {name: closed(part) for name, part in schema.items()}
    if "properties" in schema and "additionalProperties" not in schema:
        shut["additionalProperties"] = False
    return shut


def main():
    kinds = {kind.__name__: kind for kind in (ScaledObject, TriggerAuthentication)}
    for resource in json.load(sys.stdin):
        schema = closed(kinds[resource["kind"]].model_json_schema(by_alias=True))
        for fault in Draft202012Validator(schema).iter_errors(resource):
            print(f"{resource['kind']} {resource['metadata']['name']} {fault.json_path}: {fault.message}")


if __name__ == "__main__":
    main()
