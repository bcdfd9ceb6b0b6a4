"""One setting: its variable, its example, its value, and how that is shown."""

import pytest

from ginnel.config.kinds import Count
from ginnel.config.setting import Link, Setting
from ginnel.config.values import ClientConfig
from ginnel.errors import ConfigError
from tests.config.test_values import LINK

LANES = Setting(key="kcp.lanes", name="kcp.lanes", kind=Count(1, 16), does="Lanes.", effect="at once")


def test_a_setting_knows_its_variable_and_its_value() -> None:
    assert LANES.variable == "GINNEL_KCP_LANES"
    assert LANES.of(ClientConfig.build(link=LINK)) == 8
    assert LANES.show(5) == "5"
    assert LANES.show(None) == "the default"


def test_its_example_is_the_default_where_there_is_one() -> None:
    assert LANES.example == "1000"
    assert Setting(key="x", kind=Count(1, 16), does="X.", effect="at once", default=7).example == "7"


def test_a_share_link_is_shown_by_where_it_leads() -> None:
    kind = Link()
    rawtcp = LINK.model_copy(update={"servers": (LINK.servers[0].model_copy(update={"carrier": "rawtcp"}),)})
    where = str(LINK.servers[0].endpoint)
    assert kind.show(LINK) == f"{where} (secret)"
    assert kind.show(rawtcp) == f"rawtcp://{where} (secret)"
    assert kind.spell(LINK) == '"(secret)"'
    assert kind.read(LINK.to_text(), "link") == kind.read(LINK, "link") == LINK
    with pytest.raises(ConfigError, match="link = 5 is not a string"):
        kind.read(5, "link")
