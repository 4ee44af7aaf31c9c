"""The agent's configuration: one TOML file, read once, frozen.

`settings`    every key, with its docstring, default and range; `probing` those of what is measured
`reader`      from a TOML table to those dataclasses, collecting mistakes
`rules`       what must hold between keys, and of the files they name
`plan`        what the rest of the agent takes: endpoints, ladder, targets
`traffic`     what it will cost
`reference`   the documentation of every key, from the docstrings
`load`        all of it in order

Nothing in a configuration can widen the address policy or raise a compiled-in ceiling.
"""

from shyraq_agent.config.load import AgentConfig, load_config, parse_config

__all__ = ["AgentConfig", "load_config", "parse_config"]
