"""The Japanese texts of the Zabbix templates: `japanese` translates what the other zabbix_*.py files say in English.

The words are those of docs/glossary.md and of the Japanese Zabbix front end. Keys, tags, macros and UUIDs have no
language, so a host keeps its items, and their history, when its template changes the language.
"""

import re

from tools.zabbix_macros import CONTEXT

PREFIXES = {
    "Sensor {#SENSOR}: ": "センサー {#SENSOR}: ",
    "Sensor *: ": "センサー *: ",  # the pattern of such names in a widget
    "USB-RH: ": "USB-RH: ",
    "Journal: ": "ジャーナル: ",
    ": ": ": ",  # the end of such names in an override
}
LIMIT = re.compile(r"(?P<side>above|below) (?P<limit>.+) for (?P<window>\{\$USBRH\.WINDOW\})")
"""Why a problem with a threshold exists, in its event name."""
RANGE = re.compile(r"(?P<critical>Critical limits: )?(?P<low>\{\$\S+) to (?P<high>\{\$\S+) (?P<unit>°C|%)")
"""The thresholds of an item, a line of its description."""
REPLACED = re.compile(r'(?<=,)"([^"^]+)"')
"""What the function of a macro puts in place of a value."""

TEXTS = {
    # Templates
    "USB-RH by Zabbix trapper": "USB-RH（Zabbix トラッパー）",
    "USB-RH by Zabbix agent": "USB-RH（Zabbix エージェント）",
    "USB-RH by Zabbix agent active": "USB-RH（Zabbix エージェント、アクティブチェック）",
    "The service (usbrh run) or a timer (usbrh send) sends the values.":
        "サービス（usbrh run）またはタイマー（usbrh send）が値を送信します。",
    "The server asks Zabbix agent or agent 2, which needs usbrh.conf in its zabbix_agentd.d.":
        "サーバーが Zabbix エージェントまたはエージェント 2 に問い合わせます。"
        "エージェントの zabbix_agentd.d に usbrh.conf が必要です。",
    "Zabbix agent or agent 2, which needs usbrh.conf in its zabbix_agentd.d, sends the values as active checks.":
        "Zabbix エージェントまたはエージェント 2 がアクティブチェックで値を送信します。"
        "エージェントの zabbix_agentd.d に usbrh.conf が必要です。",
    "Temperature, humidity, dew point from Strawberry Linux USB hygrometers (USB-RH, USBRH2).":
        "ストロベリー・リナックスの USB 温湿度計（USB-RH、USBRH2）による温度、湿度、露点。",
    "Thresholds are macros. A macro with a sensor's name as context is for this sensor:":
        "しきい値はマクロです。センサー名をコンテキストに指定したマクロは、そのセンサーだけに適用されます:",
    '{$USBRH.TEMP.MAX.CRIT:"living-room"}': '{$USBRH.TEMP.MAX.CRIT:"living-room"}',
    # Items
    "Sensor discovery": "センサーの検出",
    "Finds the sensors that are plugged in.": "接続されているセンサーを検出します。",
    "Get reading": "測定値の取得",
    "One reading as JSON, the master item of all items of the sensor. {#MODEL} at USB port {#PORT}.":
        "JSON 形式の 1 回分の測定値。このセンサーの全アイテムのマスターアイテム。{#MODEL}、USB ポート {#PORT}。",
    "Temperature": "温度",
    "Air temperature, calibrated. Limits:": "気温（校正後）。しきい値:",
    "Humidity": "湿度",
    "Relative humidity, calibrated. Limits:": "相対湿度（校正後）。しきい値:",
    "Dew point": "露点",
    "Water condenses on surfaces that are colder than this.": "この温度より冷たい面は結露します。",
    "Absolute humidity": "絶対湿度",
    "Mass of water per volume of air. Suitable to compare the air indoors and outdoors.":
        "空気の体積あたりの水の質量。屋内と屋外の空気の比較に適しています。",
    "Frost point": "霜点",
    "Frost forms on surfaces that are colder than this. It has values below 0 °C only.":
        "この温度より冷たい面には霜が付きます。値があるのは 0 °C 未満のときだけです。",
    "Vapour deficit": "飽差",
    "How much more water the air can contain.": "空気がさらに含むことのできる水の質量。",
    "Vapour pressure deficit": "飽差（VPD）",
    "VPD of the air. A leaf with another temperature has another deficit.":
        "空気の飽差（VPD）。葉の温度が気温と異なるときは、葉の飽差も異なります。",
    "Discomfort index": "不快指数",
    "From 75 on, many people feel uncomfortable; from 80 on, most people. It is made for warm air.":
        "75 以上では多くの人が、80 以上ではほとんどの人が不快に感じます。暖かい空気のための指数です。",
    "State": "状態",
    "Result of the last reading: OK, or the kind of error.": "最後の測定の結果。正常、またはエラーの種類。",
    "Error": "エラー",
    "The last error and its remedy.": "最後のエラーとその対処。",
    "no error": "エラーなし",
    "Status word": "ステータスワード",
    "Status word of the sensor chip, normally 0x8010 (USBRH2 only).":
        "センサーチップのステータスワード。通常は 0x8010（USBRH2 のみ）。",
    "Heater": "ヒーター",
    "Heater of the sensor chip. While it is on, temperature and humidity are not recorded.":
        "センサーチップのヒーター。オンの間、温度と湿度は記録されません。",
    "Get bridge state": "usbrh の状態の取得",
    "The state of usbrh itself as JSON, the master item of all items of usbrh.":
        "JSON 形式の usbrh 自身の状態。usbrh の全アイテムのマスターアイテム。",
    "usbrh version": "usbrh のバージョン",
    "Version of usbrh.": "usbrh のバージョン。",
    "Number of sensors": "センサー数",
    "Number of sensors that are plugged in.": "接続されているセンサーの数。",
    "usbrh uptime": "usbrh の稼働時間",
    "Time since the service started (trapper only).": "サービスの起動からの経過時間（トラッパーのみ）。",
    "Readings since start": "起動後の測定回数",
    "Successful readings since the service started (trapper only).":
        "サービスの起動後に成功した測定の回数（トラッパーのみ）。",
    "Failed readings since start": "起動後の失敗回数",
    "Failed readings since the service started (trapper only).":
        "サービスの起動後に失敗した測定の回数（トラッパーのみ）。",
    "Waiting readings": "送信待ちの測定値",
    "Readings that wait for delivery to a destination.": "送信先への送信を待っている測定値の件数。",
    "Age of the oldest waiting reading": "最も古い送信待ちの測定値の経過時間",
    "Age of the oldest reading that waits for delivery.": "送信を待っている最も古い測定値の、測定からの経過時間。",
    "Rejected readings": "拒否された測定値",
    "Readings that a Zabbix server rejected. See: usbrh journal status":
        "Zabbix サーバーが拒否した測定値の件数。確認方法: usbrh journal status",
    "1 while usbrh zabbix test-alert raises its problem.": "usbrh zabbix test-alert が障害を発生させている間は 1。",
    # Value maps
    "USB-RH state": "USB-RH の状態",
    "OK": "正常",
    "Not plugged in": "未接続",
    "No permission": "権限なし",
    "In use by another program": "ほかのプログラムが使用中",
    "No answer": "応答なし",
    "Invalid report": "不正なレポート",
    "USB transfer failed": "USB 転送の失敗",
    "libusb missing": "libusb なし",
    "Configuration error": "設定エラー",
    "Failed": "失敗",
    "USB-RH heater": "USB-RH のヒーター",
    "Off": "オフ",
    "On": "オン",
    "USB-RH test": "USB-RH のテスト",
    "No test": "テストなし",
    "Test": "テスト中",
    # Overrides of the discovery rule
    "Excluded sensors": "対象外のセンサー",
    "USB-RH without status word": "ステータスワードのない USB-RH",
    # Triggers: names, then the reasons in brackets of the event names
    "Temperature critically high": "温度が危険なほど高い",
    "Temperature high": "温度が高い",
    "Temperature critically low": "温度が危険なほど低い",
    "Temperature low": "温度が低い",
    "Humidity critically high": "湿度が危険なほど高い",
    "Humidity high": "湿度が高い",
    "Humidity critically low": "湿度が危険なほど低い",
    "Humidity low": "湿度が低い",
    "Risk of condensation": "結露のおそれ",
    'dew point less than {$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"} °C below the temperature for {$USBRH.WINDOW}':
        '{$USBRH.WINDOW} の間、露点と温度の差が {$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"} °C 未満',
    "Risk of frost": "着霜のおそれ",
    'dew point below 0 °C, and less than {$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"} °C below the temperature for '
    "{$USBRH.WINDOW}":
        '{$USBRH.WINDOW} の間、露点が 0 °C 未満、かつ温度との差が {$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"} °C 未満',
    "Vapour pressure deficit high": "飽差（VPD）が大きい",
    "Vapour pressure deficit low": "飽差（VPD）が小さい",
    "Discomfort index high": "不快指数が高い",
    "Temperature rises fast": "温度が急上昇",
    'more than {$USBRH.RISE.MAX.WARN:"{#SENSOR}"} °C in {$USBRH.RISE.WINDOW}':
        '{$USBRH.RISE.WINDOW} で {$USBRH.RISE.MAX.WARN:"{#SENSOR}"} °C を超える上昇',
    "Values do not change": "値が変化しない",
    'temperature and humidity unchanged for {$USBRH.STUCK.WINDOW:"{#SENSOR}"}':
        '{$USBRH.STUCK.WINDOW:"{#SENSOR}"} の間、温度も湿度も変化なし',
    "No data": "データなし",
    'no reading for {$USBRH.NODATA:"{#SENSOR}"}': '{$USBRH.NODATA:"{#SENSOR}"} の間、測定値の受信なし',
    "nothing from usbrh for {$USBRH.BRIDGE.NODATA}": "{$USBRH.BRIDGE.NODATA} の間、usbrh からの受信なし",
    "Sensor disconnected": "センサーが未接続",
    "not plugged in at three readings in a row": "3 回連続の測定で未接続",
    "Readings fail": "測定に失敗",
    "three in a row": "3 回連続",
    "Heater is on": "ヒーターがオン",
    "Number of sensors increased": "センサー数が増加",
    "Number of sensors decreased": "センサー数が減少",
    "now {ITEM.VALUE1}": "現在 {ITEM.VALUE1}",
    "Backlog of readings": "未送信の測定値が蓄積",
    "more than {$USBRH.JOURNAL.WAITING.MAX.WARN}, or one older than {$USBRH.JOURNAL.AGE.MAX.WARN}":
        "{$USBRH.JOURNAL.WAITING.MAX.WARN} 件を超過、または {$USBRH.JOURNAL.AGE.MAX.WARN} より古い測定値あり",
    "Test alert": "障害通知のテスト",
    "somebody tests the alerts with usbrh zabbix test-alert": "usbrh zabbix test-alert によるテスト中",
    "Readings are rejected": "測定値の拒否",
    "for {$USBRH.WINDOW}": "{$USBRH.WINDOW} 継続",
    # Triggers: descriptions
    "Off by default. Enable the trigger prototype to use it.":
        "デフォルトでは無効です。使用するには、トリガーのプロトタイプを有効にしてください。",
    "The temperature is above the critical threshold.": "温度が危険を示す上限しきい値を超えています。",
    "The temperature is above the threshold.": "温度が上限しきい値を超えています。",
    "The temperature is below the critical threshold.": "温度が危険を示す下限しきい値を下回っています。",
    "The temperature is below the threshold.": "温度が下限しきい値を下回っています。",
    "The humidity is above the critical threshold.": "湿度が危険を示す上限しきい値を超えています。",
    "The humidity is above the threshold.": "湿度が上限しきい値を超えています。",
    "The humidity is below the critical threshold.": "湿度が危険を示す下限しきい値を下回っています。",
    "The humidity is below the threshold.": "湿度が下限しきい値を下回っています。",
    "Water condenses on surfaces that are slightly colder than the air.":
        "空気よりわずかに冷たい面が結露します。",
    "Frost forms on surfaces slightly colder than the air. Off by default. Enable the trigger prototype to use it.":
        "空気よりわずかに冷たい面に霜が付きます。デフォルトでは無効です。使用するには、トリガーのプロトタイプを有効にして"
        "ください。",
    "The cooling may have failed.": "冷房が停止した可能性があります。",
    "The temperature of air changes by hundredths of a degree all the time. The sensor may be broken or wet.":
        "気温は常に 0.01 °C 単位で変化しています。センサーが故障しているか、濡れている可能性があります。",
    "Zabbix received neither readings nor errors. Run: usbrh doctor":
        "測定値もエラーも受信していません。確認方法: usbrh doctor",
    "The sensor is no longer plugged in.": "センサーが接続されていません。",
    "The item Error shows the cause and its remedy.": "原因と対処はアイテム「エラー」に表示されます。",
    "Temperature and humidity are not recorded meanwhile.": "その間、温度と湿度は記録されません。",
    "Zabbix received no data from usbrh on this host. Run there: usbrh doctor":
        "このホストの usbrh からデータを受信していません。そのマシンでの確認方法: usbrh doctor",
    "More sensors are plugged in than before.": "接続されているセンサーが増えました。",
    "Fewer sensors are plugged in than before.": "接続されているセンサーが減りました。",
    "A destination does not accept readings. Run: usbrh journal status":
        "送信先が測定値を受信していません。確認方法: usbrh journal status",
    "Nothing is wrong. It has the severity of a critical temperature, so it takes the same route to a person.":
        "実際の異常ではありません。深刻度が危険な温度の障害と同じなので、同じ経路で通知されます。",
    "A server rejects some readings. Run: usbrh journal status":
        "サーバーが一部の測定値を拒否しています。確認方法: usbrh journal status",
    # Triggers: operational data
    "Now: {ITEM.LASTVALUE1}": "現在値: {ITEM.LASTVALUE1}",
    "Temperature: {ITEM.LASTVALUE1}, dew point: {ITEM.LASTVALUE2}": "温度: {ITEM.LASTVALUE1}、露点: {ITEM.LASTVALUE2}",
    "Temperature: {ITEM.LASTVALUE1}, humidity: {ITEM.LASTVALUE3}": "温度: {ITEM.LASTVALUE1}、湿度: {ITEM.LASTVALUE3}",
    "State: {ITEM.LASTVALUE1}": "状態: {ITEM.LASTVALUE1}",
    "Waiting: {ITEM.LASTVALUE1}, oldest: {ITEM.LASTVALUE2}":
        "送信待ち: {ITEM.LASTVALUE1} 件、最も古い測定値: {ITEM.LASTVALUE2} 前",
    "Rejected: {ITEM.LASTVALUE1}": "拒否: {ITEM.LASTVALUE1} 件",
    # Macros
    CONTEXT: "コンテキストにセンサー名を指定できます。",
    "Interval at which the agent is asked for a reading (agent templates only)":
        "エージェントに測定値を問い合わせる間隔（エージェント用テンプレートのみ）",
    "Sensors whose name matches are monitored": "名前が一致するセンサーを監視します",
    "Sensors whose name matches are excluded": "名前が一致するセンサーを監視対象から除きます",
    "Critical upper threshold of the temperature in °C": "温度の上限しきい値（危険、°C）",
    "Upper threshold of the temperature in °C": "温度の上限しきい値（警告、°C）",
    "Lower threshold of the temperature in °C": "温度の下限しきい値（警告、°C）",
    "Critical lower threshold of the temperature in °C": "温度の下限しきい値（危険、°C）",
    "Hysteresis of the temperature in °C: a problem ends this far inside the threshold":
        "温度のヒステリシス（°C）。値がしきい値からこの幅だけ内側に戻ると障害が復旧します",
    "Critical upper threshold of the humidity in %RH": "湿度の上限しきい値（危険、%RH）",
    "Upper threshold of the humidity in %RH": "湿度の上限しきい値（警告、%RH）",
    "Lower threshold of the humidity in %RH": "湿度の下限しきい値（警告、%RH）",
    "Critical lower threshold of the humidity in %RH": "湿度の下限しきい値（危険、%RH）",
    "Hysteresis of the humidity in %RH: a problem ends this far inside the threshold":
        "湿度のヒステリシス（%RH）。値がしきい値からこの幅だけ内側に戻ると障害が復旧します",
    "Time beyond a threshold that starts a problem, and within it that ends it":
        "障害の発生または復旧とみなすまでの、しきい値の外側または内側にとどまる時間",
    "Smallest difference between temperature and dew point in °C": "温度と露点の差の下限しきい値（°C）",
    "Largest rise of the temperature in °C within {$USBRH.RISE.WINDOW}":
        "{$USBRH.RISE.WINDOW} の間の温度上昇の上限しきい値（°C）",
    "Time in which the temperature must not rise by more than {$USBRH.RISE.MAX.WARN}":
        "温度上昇を {$USBRH.RISE.MAX.WARN} と比較する時間幅",
    "Time after which unchanged values of a sensor are a problem": "値が変化しない状態を障害とみなすまでの時間",
    "Time after which missing readings of a sensor are a problem": "測定値の途絶を障害とみなすまでの時間",
    "Time after which missing data of usbrh is a problem; less than {$USBRH.NODATA}":
        "usbrh からのデータの途絶を障害とみなすまでの時間。{$USBRH.NODATA} より短くしてください",
    "Upper threshold of the vapour pressure deficit in kPa": "飽差（VPD）の上限しきい値（kPa）",
    "Lower threshold of the vapour pressure deficit in kPa": "飽差（VPD）の下限しきい値（kPa）",
    "Hysteresis of the vapour pressure deficit in kPa": "飽差（VPD）のヒステリシス（kPa）",
    "Upper threshold of the discomfort index": "不快指数の上限しきい値",
    "Hysteresis of the discomfort index": "不快指数のヒステリシス",
    "Largest number of readings that may wait for delivery": "送信待ちの測定値の件数の上限しきい値",
    "Largest age of a reading that waits for delivery": "送信待ちの測定値の経過時間の上限しきい値",
    # The Host Wizard
    "1. Install usbrh on the machine with the sensors. Run there: `sudo usbrh setup`":
        "1. センサーを接続したマシンに usbrh をインストールし、`sudo usbrh setup` を実行します。",
    "2. Set `servers` in /etc/usbrh/usbrh.toml to the address of this Zabbix server or of a proxy.":
        "2. /etc/usbrh/usbrh.toml の `servers` に、この Zabbix サーバーまたはプロキシのアドレスを設定します。",
    "3. Start the service: `sudo systemctl enable --now usbrh`":
        "3. サービスを起動します: `sudo systemctl enable --now usbrh`",
    "4. Check the route: `sudo usbrh zabbix check`": "4. 経路を確認します: `sudo usbrh zabbix check`",
    "The host name must be the `host` of usbrh's configuration. The default is the name of that machine.":
        "ホスト名は、usbrh の設定の `host` と同じにしてください。デフォルトはそのマシンの名前です。",
    "2. Restart the agent: `sudo systemctl restart zabbix-agent` or `zabbix-agent2`":
        "2. エージェントを再起動します: `sudo systemctl restart zabbix-agent`（または `zabbix-agent2`）",
    "3. Check on the server: `zabbix_get -s ADDRESS -k usbrh.discovery`":
        "3. サーバーで確認します: `zabbix_get -s ADDRESS -k usbrh.discovery`",
    "The host name must be the `Hostname` of the agent's configuration.":
        "ホスト名は、エージェントの設定の `Hostname` と同じにしてください。",
    # Graphs and the dashboard
    "USB-RH": "USB-RH",
    "Temperature and dew point": "温度と露点",
    "Journal": "ジャーナル",
    "Overview": "概要",
    "Curves": "グラフ",
    "Bridge": "usbrh",
    "Problems": "障害",
    "Problems by severity": "深刻度ごとの障害数",
    "Number of sensors, last seen": "センサー数、最終受信",
    '{{ITEM.NAME}.regsub("^Sensor (.*): ", "\\1")}': '{{ITEM.NAME}.regsub("^センサー (.*): ", "\\1")}',
    '{{ITEM.DESCRIPTION}.regsub("\\n(.*)\\n", "\\1")}': '{{ITEM.DESCRIPTION}.regsub("\\n(.*)\\n", "\\1")}',
}  # fmt: skip


