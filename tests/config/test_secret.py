"""Keys are never shown."""

import logging
import pickle

import pytest
from pydantic import ValidationError

from ginnel.config.secret import MASK, Secret
from ginnel.config.value import Value

KEY = bytes(range(32))


class Holder(Value):
    key: Secret


def test_no_way_of_printing_shows_it(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(KEY)
    logging.getLogger("test").warning("%s %r", secret, secret)
    holder = Holder(key=secret)
    shown = [
        repr(secret), str(secret), f"{secret}", f"{secret!r}", repr([secret]), caplog.text,
        repr(holder), str(holder), repr(holder.model_dump()), holder.model_dump_json(),
    ]  # fmt: skip
    for text in shown:
        assert MASK in text
        assert repr(KEY) not in text
        assert KEY.hex() not in text
        assert "\x01" not in text


def test_it_is_revealed_only_when_asked() -> None:
    assert Secret(KEY).reveal() == KEY


def test_secrets_compare_by_content_and_differ() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert hash(Secret(KEY)) == hash(Secret(KEY))
    assert Secret(KEY) != KEY
    assert Secret.generate() != Secret.generate()


def test_it_is_not_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(KEY))


@pytest.mark.parametrize("value", [b"", KEY[:31], KEY + b"\0"])
def test_a_wrong_length_is_refused_without_showing_it(value: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes") as caught:
        Secret(value)
    assert value == b"" or repr(value)[2:-1] not in str(caught.value)


@pytest.mark.parametrize("value", [KEY[:31], KEY.hex(), 5, None])
def test_a_field_takes_nothing_else_and_does_not_show_it(value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Holder(key=value)  # type: ignore[arg-type]  # the wrong type is the test
    assert str(value)[:20] not in str(caught.value) or value in (5, None)
    assert Holder(key=KEY).key == Secret(KEY)  # type: ignore[arg-type]  # bytes are taken at run time
