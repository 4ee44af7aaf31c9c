"""A part of the table that takes seconds, for every test run; `make lab` runs the whole."""

from typing import Final

from netlab.rows import ROWS

_FEW_IDS: Final = (
    "sni-drop: https://news6.example/",
    "forced-root-in-store: https://news.example/",
    "block-page: http://news.example/",
    "address-drop: https://news6.example/",
    "dns-injection: https://news.example/",
    "dns-dead-address: https://news.example/",
    "edge-down: https://edge.example/",
    "host-reset: http://news6.example/",
    "udp443-block: quic://news.example:443",
    "sni-drop: messenger:whatsapp-web",
    "address-drop: messenger:telegram",
    "nothing: quic://news6.example:443",
    "nothing: messenger:signal",
    "forced-certificate: name_pair news.example:443",
    "nothing: https://news.example/",
    "nothing: https://forged.example/",
    "nothing: https://cdn.example/",
    "clock-skew: https://fresh.example/",
    "captive-portal: http://news.example/",
    "ipv6-cut: https://news6.example/",
    "link-cut: https://news.example/",
    "white-list: https://gov.example/",
    "mqtt-block: https://news.example/",
)

FEW: Final = tuple(row for row in ROWS if row.id in _FEW_IDS)
"""A part that takes seconds, for every test run."""
