"""The collector's configuration: one TOML file, read once, frozen.

`settings`   every key, with its docstring, default and range
`reader`     from TOML tables to those dataclasses, collecting every mistake
`load`       the file, and what the rest of the collector takes from it
`keys`       the receipt key on disk
`reference`  the documentation of every key, from the docstrings

The keys are documented in docs/reference/collector-configuration.md, printed from the docstrings.
"""

from shyraq_collector.config.load import CollectorConfig, load_config, parse_config

__all__ = ["CollectorConfig", "load_config", "parse_config"]
