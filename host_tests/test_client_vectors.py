"""The committed fixtures of the client's tests are what their generator makes."""

import json

import make_client_vectors
import update_kit
from helpers import vectors


def test_fixtures_are_made_again_byte_for_byte():
    made = make_client_vectors.build(update_kit.payload)
    assert json.loads(json.dumps(made)) == vectors("client/manifests.json")
