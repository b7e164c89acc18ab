"""The committed fixtures of the client's tests are what their generator makes."""

import json

import make_client_vectors
from helpers import vectors


def test_fixtures_are_made_again_byte_for_byte():
    assert json.loads(json.dumps(make_client_vectors.build())) == vectors("client/manifests.json")
