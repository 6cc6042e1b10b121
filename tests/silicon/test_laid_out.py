"""The report of a layout project: what is planned, and what LibreLane's own figures say where it was run."""

import json
import os
from pathlib import Path

import pytest
from tests.cli.test_errors import Run, refused

from lithify.silicon.floorplan import picture, plan
from lithify.silicon.laid_out import Planned, read_layout

METRICS = {
    "design__die__area": 4_410_000.0,
    "design__core__area": 4_200_000.0,
    "design__instance__area__stdcell": 1_300_000.0,
    "design__instance__area__macros": 1_700_000.0,
    "design__instance__utilization": 0.7142857,
    "timing__setup__ws": 0.41,
    "timing__hold__ws": 0.05,
    "timing__setup_vio__count": 0,
    "power__total": 0.0835,
    "route__wirelength": 9_876_543,
    "route__drc_errors": 0,
    "magic__drc_error__count": 0,
    "design__lvs_error__count": 0,
    "flow__warnings__count": 7,
    "timing__setup__ws__corner:nom_typ_1p20V_25C": 1.2,
}
"""Of a finished run, by the names that LibreLane documents."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What `lithify layout` leaves, as far as a report reads it."""
    sizes = {"wide": (784.48, 191.34)}
    found = plan([("scratchpad.bank0.macro_0_0", "wide")], sizes, 1e6)
    planned = Planned("small <1>", "ihp-sg13g2", 200_000_000, found.width, found.height, 1.0, 0.15, 1)
    (tmp_path / "layout.json").write_text(planned.to_text(), encoding="utf-8")
    (tmp_path / "floorplan.svg").write_text(picture(found, "small <1> on a kit"), encoding="utf-8")
    return tmp_path


def finished(project: Path, name: str, age: int, metrics: dict[str, object], kind: str = "json") -> None:
    """A run of LibreLane."""
    path = project / "runs" / name / "final" / f"metrics.{kind}"
    path.parent.mkdir(parents=True)
    if kind == "json":
        path.write_text(json.dumps(metrics), encoding="utf-8")
    else:
        path.write_text("Metric,Value\n" + "".join(f"{k},{v}\n" for k, v in metrics.items()), encoding="utf-8")
    os.utime(path, (1_700_000_000 - age,) * 2)


def test_before_any_run(run: Run, project: Path) -> None:
    page = project / "page.html"
    ran = run("report", project, "--html", page)
    assert ran.status == 0 and "LibreLane has not been run in this project" in ran.out, ran.err
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text and "scratchpad.bank0" in text and "Laid out" not in text
    assert "small &lt;1&gt;" in text and "small <1>" not in text
    found = json.loads(run("report", project, "--json").out)
    assert found["run"] is None and found["results"] == {} and found["macros"] == 1


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_the_newest_run_is_shown(run: Run, project: Path, kind: str) -> None:
    finished(project, "RUN_1", 100, {"design__die__area": 1.0})
    finished(project, "RUN_2", 0, METRICS, kind)
    (project / "runs" / "RUN_3").mkdir()  # one that did not finish
    page = project / "page.html"
    ran = run("report", project, "--html", page)
    assert ran.status == 0, ran.err
    for text in ("4.410 mm2", "71.4%", "+0.410 ns", "83.5 mW", "9.88 m", "RUN_2"):
        assert text in ran.out and text in page.read_text(encoding="utf-8"), text
    found = read_layout(project)
    assert found.run == "RUN_2" and found.faults == () and found.figure("timing__hold__ws") == 0.05
    assert found.figure("flow__warnings__count") is None, "only figures that are shown"
    assert json.loads(run("report", project, "--json").out)["results"]["power__total"] == 0.0835


def test_violations_are_faults(run: Run, project: Path) -> None:
    wrong = {"timing__setup__ws": -0.2, "magic__drc_error__count": 3, "route__drc_errors": 0}
    finished(project, "RUN_1", 0, METRICS | wrong)
    ran = run("report", project)
    assert ran.status == 1 and "worst setup slack, all corners (!)" in ran.out
    assert [figure.key for figure in read_layout(project).faults] == ["timing__setup__ws", "magic__drc_error__count"]


def test_wrong_files_are_refused(run: Run, project: Path) -> None:
    finished(project, "RUN_1", 0, METRICS)
    metrics = project / "runs" / "RUN_1" / "final" / "metrics.json"
    metrics.write_text("{", encoding="utf-8")
    assert refused(run("report", project, "--html", project / "page.html")).startswith(
        f"'{metrics}' is not a result of LibreLane: "
    )
    assert not (project / "page.html").exists()
    (project / "layout.json").write_text("[]", encoding="utf-8")
    expected = f"'{project / 'layout.json'}' is none that `lithify layout` wrote; write the project again."
    assert refused(run("report", project)) == expected
