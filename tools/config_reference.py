"""Write the tables of docs/configuration.md and its Japanese version from usbrh/config/model.py.

    python -m tools.config_reference           write the tables
    python -m tools.config_reference --check   change nothing; exit with status 1 if a table is outdated

Keys, value types, bounds, defaults and environment variables come from the program. This file adds their meaning.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from benchmarks.document import TOP
from usbrh.config import BridgeConfig, JournalConfig, OutputConfig, SensorConfig, ZabbixConfig
from usbrh.config import value_types as types
from usbrh.config.model import key_types
from usbrh.config.value_types import ValueType, format_duration

SECTIONS: dict[str, type] = {
    "zabbix": ZabbixConfig,
    "bridge": BridgeConfig,
    "journal": JournalConfig,
    "output": OutputConfig,
    "sensor": SensorConfig,
}
LANGUAGES = {"en": TOP / "docs" / "configuration.md", "ja": TOP / "docs" / "configuration.ja.md"}

MEANINGS: dict[str, tuple[str, str]] = {
    "zabbix.agent_config": (
        "Configuration file of a Zabbix agent. Settings that are missing in `[zabbix]` come from it: `ServerActive`, "
        "`Hostname`, `SourceIP`, `TLS…`, as with `zabbix_sender -c`.",
        "Zabbix エージェントの設定ファイル。`[zabbix]` にない設定は、`zabbix_sender -c` と同様にこのファイルの "
        "`ServerActive`、`Hostname`、`SourceIP`、`TLS…` を使用。",
    ),
    "zabbix.servers": (
        "Zabbix servers or proxies; the default port is 10051. Every entry gets every reading. Within an entry, `;` "
        "separates the nodes of a cluster; one of them gets the readings. With an empty list, usbrh sends nothing: "
        "readings stay in the journal, where a Zabbix agent on this machine finds them. The address identifies the "
        "destination: with another spelling of it, the waiting readings stay in the queue.",
        "Zabbix サーバーまたはプロキシ。ポートのデフォルトは 10051。すべての送信先にすべての測定値を送信。"
        "1 つの送信先の中の `;` はクラスターのノードの区切りで、送信するのはそのうちの 1 ノード。"
        "空のリストでは送信せず、測定値はジャーナルに残り、このマシンの Zabbix エージェントから取得可能。"
        "送信先はアドレスで識別するため、書き方を変えても送信待ちの測定値はキューに残る。",
    ),
    "zabbix.host": (
        'The "Host name" (not the "Visible name") of the Zabbix host that the items belong to. Without it, the name of '
        "this machine.",
        "アイテムが属する Zabbix ホストの「ホスト名」（「表示名」ではない）。省略時はこのマシンの名前。",
    ),
    "zabbix.source_ip": ("The address of this machine to send from.", "送信元として使用する、このマシンのアドレス。"),
    "zabbix.url": (
        "Address of the Zabbix front end, for the commands that use its API. Readings do not need it.",
        "Zabbix の Web インターフェースのアドレス。API を使うコマンド用（測定値の送信には不要）。",
    ),
    "zabbix.token_file": (
        "File with an API token, readable only by the users of these commands.",
        "API トークンのファイル（API を使うコマンドのユーザーだけが読めるもの）。",
    ),
    "zabbix.timeout": (
        "Time limit for one whole exchange with a server.",
        "サーバーとの 1 回の通信全体の制限時間。",
    ),
    "zabbix.compression": ("Compress the data before sending.", "送信データの圧縮。"),
    "zabbix.autoregister": (
        "Announce the host, so that an [autoregistration action](zabbix.md#autoregistration) creates it.",
        "ホストを通知し、[自動登録アクション](zabbix.ja.md#自動登録)で作成させる設定。",
    ),
    "zabbix.metadata": (
        "Host metadata of the announcement. The action's condition compares it.",
        "通知に含めるホストメタデータ。アクションの実行条件で比較する文字列。",
    ),
    "zabbix.tls_connect": ("Encryption of the connection.", "接続の暗号化方式。"),
    "zabbix.tls_psk_identity": ("With `psk`: the PSK identity.", "`psk` の場合：PSK アイデンティティ。"),
    "zabbix.tls_psk_file": (
        "With `psk`: the file with the key, one line of 32 to 512 hexadecimal digits.",
        "`psk` の場合：鍵のファイル（32〜512 桁の 16 進数を 1 行）。",
    ),
    "zabbix.tls_ca_file": (
        "With `cert`: certificates of the trusted certificate authorities.",
        "`cert` の場合：信頼する認証局の証明書。",
    ),
    "zabbix.tls_crl_file": ("With `cert`: revoked certificates (CRL).", "`cert` の場合：証明書失効リスト（CRL）。"),
    "zabbix.tls_server_cert_issuer": (
        "With `cert`: the issuer that the server's certificate must have.",
        "`cert` の場合：サーバー証明書に必要な発行者。",
    ),
    "zabbix.tls_server_cert_subject": (
        "With `cert`: the subject that the server's certificate must have.",
        "`cert` の場合：サーバー証明書に必要なサブジェクト。",
    ),
    "zabbix.tls_cert_file": ("With `cert`: the certificate of usbrh.", "`cert` の場合：usbrh の証明書。"),
    "zabbix.tls_key_file": ("With `cert`: the private key of this certificate.", "`cert` の場合：その秘密鍵。"),
    "bridge.interval": ("Time from one reading to the next.", "測定の間隔。"),
    "bridge.align": (
        "Measure at whole multiples of the interval on the wall clock.",
        "間隔の倍数にあたる時刻（毎分 0 秒など）に測定。",
    ),
    "bridge.jitter": (
        "Random delay up to this time, chosen once at start, so that many machines do not send at the same moment.",
        "この時間を上限として、起動時に 1 回だけ決めるランダムな遅延。多数のマシンの同時送信を避けるための設定。",
    ),
    "journal.path": ("The file of the journal.", "ジャーナルのファイル。"),
    "journal.keep": (
        "How long delivered readings stay as local history.",
        "送信済みの測定値をローカルの履歴として保存する期間。",
    ),
    "journal.max_waiting": (
        "How many readings may wait for one destination. If there are more, the oldest expire: usbrh does not send "
        "them any more, counts them and logs them.",
        "1 つの送信先に対する送信待ちの最大件数。超過時は古いものから期限切れ（expired）とし、"
        "以後は送信せず、件数をログに記録。",
    ),
    "output.units": (
        "Unit of temperatures in output for people: `read`, `send`, `watch` and `plot`. Programs get °C.",
        "人が見る出力（`read`、`send`、`watch`、`plot`）の温度の単位。プログラム向けの出力は常に °C。",
    ),
    "sensor.name": (
        "The name of the sensor in all output, item keys included.",
        "センサーの名前。アイテムのキーを含むすべての出力で使用。",
    ),
    "sensor.coefficients": (
        "Coefficients for the conversion: `v3`, as in the vendor's software, or `v4`, from the newer data sheet "
        "([accuracy](accuracy.md)).",
        "換算に使用する係数。`v3` はメーカーのソフトウェアと同じ係数、`v4` は新しいデータシートの係数"
        "（[精度](accuracy.ja.md)）。",
    ),
    "sensor.supply": ("Supply voltage of the sensor chip in volts.", "センサーチップの電源電圧（V）。"),
    "sensor.temperature_offset": (
        "°C, added after conversion and scale.",
        "換算して倍率を掛けた後に加える値（°C）。",
    ),
    "sensor.temperature_scale": ("Factor, applied after conversion.", "換算後の値に掛ける倍率。"),
    "sensor.humidity_offset": ("%RH, added after conversion and scale.", "換算して倍率を掛けた後に加える値（%RH）。"),
    "sensor.humidity_scale": ("Factor, applied after conversion.", "換算後の値に掛ける倍率。"),
    "sensor.spike": (
        "°C and %RH. If temperature or humidity changes by more from one round of `usbrh run`, `log` or `watch` to the "
        'next, usbrh measures again immediately. The second result counts, and has the mark `"repeated": true`.',
        "°C と %RH。`usbrh run`、`log`、`watch` で、前回の測定からの温度または湿度の変化がこの値を超えた場合、"
        '直ちに再測定。2 回目の結果を採用し、`"repeated": true` の印を付ける。',
    ),
    "sensor.led": (
        "Your own names for LED 1 and 2, whose colours may differ between boards. With the word instead of the table, "
        "LED 1 is on during each measurement.",
        "LED 1 と 2 の名前。色は基板によって異なる場合あり。テーブルの代わりにこの語を書くと、測定中に LED 1 を点灯。",
    ),
}

_Words = tuple[str, str]


def _number(kind: types.Number) -> _Words:
    return f"number, {kind.at_least:g} to {kind.at_most:g}", f"数、{kind.at_least:g}〜{kind.at_most:g}"


_TYPES: dict[type[ValueType], Callable[[Any], _Words]] = {
    types.Text: lambda kind: (
        f"text, up to {kind.at_most} bytes",
        f"文字列、{kind.at_most} バイトまで",
    ),
    types.HostName: lambda kind: ("host name", "ホスト名"),
    types.SensorName: lambda kind: ("text, up to 64 characters", "文字列、64 文字まで"),
    types.IpAddress: lambda kind: ("IPv4 or IPv6 address", "IPv4 または IPv6 アドレス"),
    types.Choice: lambda kind: (
        " or ".join(f'`"{word}"`' for word in kind.words),
        "、".join(f'`"{word}"`' for word in kind.words) + " のいずれか",
    ),
    types.Boolean: lambda kind: ("`true` or `false`", "`true` または `false`"),
    types.Number: _number,
    types.NumberOrText: _number,
    types.Integer: lambda kind: (
        f"whole number, {kind.at_least} to {kind.at_most}",
        f"整数、{kind.at_least}〜{kind.at_most}",
    ),
    types.Duration: lambda kind: (
        f"time, {format_duration(kind.at_least)} to {format_duration(kind.at_most)}",
        f"時間、{format_duration(kind.at_least)}〜{format_duration(kind.at_most)}",
    ),
    types.FilePath: lambda kind: ("file", "ファイル"),
    types.ServerList: lambda kind: ("list of addresses", "アドレスのリスト"),
    types.LedNames: lambda kind: (
        f'table of names, each with 1 or 2; or `"{kind.MEASURING}"`',
        f'テーブル（名前 = 1 または 2）、または `"{kind.MEASURING}"`',
    ),
}
_HEADS = {
    "en": "| key | value | default | environment | meaning |",
    "ja": "| キー | 値 | デフォルト | 環境変数 | 意味 |",
}


def table(section: str, language: str) -> str:
    """Return the Markdown table of one section."""
    which = list(LANGUAGES).index(language)
    keys = key_types(SECTIONS[section])
    environment = section != "sensor"
    head = (
        _HEADS[language] if environment else "|".join(_HEADS[language].split("|")[:4] + _HEADS[language].split("|")[5:])
    )
    rows = [head, "| --- " * (head.count("|") - 1) + "|"]
    for item in fields(SECTIONS[section]):
        if item.name not in keys:
            continue
        value_type = keys[item.name]
        cells = [
            f"`{item.name}`",
            _TYPES[type(value_type)](value_type)[which],
            _default(value_type, item.default),
            *([f"`USBRH_{section.upper()}_{item.name.upper()}`"] if environment else []),
            MEANINGS[f"{section}.{item.name}"][which],
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _default(value_type: ValueType, value: Any) -> str:
    """Return the default in TOML notation, or a dash."""
    if value in (None, MISSING, ()):
        return "–"
    if isinstance(value_type, types.Duration):
        return f'`"{format_duration(value)}"`'
    if isinstance(value, bool):
        return f"`{value}`".lower()
    return f"`{value}`" if isinstance(value, int | float) else f'`"{value}"`'


def stale() -> Iterator[tuple[Path, str]]:
    """Yield each outdated page with its new content.

    Raises:
        ValueError: A page has no marks for a table.
    """
    for language, path in LANGUAGES.items():
        text = wanted = path.read_text(encoding="utf-8")
        for section in SECTIONS:
            before, begin, rest = wanted.partition(f"<!-- {section} -->\n")
            _, end, after = rest.partition(f"<!-- /{section} -->")
            if not begin or not end:
                raise ValueError(f"{path} has no marks <!-- {section} --> … <!-- /{section} -->")
            wanted = f"{before}{begin}{table(section, language)}\n{end}{after}"
        if wanted != text:
            yield path, wanted


def main() -> None:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit with status 1 if a page is outdated")
    check = parser.parse_args().check
    pages = list(stale())
    for path, wanted in pages:
        print(f"docs/{path.name} {'is outdated' if check else 'was written'}")
        if not check:
            path.write_text(wanted, encoding="utf-8")
    if check and pages:
        sys.exit("run: make documents")


if __name__ == "__main__":
    main()
