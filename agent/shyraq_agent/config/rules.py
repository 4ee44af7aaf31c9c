"""What must hold beyond types and ranges: the rules between keys, and the files they name.

Every rule appends one sentence to the list; none stops the others.
"""

import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

from shyraq_agent.config.probing import (
    ResponderSettings,
    RungSettings,
)
from shyraq_agent.config.settings import (
    BrokerSettings,
    Settings,
    WindowSettings,
)
from shyraq_agent.errors import LocalError
from shyraq_agent.measure import misuse
from shyraq_agent.measure.target import TargetKind, check_host, is_address, parse_target
from shyraq_agent.sign.keyfile import read_key
from shyraq_wire.errors import WireError
from shyraq_wire.keys import load_evidence_key
from shyraq_wire.moments import parse_moment
from shyraq_wire.topics import check_node_id


def broken_rules(settings: Settings) -> Iterator[str]:
    """One sentence for each rule that the settings break; touches no file."""
    try:
        check_node_id(settings.node.id)
    except WireError as error:
        yield f"node.id: {error}"
    yield from _broken_keys(settings.collector.receipt_keys)
    if not settings.broker:
        yield "broker: at least one [[broker]] table is due"
    for index, broker in enumerate(settings.broker):
        yield from _broken_broker(f"broker[{index}]", broker)
    yield from _broken_addresses(settings)
    for index, rung in enumerate(settings.ladder):
        yield from _broken_rung(f"ladder[{index}]", rung, settings.network.gateways)
    for index, target in enumerate(settings.target):
        try:
            kind = parse_target(target.target).kind
        except ValueError as error:
            yield f"target[{index}].target: {error}"
        else:
            yield from _broken_probes(f"target[{index}].probes", kind, target.probes, settings)
    yield from _broken_responder(settings.responder)
    yield from _broken_pairs(settings)
    for index, window in enumerate(settings.window):
        yield from _broken_window(f"window[{index}]", window)


def broken_files(settings: Settings) -> Iterator[str]:
    """One sentence for each file that is missing, unreadable, or readable by others."""
    try:
        read_key(settings.node.key_file)
    except LocalError as error:
        yield f"node.key_file: {error}"
    yield from _broken_directory(settings.node.state_directory)
    for index, broker in enumerate(settings.broker):
        if broker.tls and broker.tls_ca_file is not None:
            yield from _broken_tls(f"broker[{index}]", broker)
    if settings.network.trust_bundle is not None:
        yield from _unreadable("network.trust_bundle", settings.network.trust_bundle)
    for index, path in enumerate(settings.lists.files):
        yield from _unreadable(f"lists.files[{index}]", path)


def _broken_keys(keys: tuple[str, ...]) -> Iterator[str]:
    if not keys:
        yield "collector.receipt_keys: at least one key is due; `shyraq-collector keygen` prints it"
    for index, text in enumerate(keys):
        try:
            load_evidence_key(bytes.fromhex(text))
        except (ValueError, WireError) as error:
            yield f"collector.receipt_keys[{index}]: 64 hexadecimal digits are due ({error})"


def _broken_broker(path: str, broker: BrokerSettings) -> Iterator[str]:
    files = (broker.tls_ca_file, broker.tls_cert_file, broker.tls_key_file)
    if broker.tls and broker.tls_ca_file is None:
        yield f"{path}.tls_ca_file: the broker's issuer is due, or tls = false"
    if not broker.tls and any(files):
        yield f"{path}.tls: false, yet TLS files are named"
    if broker.tls_key_file is not None and broker.tls_cert_file is None:
        yield f"{path}.tls_key_file: a key without tls_cert_file"


def _broken_addresses(settings: Settings) -> Iterator[str]:
    for index, gateway in enumerate(settings.network.gateways):
        if not is_address(gateway):
            yield f"network.gateways[{index}]: an IP address is due"
    for index, resolver in enumerate(settings.resolver):
        if not is_address(resolver.address):
            yield f"resolver[{index}].address: an IP address is due"


