"""What is known of Zabbix: its sender protocol, delivery, the agent's configuration file, the API."""
