"""What the device thread tells, in the window's words. No Qt; called on the device thread alone."""

from typing import assert_never

from app.audio.devices import Direction
from app.audio.keeper import DeviceBack, DeviceEvent, DeviceLost, DevicesListed
from app.ui_events import DeviceChange, DeviceNotice, DeviceRole, DevicesChanged, UiEvent

_ROLES = {Direction.INPUT: DeviceRole.INPUT, Direction.OUTPUT: DeviceRole.OUTPUT}


class DeviceWords:
    """Remembers which devices there ever were: one that never was is missing, not lost."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def told(self, event: DeviceEvent) -> UiEvent | None:
        """The event for the window; None where there is nothing to say.

        A machine that never had a microphone or a speaker is not told that it lost one.
        """
        match event:
            case DeviceLost(direction, name, instead):
                if not name:
                    return None
                return DeviceNotice(_ROLES[direction], self._change(name, instead), name)
            case DeviceBack(direction, name):
                return DeviceNotice(_ROLES[direction], DeviceChange.BACK, name)
            case DevicesListed(devices):
                self._seen.update(device.name for device in devices)
                inputs = tuple(device for device in devices if device.n_inputs)
                outputs = tuple(device for device in devices if device.n_outputs)
                return DevicesChanged(inputs, outputs)
            case _:
                assert_never(event)

    def _change(self, name: str, instead: str | None) -> DeviceChange:
        if instead is None:
            return DeviceChange.LOST
        return DeviceChange.FELL_BACK if name in self._seen else DeviceChange.MISSING
