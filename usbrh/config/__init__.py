"""``usbrh.toml`` and the environment as one frozen, validated ``Config``."""

from usbrh.config.model import BridgeConfig, Config, JournalConfig, SensorConfig, ZabbixConfig, load

__all__ = ["BridgeConfig", "Config", "JournalConfig", "SensorConfig", "ZabbixConfig", "load"]