def _broken_rung(path: str, rung: RungSettings, gateways: tuple[str, ...]) -> Iterator[str]:
    if rung.tier == "link":
        yield f"{path}.tier: link needs no rung, it is read from the host"
    if rung.proof == "ping" and rung.tier != "gateway":
        yield f"{path}.proof: ping proves only the gateway; tls or echo is due"
    if rung.proof != "ping" and rung.port == 0:
        yield f"{path}.port: 1 to 65535 is due"
    if rung.proof == "dns" and rung.tier != "resolver":
        yield f"{path}.proof: dns proves only the resolver; tls or echo is due"
    for key, text in (("host", rung.host.partition("%")[0]), ("server_name", rung.server_name)):
        try:
            if text is not None:
                check_host(text)
        except ValueError as error:
            yield f"{path}.{key}: {error}"
    if rung.tier == "gateway" and rung.host not in gateways:
        yield f"{path}.host: not one of network.gateways; nothing else at home is touched"


def _broken_probes(
    path: str, kind: TargetKind, probes: tuple[str, ...], settings: Settings
) -> Iterator[str]:
    if probes and kind in ("quic", "route", "service"):
        yield f"{path}: this way of writing stands for one probe; leave probes out"
        return
    for wrong in filter(None, (misuse(probe, kind) for probe in probes)):
        yield f"{path}: {wrong}"
    if "rate" in probes and settings.responder.name is None:
        yield f"{path}: rate needs [responder]"


def _broken_responder(responder: ResponderSettings) -> Iterator[str]:
    arms = {
        "neutral_address": responder.neutral_address,
        "target_address": responder.target_address,
        "rate_address": responder.rate_address,
    }
    for key, address in arms.items():
        if responder.name is not None and address is None:
            yield f"responder.{key}: needed with responder.name"
        if address is not None and not is_address(address):
            yield f"responder.{key}: an IP address is due"
    neutral = responder.neutral_address
    if neutral is not None and neutral == responder.target_address:
        yield "responder.target_address: not neutral_address, a block can linger on an address"
    if responder.name is None:
        if responder.send_names:
            yield "responder.send_names: there is no responder.name"
        return
    try:
        check_host(responder.name)
    except ValueError as error:
        yield f"responder.name: {error}"


def _broken_pairs(settings: Settings) -> Iterator[str]:
    pairs, cadence_s = settings.name_pair, settings.cadence.name_pair_s
    try:
        check_host(pairs.neutral_name)
    except ValueError as error:
        yield f"name_pair.neutral_name: {error}"
    many = sum("name_pair" in target.probes for target in settings.target)
    if many * pairs.washout_s > cadence_s:
        yield (
            f"cadence.name_pair_s: {many} targets, {pairs.washout_s} s of washout each, do not fit "
            f"into {cadence_s} s: {many * pairs.washout_s} at least"
        )


def _broken_window(path: str, window: WindowSettings) -> Iterator[str]:
    moments = []
    for key, text in (("begins", window.begins), ("ends", window.ends)):
        try:
            moments.append(parse_moment(text))
        except WireError as error:
            yield f"{path}.{key}: {error}"
    if len(moments) == 2 and moments[0] >= moments[1]:
        yield f"{path}.ends: it must come after begins"


def _broken_directory(path: Path) -> Iterator[str]:
    parent = path
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir():
        yield f"node.state_directory: {parent} is not a directory"


def _broken_tls(path: str, broker: BrokerSettings) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=broker.tls_ca_file)
    except OSError as error:
        yield f"{path}.tls_ca_file: {broker.tls_ca_file}: {_why(error)}"
    if broker.tls_cert_file is None:
        return
    key_file = broker.tls_key_file or broker.tls_cert_file
    try:
        context.load_cert_chain(broker.tls_cert_file, key_file)
        if stat.S_IMODE(key_file.stat().st_mode) & 0o077:
            yield f"{path}.tls_key_file: others can read it: chmod 600 {key_file}"
    except OSError as error:
        yield f"{path}.tls_cert_file: {broker.tls_cert_file}: {_why(error)}"


def _unreadable(path: str, file: Path) -> Iterator[str]:
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        yield f"{path}: {file}: {_why(error)}"


def _why(error: OSError) -> str:
    return error.strerror or str(error)
