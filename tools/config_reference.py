"""Writes the tables of docs/configuration.md and its Japanese twin from what usbrh/config/model.py takes.

    python -m tools.config_reference           write them
    python -m tools.config_reference --check   change nothing; exit status 1 if one is stale

Keys, kinds, bounds, defaults and environment variables come from the program; only what a key is for is said here.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from benchmarks.document import TOP
from usbrh.config import kinds as settings
from usbrh.config.kinds import Kind, format_duration
from usbrh.config.model import BridgeConfig, JournalConfig, SensorConfig, ZabbixConfig, kinds_of

SECTIONS: dict[str, type] = {
    "zabbix": ZabbixConfig,
    "bridge": BridgeConfig,
    "journal": JournalConfig,
    "sensor": SensorConfig,
}
LANGUAGES = {"en": TOP / "docs" / "configuration.md", "ja": TOP / "docs" / "configuration.ja.md"}

MEANINGS: dict[str, tuple[str, str]] = {
    "zabbix.agent_config": (
        "An agent's configuration, from which comes what is not given here: `ServerActive`, `Hostname`, `SourceIP`, "
        "`TLS…`, as `zabbix_sender -c` takes them.",
        "エージェントの設定ファイル。`[zabbix]` で指定しなかった項目は、`zabbix_sender -c` と同じように、"
        "このファイルの `ServerActive`、`Hostname`、`SourceIP`、`TLS…` から取ります。",
    ),
    "zabbix.servers": (
        "Zabbix servers or proxies, port 10051 unless given. Every entry gets every reading; `;` in one separates the "
        "nodes of a cluster, of which one gets them. An empty list sends nothing: readings stay in the journal, where "
        "a Zabbix agent on this machine finds them.",
        "Zabbix サーバーまたはプロキシ。ポートを省くと 10051。すべての送信先にすべての測定値を送ります。"
        "ひとつの送信先の中の `;` は同じクラスターのノードの区切りで、そのうちのひとつに送ります。"
        "空のリストなら何も送らず、測定値はジャーナルに残り、このマシンの Zabbix エージェントがそこから答えます。",
    ),
    "zabbix.host": (
        "The technical name of the Zabbix host that the items belong to; without it, this machine's name.",
        "アイテムが属する Zabbix ホストの名前（表示名ではないほう）。省くと、このコンピューターの名前。",
    ),
    "zabbix.source_ip": ("The address of this machine to send from.", "送信元にする、このコンピューターのアドレス。"),
    "zabbix.timeout": ("For one whole exchange with a server.", "サーバーとの一回のやりとり全体にかけてよい時間。"),
    "zabbix.compression": ("Compress what is sent.", "送信データを圧縮します。"),
    "zabbix.tls_connect": ("Encryption.", "暗号化の方式。"),
    "zabbix.tls_psk_identity": ("With `psk`: the name of the key.", "`psk` のとき：鍵の名前。"),
    "zabbix.tls_psk_file": (
        "With `psk`: the file with the key, a line of 32 to 512 hexadecimal digits.",
        "`psk` のとき：鍵のファイル（32～512 桁の十六進数が一行）。",
    ),
    "zabbix.tls_ca_file": (
        "With `cert`: whose certificates are believed.",
        "`cert` のとき：信頼する認証局の証明書。",
    ),
    "zabbix.tls_crl_file": ("With `cert`: certificates that were revoked.", "`cert` のとき：失効リスト。"),
    "zabbix.tls_server_cert_issuer": (
        "With `cert`: the issuer that the server's certificate must have.",
        "`cert` のとき：サーバー証明書に求める発行者。",
    ),
    "zabbix.tls_server_cert_subject": (
        "With `cert`: the subject that the server's certificate must have.",
        "`cert` のとき：サーバー証明書に求めるサブジェクト。",
    ),
    "zabbix.tls_cert_file": ("With `cert`: our own certificate.", "`cert` のとき：こちらの証明書。"),
    "zabbix.tls_key_file": ("With `cert`: its private key.", "`cert` のとき：その秘密鍵。"),
    "bridge.interval": ("From one reading to the next.", "測定の間隔。"),
    "bridge.align": (
        "Measure at whole multiples of the interval on the wall clock.",
        "時刻が間隔のちょうど倍数になるとき（毎分 0 秒など）に測ります。",
    ),
    "bridge.jitter": (
        "A random delay up to this much, chosen once at start, so that many machines do not send at once.",
        "起動時に一度だけ、この範囲で無作為に決める遅れ。多数のコンピューターが一斉に送るのを避けます。",
    ),
    "journal.path": ("The journal's file.", "ジャーナルのファイル。"),
    "journal.keep": (
        "How long delivered readings are kept as local history.",
        "送信の済んだ測定値を手元の履歴として残す期間。",
    ),
    "journal.max_waiting": (
        "Readings that may wait for one destination; beyond that the oldest are given up, counted and logged.",
        "ひとつの送信先に対して送信待ちにできる測定値の数。超えると古いものから送信を諦め、件数を数えてログに残します。",
    ),
    "sensor.name": (
        "What the sensor is called everywhere, in item keys too.",
        "センサーの名前。アイテムのキーを含め、どこでもこの名前になります。",
    ),
    "sensor.coefficients": (
        "The data sheet's conversion: `v3` as the maker's own software does, or `v4`, the newer sheet "
        "([accuracy](accuracy.md)).",
        "データシートのどの係数で換算するか。`v3` はメーカーのソフトウェアと同じもの、`v4` は新しいデータシートのもの"
        "（[精度](accuracy.ja.md)）。",
    ),
    "sensor.supply": ("Volt at the sensor chip.", "センサーチップの電源電圧（V）。"),
    "sensor.temperature_offset": (
        "°C, added after conversion and scale.",
        "換算して倍率を掛けたあとに足す値（°C）。",
    ),
    "sensor.temperature_scale": ("Factor, applied after conversion.", "換算のあとに掛ける倍率。"),
    "sensor.humidity_offset": ("%RH, added after conversion and scale.", "換算して倍率を掛けたあとに足す値（%RH）。"),
    "sensor.humidity_scale": ("Factor, applied after conversion.", "換算のあとに掛ける倍率。"),
    "sensor.led": (
        "Words of your own for LED 1 and 2, whose colours differ between makes.",
        "LED 1 と 2 につける名前（色は製品によって異なります）。",
    ),
}

_Words = tuple[str, str]
_KINDS: dict[type[Kind], Callable[[Any], _Words]] = {
    settings.Text: lambda kind: (f"text, up to {kind.at_most} bytes", f"文字列、{kind.at_most} バイトまで"),
    settings.HostName: lambda kind: ("host name", "ホスト名"),
    settings.SensorName: lambda kind: ("text, up to 64 characters", "文字列、64 文字まで"),
    settings.IpAddress: lambda kind: ("IPv4 or IPv6 address", "IPv4 または IPv6 アドレス"),
    settings.Choice: lambda kind: (
        " or ".join(f'`"{word}"`' for word in kind.words),
        "、".join(f'`"{word}"`' for word in kind.words) + " のどれか",
    ),
    settings.Switch: lambda kind: ("`true` or `false`", "`true` または `false`"),
    settings.Number: lambda kind: (
        f"number, {kind.at_least:g} to {kind.at_most:g}",
        f"数、{kind.at_least:g}～{kind.at_most:g}",
    ),
    settings.Whole: lambda kind: (
        f"whole number, {kind.at_least} to {kind.at_most}",
        f"整数、{kind.at_least}～{kind.at_most}",
    ),
    settings.Duration: lambda kind: (
        f"time, {format_duration(kind.at_least)} to {format_duration(kind.at_most)}",
        f"時間、{format_duration(kind.at_least)}～{format_duration(kind.at_most)}",
    ),
    settings.FilePath: lambda kind: ("file", "ファイル"),
    settings.Servers: lambda kind: ("list of addresses", "アドレスのリスト"),
    settings.Leds: lambda kind: ("table of words and 1 or 2", "テーブル（名前 = 1 または 2）"),
}
_HEADS = {
    "en": "| key | value | default | environment | what for |",
    "ja": "| キー | 値 | 既定値 | 環境変数 | 意味 |",
}


def table(section: str, language: str) -> str:
    """The Markdown table of one section."""
    which = list(LANGUAGES).index(language)
    kinds = kinds_of(SECTIONS[section])
    environment = section != "sensor"
    head = (
        _HEADS[language] if environment else "|".join(_HEADS[language].split("|")[:4] + _HEADS[language].split("|")[5:])
    )
    rows = [head, "| --- " * (head.count("|") - 1) + "|"]
    for item in fields(SECTIONS[section]):
        if item.name not in kinds:
            continue
        kind = kinds[item.name]
        cells = [
            f"`{item.name}`",
            _KINDS[type(kind)](kind)[which],
            _default(kind, item.default),
            *([f"`USBRH_{section.upper()}_{item.name.upper()}`"] if environment else []),
            MEANINGS[f"{section}.{item.name}"][which],
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _default(kind: Kind, value: Any) -> str:
    """The default as one would write it in the file; a dash if there is none."""
    if value in (None, MISSING, ()):
        return "–"
    if isinstance(kind, settings.Duration):
        return f'`"{format_duration(value)}"`'
    if isinstance(value, bool):
        return f"`{value}`".lower()
    return f"`{value}`" if isinstance(value, int | float) else f'`"{value}"`'


def stale() -> Iterator[tuple[Path, str]]:
    """The pages that are not as they should be, each with what it should be.

    Raises:
        ValueError: a page has no place for a table.
    """
    for language, path in LANGUAGES.items():
        text = wanted = path.read_text(encoding="utf-8")
        for section in SECTIONS:
            before, begin, rest = wanted.partition(f"<!-- {section} -->\n")
            _, end, after = rest.partition(f"<!-- /{section} -->")
            if not begin or not end:
                raise ValueError(f"{path} has no place <!-- {section} --> … <!-- /{section} -->")
            wanted = f"{before}{begin}{table(section, language)}\n{end}{after}"
        if wanted != text:
            yield path, wanted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 if a page is stale")
    check = parser.parse_args().check
    pages = list(stale())
    for path, wanted in pages:
        print(f"docs/{path.name} is {'stale' if check else 'written'}")
        if not check:
            path.write_text(wanted, encoding="utf-8")
    if check and pages:
        sys.exit("run: make documents")


if __name__ == "__main__":
    main()
