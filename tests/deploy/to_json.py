"""YAML documents on standard input as one JSON list, so that the tests need no parser of their own."""

import json
import sys

import yaml

json.dump([document for document in yaml.safe_load_all(sys.stdin) if document], sys.stdout)
