"""The committed fixtures of the client's tests are what their generator makes."""

import json

import make_client_vectors
import update_kit
from helpers import vectors


def test_fixtures_are_made_again_byte_for_byte():
    assert again(make_client_vectors.build()) == vectors("client/manifests.json")
    made = make_client_vectors.build_packed(update_kit.payload)
    assert again(made) == vectors("client/packed.json")


def again(made):
    return json.loads(json.dumps(made))