def japanese(text: str) -> str:
    """Return the Japanese text for an English one.

    Raises:
        LookupError: ``TEXTS`` has none.
    """
    if text in TEXTS:
        return TEXTS[text]
    if "\n" in text:
        return "\n".join(line and japanese(line) for line in text.split("\n"))
    if text.endswith(f" {CONTEXT}"):
        return japanese(text.removesuffix(f" {CONTEXT}")) + japanese(CONTEXT)
    for prefix, own in PREFIXES.items():
        if text.startswith(prefix):
            return own + japanese(text.removeprefix(prefix))
    name, bracket, reason = text.partition(" (")
    if bracket and reason.endswith(")"):
        return f"{japanese(name)}（{japanese(reason[:-1])}）"
    if match := RANGE.fullmatch(text):
        return f"{'危険: ' if match['critical'] else ''}{match['low']}〜{match['high']} {match['unit']}"
    if text.startswith("{{ITEM.LASTVALUE}.regrepl("):
        return REPLACED.sub(lambda each: f'"{japanese(each[1])}"', text)
    if match := LIMIT.fullmatch(text):
        beyond = "超" if match["side"] == "above" else "未満"
        return f"{match['window']} の間 {match['limit']} {beyond}"
    if text.endswith("."):
        return f"{japanese(text[:-1])}。"
    raise LookupError(f"tools/zabbix_japanese.py has no Japanese for {text!r}")
