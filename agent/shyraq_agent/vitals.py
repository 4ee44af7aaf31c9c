"""Vitals: how the host itself is doing, so that its own faults are not taken for the network's.

`read_vitals` gives a flat table of numbers whose names carry their units. A sensor that is
missing, or that a sandbox hides, is left out: absent is unknown, never zero. Nothing in it
identifies a host: no address, no MAC, no network name, no host name, no serial number. All of it
is read from the kernel's tables, so call it in a thread.

    load_1min, cpu_count                        uptime_s
    memory_total_bytes, memory_available_bytes  swap_used_bytes
    disk_total_bytes, disk_free_bytes           of the state directory
    temperature_c                               the hottest sensor
    link_is_up                                  any interface but loopback
    network_sent_bytes, network_received_bytes, network_errors    since boot, all interfaces
    process_memory_bytes                        this program
    under_voltage_now, under_voltage_since_boot, throttled_now    Raspberry Pi firmware
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import psutil

from shyraq_agent.clock import Pace
from shyraq_wire.report import Json

_FIRMWARE_FLAGS: Final = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
"""Hexadecimal flags of the Pi's firmware; absent on other boards."""

_UNDER_VOLTAGE_NOW: Final = 1 << 0
_THROTTLED_NOW: Final = 1 << 2
_UNDER_VOLTAGE_SINCE_BOOT: Final = 1 << 16

_UNREADABLE: Final = (OSError, psutil.Error, AttributeError, KeyError, ValueError, RuntimeError)
"""What psutil raises where a table is missing, hidden by a sandbox, or in another form."""


def read_vitals(
    state_directory: Path, pace: Pace, *, firmware_flags: Path = _FIRMWARE_FLAGS
) -> Mapping[str, Json]:
    """What can be read of the host now.

    Args:
        state_directory: On the file system whose space matters.
        pace: Gives the uptime.
        firmware_flags: Where the Pi's firmware says how its power supply is.
    """
    vitals: dict[str, Json] = {"uptime_s": pace.uptime_ms() // 1000}
    readers: tuple[Callable[[], Mapping[str, Json]], ...] = (
        _load,
        _memory,
        _swap,
        lambda: _disk(state_directory),
        _temperature,
        _network,
        _link,
        _process,
        lambda: _power(firmware_flags),
    )
    for read in readers:
        try:
            vitals |= read()
        except _UNREADABLE:
            continue
    return vitals


def _load() -> Mapping[str, Json]:
    return {"load_1min": round(os.getloadavg()[0], 2), "cpu_count": psutil.cpu_count() or 1}


def _memory() -> Mapping[str, Json]:
    memory = psutil.virtual_memory()
    return {"memory_total_bytes": memory.total, "memory_available_bytes": memory.available}


def _swap() -> Mapping[str, Json]:
    return {"swap_used_bytes": psutil.swap_memory().used}


def _disk(folder: Path) -> Mapping[str, Json]:
    disk = psutil.disk_usage(str(folder))
    return {"disk_total_bytes": disk.total, "disk_free_bytes": disk.free}


def _temperature() -> Mapping[str, Json]:
    sensors = psutil.sensors_temperatures().values()
    hottest_c = max(reading.current for sensor in sensors for reading in sensor)
    return {"temperature_c": round(hottest_c, 1)}


def _network() -> Mapping[str, Json]:
    counters = psutil.net_io_counters(pernic=True)
    outward = [each for name, each in counters.items() if name != "lo"]
    return {
        "network_sent_bytes": sum(each.bytes_sent for each in outward),
        "network_received_bytes": sum(each.bytes_recv for each in outward),
        "network_errors": sum(each.errin + each.errout for each in outward),
    }


def _link() -> Mapping[str, Json]:
    interfaces = psutil.net_if_stats().items()
    return {"link_is_up": any(each.isup for name, each in interfaces if name != "lo")}


def _process() -> Mapping[str, Json]:
    return {"process_memory_bytes": psutil.Process().memory_info().rss}


def _power(firmware_flags: Path) -> Mapping[str, Json]:
    flags = int(firmware_flags.read_text(encoding="ascii"), 16)
    return {
        "under_voltage_now": bool(flags & _UNDER_VOLTAGE_NOW),
        "under_voltage_since_boot": bool(flags & _UNDER_VOLTAGE_SINCE_BOOT),
        "throttled_now": bool(flags & _THROTTLED_NOW),
    }
