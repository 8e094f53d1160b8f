"""Figures that a benchmark saved can be shown later, together with those of other runs."""

import json
import platform
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.chart import DESCRIPTIONS, chart
from tests.benchmarks.figures import Figure, figure, machine
from tests.benchmarks.run import BENCHMARKS

HOP = figure(
    "events/s", {"marketplace": [3000, 3100, 2900], "floor": [3200, 3000, 3100]}, {"cpu_us": {"floor": [200, 210, 190]}}
)
GROWTH = figure("hops/s", {"empty": [1000.0], "5,000,000 <inbox> rows": [950.0]})


def saved(file: Path, **figures: Figure) -> Path:
    file.write_text(json.dumps({name: each.to_json() for name, each in figures.items()}))
    return file


def test_saved_figures_are_read_unchanged():
    assert Figure.from_json(HOP.to_json()).to_json() == HOP.to_json()


def test_the_kernel_s_version_is_shown_without_its_build(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("platform.release", lambda: "6.18.44-of-somebody")
    assert f"{platform.system()} 6.18, Python" in machine()


def test_every_bar_shows_its_name_number_and_ratio():
    svg = chart({"growth": GROWTH, "hop": HOP})
    ElementTree.fromstring(svg)
    for words in ("marketplace", "floor", "3,000", "3,100", "5,000,000 &lt;inbox&gt; rows", "1,000", "950", "1.05x"):
        assert f">{words}</text>" in svg
    assert svg.index("One hop") < svg.index("Growth")
    assert HOP.machine in svg


def test_every_benchmark_has_a_description():
    assert set(DESCRIPTIONS) == set(BENCHMARKS)


def test_figures_of_separate_runs_become_one_chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = [saved(tmp_path / "hop.json", hop=HOP), saved(tmp_path / "growth.json", growth=GROWTH)]
    both, picture = tmp_path / "both.json", tmp_path / "bench.svg"
    monkeypatch.setattr(
        sys, "argv", ["bench", "--from", *map(str, files), "--json", str(both), "--chart", str(picture)]
    )
    assert main() == 0
    assert json.loads(both.read_text()) == {"hop": HOP.to_json(), "growth": GROWTH.to_json()}
    assert "Growth" in picture.read_text()


@pytest.mark.parametrize("content", ["{", "[]", '{"hop": {}}', '{"hop": 1}', json.dumps({"jump": HOP.to_json()})])
def test_a_file_without_figures_is_refused_by_name(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (file := tmp_path / "x.json").write_text(content)
    monkeypatch.setattr(sys, "argv", ["bench", "--from", str(file), "--chart", str(tmp_path / "bench.svg")])
    assert main() == 2
    assert "x.json holds no figures" in capsys.readouterr().err
    assert not (tmp_path / "bench.svg").exists()
