"""The change of a deployment's secret."""

import json
import os
import stat
from pathlib import Path

import pytest

from ginnel.api.links import stored_link
from ginnel.api.rotation import Rotation, retire_secret, rotate_secret, secret_status
from ginnel.api.server import Server
from ginnel.config.profile import Profile
from ginnel.config.sharelink import ShareLink
from ginnel.config.state import StateDirectory
from ginnel.errors import ConfigError, StateError
from tests.fake_engine import Engine

pytestmark = pytest.mark.usefixtures("engines")


@pytest.fixture
async def made(state: Path) -> Path:
    """A state in which a server has run."""
    async with Server(state=state, listen="127.0.0.1:4433"):
        pass
    return state


def secrets(state: Path) -> tuple[bytes, bytes | None]:
    kept = StateDirectory(state).read()
    assert kept is not None
    return kept.psk.reveal(), None if kept.previous_psk is None else kept.previous_psk.reveal()


async def test_the_one_so_far_is_accepted_beside_the_new_one_until_it_is_retired(
    made: Path, engines: list[Engine]
) -> None:
    old, _ = secrets(made)
    before = stored_link(made, "default")[0]
    assert secret_status(made) == Rotation(has_previous=False, process=None)
    assert rotate_secret(made) == Rotation(has_previous=True, process=None)
    new, previous = secrets(made)
    assert new != old
    assert previous == old
    after = stored_link(made, "default")[0]
    assert after.servers[0].psk.reveal() == new
    # Nothing else of the link has changed.
    assert after.servers[0].private_key == before.servers[0].private_key
    assert after.profile == before.profile
    async with Server(state=made):
        assert (engines[-1].config.psk, engines[-1].config.previous_psk) == (new, old)
    assert retire_secret(made) == Rotation(has_previous=False, process=None)
    assert secrets(made) == (new, None)
    async with Server(state=made):
        assert (engines[-1].config.psk, engines[-1].config.previous_psk) == (new, None)


async def test_a_second_change_waits_for_the_first_to_be_finished(made: Path) -> None:
    rotate_secret(made)
    before = secrets(made)
    with pytest.raises(ConfigError, match="the secret before this one is still accepted") as caught:
        rotate_secret(made)
    assert "ginnel secret retire" in caught.value.hint
    assert "ginnel secret rotate --force" in caught.value.hint
    assert secrets(made) == before
    rotate_secret(made, force=True)
    after = secrets(made)
    assert after[0] not in before
    assert after[1] == before[0]


async def test_there_is_nothing_to_retire_twice(made: Path) -> None:
    before = (made / "server.json").read_bytes()
    with pytest.raises(ConfigError, match="there is no previous secret to retire"):
        retire_secret(made)
    assert (made / "server.json").read_bytes() == before


async def test_the_file_is_replaced_as_a_whole_and_for_its_owner_alone(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = secrets(made)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StateError, match="No space left on device"):
            rotate_secret(made)
    assert secrets(made) == old
    rotate_secret(made)
    assert stat.S_IMODE((made / "server.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("change", [secret_status, rotate_secret, retire_secret])
def test_where_no_server_ran_nothing_is_made(state: Path, change: object) -> None:
    assert callable(change)
    with pytest.raises(StateError, match="no server has been started"):
        change(state)
    assert not state.exists()


async def test_a_running_server_goes_on_with_what_its_engine_accepts(state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:4433") as server:
        before = ShareLink.parse(server.share_link())
        # The server's own loop is held up meanwhile: it cannot be told.
        StateDirectory(state).control_socket.unlink()
        assert rotate_secret(state) == Rotation(has_previous=True, process=os.getpid())
        # A reload that writes the state brings neither the old secret back nor the new one into links of this run.
        changed = server.config.model_copy(update={"profile": server.config.profile.of("light")})
        await server.reload(changed)
        link = ShareLink.parse(server.share_link())
        assert link.servers == before.servers
        assert link.profile is not None
        assert link.profile.preset == "light"
    kept = StateDirectory(state).read()
    assert kept is not None
    assert kept.previous_psk == before.servers[0].psk
    assert kept.psk != kept.previous_psk
    assert kept.profile.model_copy(update={"printable": None}) == link.profile
    assert Profile.build(**{**kept.profile.pairs(), "preset": "light"}) == kept.profile
    assert json.loads((state / "server.json").read_text())["profile"]["preset"] == "light"
