"""The configuration: ``usbrh.toml`` and environment variables as one frozen, validated ``Config``."""

from usbrh.config.loader import load
from usbrh.config.model import BridgeConfig, Config, JournalConfig, OutputConfig, SensorConfig, ZabbixConfig

__all__ = ["BridgeConfig", "Config", "JournalConfig", "OutputConfig", "SensorConfig", "ZabbixConfig", "load"]
