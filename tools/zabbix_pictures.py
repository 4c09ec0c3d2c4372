"""Create docs/images/zabbix-*.png: `python -m tools.zabbix_pictures`, after `pytest tests/zabbix/test_seen.py`.

The test leaves full-color pictures of Zabbix 7.0 in tests/output. With a palette they need less space.
"""

from pathlib import Path

from PIL import Image

TOP = Path(__file__).parent.parent
FROM = TOP / "tests" / "output" / "zabbix-7.0"
TO = TOP / "docs" / "images"
PICTURES = {
    "dashboard.png": "zabbix-dashboard.png",
    "dashboard-2.png": "zabbix-curves.png",
    "latest-data.png": "zabbix-latest-data.png",
    "problems-recovered.png": "zabbix-problems.png",
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
