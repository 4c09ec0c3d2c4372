"""Communication with Zabbix: sender protocol, TLS, agent configuration, API, templates, provisioning."""
