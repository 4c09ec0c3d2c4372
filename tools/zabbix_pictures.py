"""Create docs/images/zabbix-*.png: `python -m tools.zabbix_pictures`.

Before, run `pytest tests/zabbix/test_seen.py tests/zabbix/test_dashboards.py`. The tests leave full-color pictures of
Zabbix 7.0 in tests/output. With a palette they need less space. zabbix-dashboard-before.png shows the first templates
with the same sensors; nothing creates it again.
"""

from pathlib import Path

from PIL import Image

TOP = Path(__file__).parent.parent
FROM = TOP / "tests" / "output"
TO = TOP / "docs" / "images"
PICTURES = {
    "dashboards/en-3-screen.png": "zabbix-dashboard.png",
    "dashboards/ja-3-screen.png": "zabbix-dashboard-ja.png",
    "dashboards/en-3-phone.png": "zabbix-phone.png",
    "zabbix-7.0/dashboard-2.png": "zabbix-curves.png",
    "zabbix-7.0/latest-data.png": "zabbix-latest-data.png",
    "zabbix-7.0/problems-recovered.png": "zabbix-problems.png",
}
COLORS = 255


def main() -> None:
    """Write the pictures."""
    for source, target in PICTURES.items():
        with Image.open(FROM / source) as picture:
            picture.convert("RGB").quantize(COLORS).save(TO / target, optimize=True)
        print(TO / target)


if __name__ == "__main__":
    main()
