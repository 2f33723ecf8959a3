"""Where models come from: the server or mirror of the settings, and whether it may be asked."""

import os

from app.settings import Settings
from engine.download import Hub

ENDPOINT_VARIABLE = "HF_ENDPOINT"
"""The environment variable that names a mirror; it goes before the setting."""


def hub_for(settings: Settings, mirror: str | None = None, is_offline: bool = False) -> Hub:
    """The server to ask: ``mirror``, the environment's, the setting's, or the usual one."""
    endpoint = mirror or None
    if endpoint is None and not os.environ.get(ENDPOINT_VARIABLE):
        endpoint = settings.downloads.mirror or None
    return Hub(endpoint, is_offline or settings.privacy.offline)
