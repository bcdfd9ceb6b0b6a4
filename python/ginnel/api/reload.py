"""Making a new configuration hold in an engine that runs: only what differs is touched."""

from typing import TypeVar

from ginnel._native import Native
from ginnel.config.difference import Change, ReloadReport, difference, report_of, running
from ginnel.config.profile import Profile
from ginnel.config.values import ClientConfig, ServerConfig

C = TypeVar("C", ServerConfig, ClientConfig)
Profiles = tuple[Profile, Profile]
"""How the end shaped what it sends, and how it shall."""


async def apply_to_server(
    native: Native, old: ServerConfig, new: ServerConfig, profiles: Profiles
) -> tuple[ReloadReport, ServerConfig]:
    """Apply a server's changes; what was done, and the configuration that holds now. `profiles`: of old and new.

    Raises ConfigError when the engine refuses one; then nothing has changed.
    """
    changes = difference(old, new)
    await _apply(native, old, new, changes, profiles)
    if any(change.key == "allow_private" for change in changes):
        await native.set_allow_private(new.allow_private)
    return _result(old, new, changes)


async def apply_to_client(
    native: Native, old: ClientConfig, new: ClientConfig
) -> tuple[ReloadReport, ClientConfig]:
    """Apply a client's changes, but for its listeners; what was done, and the configuration that holds now.

    Raises ConfigError when the engine refuses one; then nothing has changed.
    """
    changes = difference(old, new)
    await _apply(native, old, new, changes, (old.own_profile(), new.own_profile()))
    return _result(old, new, changes)


async def _apply(native: Native, old: C, new: C, changes: list[Change], profiles: Profiles) -> None:
    has_limits = any(
        change.key.startswith(("limits.", "timeouts.", "profile.", "kcp."))
        or change.key in ("congestion", "rate")
        for change in changes
    )
    if has_limits:
        await _set_limits(native, new, profiles[1])
    if any(change.key.startswith(("log.level", "log.areas.")) for change in changes):
        try:
            native.set_log(new.log.engine_levels())
        except BaseException:
            if has_limits:
                await _set_limits(native, old, profiles[0])
            raise


async def _set_limits(native: Native, config: C, profile: Profile) -> None:
    await native.set_limits(
        config.engine_limits(), config.engine_congestion(), profile.pairs(), config.kcp.engine()
    )


def _result(old: C, new: C, changes: list[Change]) -> tuple[ReloadReport, C]:
    return report_of(changes), running(old, new)
